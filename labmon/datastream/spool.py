"""`Spool`: readings that wait on disk for a store that is away, oldest first, in a folder of files.

Records are added at one end and released at the other; what was there at the start comes first. The
trap: it must not fill the disk, so it stays under its limit, and leaves free as much as it takes.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter, deque
from itertools import chain, count
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends.filelock import FileLock
from labmon.datastream.spool_file import SpoolFile, read_record, scan, sync_folder
from labmon.timestamps import to_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from labmon.datastream.spool_file import Frame, Head

log = logging.getLogger(__name__)

FILE_BYTES: Final = 16 << 20
SHARE: Final = 8
"""A file has at most such a part of the limit: a whole one goes when there is no more room."""
ENDING: Final = ".spool"
ASIDE: Final = "aside"


class SpoolFullError(OSError):
    """There is no room for another file: the limit is reached, or the disk is half full of it."""


class Spool:
    """A folder; what reads and writes files may run on any thread, one call at a time.

    Args:
        folder: made where it is missing.
        limit_bytes: it takes at most about so much.
        free_bytes: how much room the disk of a folder has.

    Attributes:
        problems: what was found damaged or foreign, for people.
        frames: what waits, oldest first; changed on the event loop only.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.folder = folder
        self._limit = limit_bytes
        self._file_bytes = min(FILE_BYTES, limit_bytes // SHARE)
        self._free_bytes = free_bytes
        self._lock = FileLock(folder / "lock")
        self._sizes: dict[Path, int] = {}
        self._waiting: Counter[Path] = Counter()
        self._damaged: set[Path] = set()
        self._file: SpoolFile | None = None
        self._is_replacing = False
        self._is_writing = False
        self._number = 0
        self.problems: list[str] = []
        self.frames: deque[Frame] = deque()
        self.readings = 0
        """How many readings are in it."""

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        return sum(self._sizes.values())

    @property
    def warnings(self) -> list[str]:
        """What people should know: what waits, and what was found damaged or foreign."""
        if not self.frames:
            return self.problems
        since, mib = to_iso(self.frames[0].head.time_ns), self.size_bytes / (1 << 20)
        waiting = f"{self.readings} readings since {since} wait on disk for the store"
        return [f"{waiting} ({mib:.1f} MiB)", *self.problems]

    @property
    def begins_file(self) -> bool:
        """Whether the next record begins a new file."""
        return self._file is None or self._file.size >= self._file_bytes

    def open(self) -> None:
        """Find what an earlier start has left.

        Raises:
            StoreLocked: another process has this folder.
            OSError: it cannot be made or read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(self.folder)
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            self._find(path)
        self.tidy()

    def _find(self, path: Path) -> None:
        found = scan(path)
        self._sizes[path] = path.stat().st_size
        if path.stem.isdigit():
            self._number = max(self._number, int(path.stem) + 1)
        if found.damaged:
            self.report(path, f"{found.damaged} bytes are no readings")
        if found.is_torn:
            log.warning("%s ends in the middle of a record, as a crash leaves it", path)
        self._add(found.frames)

    def _add(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.frames.append(frame)
            self._waiting[frame.path] += 1
            self.readings += frame.head.readings
            self._number = max(self._number, frame.head.number + 1)

    def report(self, path: Path, what: str) -> None:
        """A file is wrong somewhere: it is kept in a folder beside, once its rest is released."""
        said = f"{path}: {what}; the file is kept in {ASIDE}/"
        if said not in self.problems:  # of each record in a file of another store
            log.error("not all of the spool can be recorded: %s", said)
            self.problems.append(said)
        self._damaged.add(path)

    def next_number(self) -> int:
        """A number for a record; they ascend, and none comes twice while there are any."""
        self._number += 1
        return self._number - 1

    def write(self, head: Head, record: bytes) -> Frame:
        """Write a record behind all others; it is on disk when this returns. `add` it then.

        Raises:
            SpoolFullError: there is no room.
            OSError: it cannot be written.
        """
        self._is_writing = True
        try:
            if self.begins_file:
                self._begin_file(head.number)
            assert self._file is not None
            (frame,) = self._file.append([(head, record)])
        except OSError:
            self._give_up_file()
            raise
        finally:
            self._is_writing = False
        return frame

    def _give_up_file(self) -> None:
        """Never write to a file again that could not be synced; what is in it may be sound."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            if not file.size:
                file.path.unlink(missing_ok=True)

    def _begin_file(self, number: int) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        taken = self.size_bytes
        if taken + self._file_bytes > self._limit:
            raise SpoolFullError(f"{self.folder} has {taken} bytes, no more is allowed")
        free = self._free_bytes(self.folder)
        if free < self._file_bytes + (0 if self._is_replacing else taken + self._file_bytes):
            raise SpoolFullError(f"the disk of {self.folder} has only {free} bytes left")
        self._file = SpoolFile(self.folder / f"{number:012}{ENDING}")
        self._is_replacing = False

    def add(self, frame: Frame) -> None:
        """Count a record that was written."""
        self._sizes[frame.path] = frame.end
        self._add([frame])

    def read(self, frame: Frame) -> bytes:
        """The bytes of a record.

        Raises:
            OSError: the file cannot be read.
        """
        return read_record(frame)

    def release(self) -> None:
        """The oldest record is no longer needed; see `tidy`."""
        frame = self.frames.popleft()
        self.readings -= frame.head.readings
        self._waiting[frame.path] -= 1

    def tidy(self) -> None:
        """Remove the files of which nothing is needed any more."""
        done = [path for path in self._sizes if not self._waiting[path]]
        for path in done:
            self._end(path)
        if done:
            sync_folder(self.folder)

    def oldest_file(self) -> list[Frame]:
        """The records of the oldest file, to make room; none where it is being written.

        The next file may then be begun even where not as much is free as the spool takes: somebody
        else has filled the disk, and what is here stays as long as it takes no more.
        """
        self._is_replacing = True
        if not self.frames or self._is_current(self.frames[0].path):
            return []
        return [frame for frame in self.frames if frame.path == self.frames[0].path]

    def _is_current(self, path: Path) -> bool:
        return self._file is not None and self._file.path == path

    def _end(self, path: Path) -> None:
        if self._is_current(path) and self._file is not None:
            self._file.close()
            self._file = None
        self._sizes.pop(path, None)
        del self._waiting[path]
        try:
            if path in self._damaged:
                aside = self.folder / ASIDE
                aside.mkdir(exist_ok=True)
                path.replace(_free_name(aside / path.name))
            else:
                path.unlink()
        except OSError as error:
            log.error("%s cannot be removed: %s", path, error)  # noqa: TRY400 - it is told twice

    def close(self) -> None:
        """Let go of everything; what waits stays on disk.

        While a record is being written, on another thread, nothing is let go before the process
        ends: the number of the file would be another's, and the record would go there.
        """
        if self._is_writing:
            return
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.release()


def _free_name(path: Path) -> Path:
    """The path, or the first like it that is free: an empty spool numbers its files anew."""
    names = (path.with_stem(f"{path.stem}.{number}") for number in count(2))
    return next(each for each in chain([path], names) if not each.exists())

"""An import: files into a store, all of them or nothing.

The files are read once, every row is judged, and those that are good wait in a stash. Only where
all are good (or the bad ones may be left out) they are appended from there. The trap: they are
judged by what the store has then, so nobody else may write to it until the end.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.exceptions import DatastreamException
from labmon.timestamps import SECOND_NS, to_iso
from labmon.transfer.problem import Problem, Problems, UnreadableFileError
from labmon.transfer.stash import Checked
from labmon.transfer.target import Target, ensured, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.api import Datastream
    from labmon.transfer.rows import Reader, Rows, Wanted
    from labmon.transfer.stash import Stash

    Moved = Callable[[int, int], None]

PORTION: Final = 131_072
"""Rows of one stream that are appended together."""
WAITING: Final = 1 << 20
"""Rows of all streams that wait for others at most."""
AHEAD_NS: Final = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Rules:
    """What is taken.

    Attributes:
        skip_bad: leave bad rows out instead of importing nothing.
        late: also take rows that are not after the newest datapoint of their stream.
        only_newer: leave them out without a word, and count them.
    """

    skip_bad: bool = False
    late: bool = False
    only_newer: bool = False


@dataclass(slots=True)
class Counts:
    """What an import came to.

    Attributes:
        rows: datapoints that are taken.
        bad: rows that were left out because they are bad.
        older: rows that were left out because they are not newer.
        late: datapoints that were sorted in before others.
    """

    rows: int = 0
    bad: int = 0
    older: int = 0
    late: int = 0
    streams: dict[str, int] = field(default_factory=dict[str, int])
    new_streams: list[str] = field(default_factory=list[str])


class Importer:
    """Imports some files into an open store.

    Args:
        datastream: open; read-only is enough to check.
        readers: of the files, in this order.
        wanted: what the readers were told.
        now_ns: rows of other programs' files that lie more than a minute after it are refused.
    """

    def __init__(
        self,
        datastream: Datastream,
        readers: Sequence[tuple[str, Reader]],
        wanted: Wanted,
        rules: Rules,
        now_ns: int,
    ) -> None:
        self._datastream = datastream
        self._readers = readers
        self._wanted = wanted
        self._rules = rules
        self._now_ns = now_ns
        self._targets: dict[str, Target] = {}
        self._waiting = 0
        self.counts = Counts()
        self.problems = Problems()

    async def check(self, stash: Stash | None = None, moved: Moved = lambda *_: None) -> None:
        """Read all files and judge every row; the store stays as it is.

        Args:
            stash: takes what can be appended; None: nothing will be.
            moved: is told (bytes read, bytes in all), of Parquet rows.

        Raises:
            UnreadableFileError, BadRequestError: a file or a stream cannot be imported at all.
            StorageFullError: there is no room in the stash.
        """
        for name, reader in self._readers:
            with closing(reader.pieces(self.problems.add)) as pieces:
                for rows in pieces:
                    for checked in self._admit(name, reader, rows):
                        if stash is not None and not self.is_refused:
                            stash.put(checked)
                    self._tell(moved)
                    await asyncio.sleep(0)
        self._finish_counts()

    def _tell(self, moved: Moved) -> None:
        readers = [reader for _, reader in self._readers]
        moved(sum(reader.at for reader in readers), sum(reader.size for reader in readers))

    def _finish_counts(self) -> None:
        self.counts.bad = self.problems.count
        for path, target in self._targets.items():
            if target.id is None:
                self.counts.new_streams.append(path)

    @property
    def is_refused(self) -> bool:
        """Whether nothing may be imported, because of what the check found."""
        return bool(self.problems.count) and not self._rules.skip_bad

    async def append(self, stash: Stash, moved: Moved = lambda *_: None) -> Counts:
        """Append what was found good; returns when all of it is durable.

        Args:
            stash: that the check has filled.
            moved: is told (bytes appended, bytes in all), of the stash.

        Raises:
            DatastreamException: the store did not take it; what was taken until then stays.
        """
        for target in self._targets.values():
            if target.id is None:
                target.id = await ensured(self._datastream, target.stream)
        for checked in stash.take():
            await self._take(checked)
            moved(stash.at, stash.size)
        await self._flush()
        await self._datastream.commit()
        return self.counts

    async def _take(self, checked: Checked) -> None:
        target = self._targets[checked.path]
        if checked.is_late:
            self._waiting -= await target.flush(self._datastream)
            await target.append_late(self._datastream, checked)
            return
        target.hold(checked)
        self._waiting += len(checked)
        if target.waiting >= PORTION:
            self._waiting -= await target.flush(self._datastream)
        if self._waiting >= WAITING:
            await self._flush()

    async def _flush(self) -> None:
        for target in self._targets.values():
            self._waiting -= await target.flush(self._datastream)

    def _admit(self, name: str, reader: Reader, rows: Rows) -> Iterator[Checked]:
        """What may be appended: rows in order, then late ones."""
        if not len(rows):
            return
        target = self._target(name, reader, rows)
        if not reader.header.is_own:  # what was recorded in the future once, is restored
            is_past = rows.t <= self._now_ns + AHEAD_NS
            rows = self._refused(name, rows, is_past, lambda _: "lies in the future")
        rows, late = self._in_order(name, rows, target)
        target.learn(rows)
        path = target.stream.path
        taken = len(rows) + (0 if late is None else len(late))
        self.counts.rows += taken
        self.counts.streams[path] = self.counts.streams.get(path, 0) + taken
        if len(rows):
            yield Checked(path, rows.t, rows.v, rows.quality, is_late=False)
        if late is not None:
            self.counts.late += len(late)
            yield Checked(path, late.t, late.v, late.quality, is_late=True)

    def _in_order(self, name: str, rows: Rows, target: Target) -> tuple[Rows, Rows | None]:
        """The rows that follow those before, and the late ones where these are taken."""
        if not len(rows):
            return rows, None
        if self._rules.only_newer:
            is_newer = rows.t > target.stored_ns
            self.counts.older += int(np.count_nonzero(~is_newer))
            rows = rows.take(is_newer)
        newest = np.maximum.accumulate(np.concatenate(([target.last_ns], rows.t)))
        target.last_ns = int(newest[-1])
        is_next = rows.t >= newest[:-1]
        is_new = rows.t > target.stored_ns
        if is_next.all() and is_new.all():
            return rows, None
        if self._rules.late:
            is_regular = is_next & (rows.t >= target.stored_ns)
            late = rows.take(~is_regular)
            return rows.take(is_regular), late if len(late) else None
        rows, is_next = self._refuse_old(name, rows, target, is_new, is_next)

        def why(i: int) -> str:
            time, before = to_iso(int(rows.t[i])), to_iso(int(np.max(rows.t[:i], initial=0)))
            return (
                f"{time} is before a row above it, of {before}:"
                " sort the file by time, or give --late"
            )

        return self._refused(name, rows, is_next, why), None

    def _refuse_old(
        self,
        name: str,
        rows: Rows,
        target: Target,
        is_new: NDArray[np.bool_],
        is_next: NDArray[np.bool_],
    ) -> tuple[Rows, NDArray[np.bool_]]:
        """Without the rows that are not after the newest datapoint: of them one is told for all."""
        if is_new.all():
            return rows, is_next
        first, count = int(np.argmin(is_new)), int(np.count_nonzero(~is_new))
        more = f" ({count:,} such rows here)" if count > 1 else ""
        text = (
            f"{to_iso(int(rows.t[first]))} is not after the newest datapoint of"
            f" {target.stream.path}, {to_iso(target.stored_ns)}{more}:"
            " --only-newer leaves such rows out, --late adds them all the same"
        )
        self.problems.add(Problem(name, int(rows.lines[first]), "time", text), count)
        return rows.take(is_new), is_next[is_new]

    def _refused(
        self, name: str, rows: Rows, is_good: NDArray[np.bool_], why: Callable[[int], str]
    ) -> Rows:
        """The good rows; the others are reported."""
        if is_good.all():
            return rows
        for i in np.flatnonzero(~is_good).tolist():
            self.problems.add(Problem(name, int(rows.lines[i]), "time", why(i)))
        return rows.take(is_good)

    def _target(self, name: str, reader: Reader, rows: Rows) -> Target:
        path = self._wanted.stored_path(rows.path)
        target = self._targets.get(path)
        if target is None:
            try:
                target = target_of(self._datastream, reader, rows, self._wanted)
            except (DatastreamException, ValueError, TypeError) as error:
                line = int(rows.lines[0])
                raise UnreadableFileError.at(name, line, str(error), rows.column) from None
            self._targets[path] = target
        return target

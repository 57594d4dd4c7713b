"""The frames of one file of the spool: written behind each other, and found again after a crash.

A frame is a head, which tells what it has, and a record; both have a checksum. The trap: a crash
tears the last frame, and a bad disk any; so where no head is, the next one is looked for.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAGIC: Final = b"LMS1"
# magic, CRC32 of what follows, length of the record, readings, number, epoch, first and last
# sequence number, time of the first reading
_HEAD: Final = struct.Struct("<4sIIIqqqqq")
_CRC_END: Final = 8
_LOOK_BYTES: Final = 1 << 20


class Head(NamedTuple):
    """What a frame tells of its record.

    Attributes:
        length: bytes of the record.
        readings: how many it has.
        number: of the record; they ascend.
        epoch, first_seq, last_seq: which readings these are.
        time_ns: of the first one.
    """

    length: int
    readings: int
    number: int
    epoch: int
    first_seq: int
    last_seq: int
    time_ns: int


class Frame(NamedTuple):
    """Where a record stands."""

    path: Path
    offset: int
    head: Head

    @property
    def end(self) -> int:
        """Where the next one may stand."""
        return self.offset + _HEAD.size + self.head.length


class Scan(NamedTuple):
    """What was found in a file.

    Attributes:
        frames: those with a whole head, and long enough.
        is_torn: the last one is not complete.
        damaged: bytes in between that are no frames.
    """

    frames: list[Frame]
    is_torn: bool
    damaged: int


class SpoolFile:
    """A file that is being written; by one thread at a time.

    Args:
        path: there is nothing there yet.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o644)
        try:
            sync_folder(path.parent)
        except OSError:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def append(self, records: Iterable[tuple[Head, bytes]]) -> list[Frame]:
        """Write records behind what there is; they are on disk when this returns.

        Raises:
            OSError: they are not; the file is as before, or must not be written to any more.
        """
        frames: list[Frame] = []
        written: list[bytes] = []
        end = self.size
        for head, record in records:
            frames.append(Frame(self.path, end, head))
            written += (_packed(head), record)
            end = frames[-1].end
        try:
            os.lseek(self._descriptor, self.size, os.SEEK_SET)
            _write_all(self._descriptor, b"".join(written))
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size = end
        return frames

    def close(self) -> None:
        """Let go of the file; closing twice is no error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_record(frame: Frame) -> bytes:
    """The bytes of a record; fewer where the file has become shorter.

    Raises:
        OSError: the file cannot be read.
    """
    with frame.path.open("rb") as file:
        file.seek(frame.offset + _HEAD.size)
        return file.read(frame.head.length)


def scan(path: Path) -> Scan:
    """Find the frames of a file; only their heads are read.

    Raises:
        OSError: it cannot be read.
    """
    frames: list[Frame] = []
    damaged = 0
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        at = 0
        while at < size:
            file.seek(at)
            head = _unpacked(file.read(_HEAD.size))
            if head is not None:
                frame = Frame(path, at, head)
                if frame.end > size:
                    return Scan(frames, is_torn=True, damaged=damaged)
                frames.append(frame)
                at = frame.end
                continue
            following = _next_head(path, at + 1, size)
            if following == size and size - at < _HEAD.size:
                return Scan(frames, is_torn=True, damaged=damaged)
            damaged += following - at
            at = following
    return Scan(frames, is_torn=False, damaged=damaged)


def _next_head(path: Path, start: int, size: int) -> int:
    """Where the next whole head begins; the end of the file where there is none."""
    with path.open("rb") as file:
        at = start
        while at < size:
            file.seek(at)
            chunk = file.read(_LOOK_BYTES)
            found = chunk.find(MAGIC)
            while found >= 0:
                file.seek(at + found)
                if _unpacked(file.read(_HEAD.size)) is not None:
                    return at + found
                found = chunk.find(MAGIC, found + 1)
            if len(chunk) < _LOOK_BYTES:
                break
            at += len(chunk) - len(MAGIC) + 1
    return size


def _packed(head: Head) -> bytes:
    packed = _HEAD.pack(MAGIC, 0, *head)
    return packed[:4] + struct.pack("<I", zlib.crc32(packed[_CRC_END:])) + packed[_CRC_END:]


def _unpacked(data: bytes) -> Head | None:
    if len(data) != _HEAD.size:
        return None
    magic, checksum, *rest = _HEAD.unpack(data)
    if magic != MAGIC or checksum != zlib.crc32(data[_CRC_END:]):
        return None
    return Head(*rest)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

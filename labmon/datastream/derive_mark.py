"""Marks: all that a derived stream needs to go on from a point exactly as if nothing had happened.

A mark is one stored record: until when its sources are worked in, the state of the operator, and
the derived datapoints that are in no block yet. The trap: it counts only together with the blocks
up to `through`, so the mark of a sealing is written in the very change that writes its blocks.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgpack

from labmon.datastream.checked import with_checksum, without_checksum
from labmon.datastream.codec import decode_block, encode_block
from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.granularity import Granularity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labmon.datastream.alignment import State

VERSION: Final = 1
_KEPT: Final = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a mark knows one of the streams at the bottom.

    Attributes:
        ordinal: what arrived before is worked in, as far as it lies before the mark.
        tail_ns: what arrived later and is not flagged late lies from here on.
        tail_count: how many datapoints there were from `tail_ns` to the mark; -1: something is
            not worked in from `tail_ns` on.
    """

    ordinal: int
    tail_ns: int
    tail_count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A point from which to go on.

    Attributes:
        number: marks of a stream count upwards.
        until_ns: everything of the sources before it is worked in.
        floor_ns: nothing before it is derived.
        through: how many derived datapoints are in blocks.
        head: those that are in none yet.
        state: what was kept of the operator's, see `derive_state`.
        seen: by the number of the stream.
    """

    number: int
    until_ns: int
    floor_ns: int
    through: int
    head: Columns
    state: State
    seen: dict[int, Seen]

    def encode(self) -> bytes:
        """As bytes."""
        head = encode_block(self.head, Granularity.Raw, None) if len(self.head) else b""
        seen = {n: (one.ordinal, one.tail_ns, one.tail_count) for n, one in self.seen.items()}
        fields = (VERSION, self.number, self.until_ns, self.floor_ns, self.through)
        record = msgpack.packb((*fields, head, self.state, seen))
        assert record is not None
        return with_checksum(zlib.compress(record, 1))

    @classmethod
    def decode(cls, data: bytes) -> Mark:
        """From bytes.

        Raises:
            DamagedBlock: they are not what was written.
        """
        which = "the mark of a derived stream"
        record = zlib.decompress(without_checksum(data, which))
        version, *rest = msgpack.unpackb(record, strict_map_key=False)
        if version != VERSION:
            raise DamagedBlock(which, f"has version {version}, unknown here")
        number, until_ns, floor_ns, through, body, state, seen = rest
        head = decode_block(body, None, which=which) if body else Columns.empty()
        assert isinstance(head, Columns)
        known = {n: Seen(*one) for n, one in seen.items()}
        return cls(number, until_ns, floor_ns, through, head, state, known)


class Numbered(Protocol):
    """What can be thinned."""

    @property
    def number(self) -> int:
        """They count upwards."""
        ...


AnyNumbered = TypeVar("AnyNumbered", bound=Numbered)


def mark_name(stream: int, number: int) -> str:
    """Under which cursor a mark is kept; they sort by number."""
    return f"{mark_prefix(stream)}{number:015d}"


def mark_prefix(stream: int) -> str:
    """What the names of all marks of a stream begin with."""
    return f"derived/{stream}/"


def thinned(points: Sequence[AnyNumbered]) -> list[AnyNumbered]:
    """Fewer points the older they are: from any time, one is at most about as far as it is old."""
    if not points:
        return []
    newest = points[-1].number
    return [p for p in points if newest - p.number < _KEPT * _step(p.number)]


def _step(number: int) -> float:
    """The largest power of two that divides a number."""
    return number & -number if number else float("inf")


def decoded(records: Iterable[bytes]) -> tuple[list[Mark], int]:
    """The marks of records in the order of their numbers, and how many were damaged."""
    marks: list[Mark] = []
    damaged = 0
    for record in records:
        try:
            marks.append(Mark.decode(record))
        except DamagedBlock:
            damaged += 1
    marks.sort(key=lambda mark: mark.number)
    return marks, damaged

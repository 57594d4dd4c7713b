"""Pieces of several streams brought side by side: one table of times with a column for each.

Each stream is a lane that is read ahead by one piece; rows are given out up to the time through
which all lanes have been read. The trap: a stream may have several datapoints of one time, so a
time comes as often as the stream has it that has it most often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from numpy.typing import NDArray

    from labmon.transfer.snapshot import Piece

ROWS: Final = 65_536
"""Rows of one table at most, but for those of one time."""
_END_NS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of several streams.

    Attributes:
        t: of each row.
        pieces: of each stream, None where it has nothing here.
        places: of each stream, the row of the table that each row of its piece goes to.
    """

    t: NDArray[np.int64]
    pieces: list[Piece | None]
    places: list[NDArray[np.intp]]


class _Lane:
    """One stream: what was read of it and not given out yet, at most one piece."""

    def __init__(self, pieces: AsyncIterator[Piece]) -> None:
        self._pieces = pieces
        self._waiting: Piece | None = None
        self.until_ns = 0
        """All rows before it have been read; at the end of the stream, the end of time."""

    async def read(self) -> None:
        """Read one piece; the one before has been given out."""
        async for piece in self._pieces:
            self.until_ns = piece.until_ns
            self._waiting = piece if len(piece) else None
            return
        self.until_ns = _END_NS

    def times(self, before_ns: int) -> NDArray[np.int64]:
        """Of the rows that can be taken before a time."""
        if self._waiting is None:
            return np.empty(0, np.int64)
        t = self._waiting.t
        return t[: int(np.searchsorted(t, before_ns))]

    def take(self, before_ns: int) -> Piece | None:
        """The rows before a time."""
        count = len(self.times(before_ns))
        if not count or self._waiting is None:
            return None
        piece = self._waiting
        self._waiting = piece.rows(count, len(piece)) if count < len(piece) else None
        return piece.rows(0, count)


async def side_by_side(streams: Sequence[AsyncIterator[Piece]]) -> AsyncIterator[Table]:
    """The rows of several streams together, in the order of time."""
    lanes = [_Lane(pieces) for pieces in streams]
    horizon_ns = 0
    while horizon_ns < _END_NS:
        for lane in lanes:
            if lane.until_ns == horizon_ns:
                await lane.read()
        horizon_ns = min((lane.until_ns for lane in lanes), default=_END_NS)
        for before_ns in _cuts(lanes, horizon_ns):
            pieces = [lane.take(before_ns) for lane in lanes]
            if any(piece is not None for piece in pieces):
                yield _merged(pieces)


def _cuts(lanes: list[_Lane], horizon_ns: int) -> list[int]:
    """Times at which the rows before the horizon are cut into tables."""
    times = np.concatenate([lane.times(horizon_ns) for lane in lanes])
    if len(times) <= ROWS:
        return [horizon_ns]
    times.sort()
    return [*sorted(set(times[ROWS::ROWS].tolist())), horizon_ns]


def _merged(pieces: list[Piece | None]) -> Table:
    """All times, and where the rows of each piece go."""
    columns = [np.empty(0, np.int64) if piece is None else piece.t for piece in pieces]
    if len(columns) == 1:
        return Table(columns[0], pieces, [np.arange(len(columns[0]))])
    if any((t[1:] == t[:-1]).any() for t in columns):
        keys = np.concatenate([_numbered(t) for t in columns])
        rows, inverse = np.unique(keys, axis=0, return_inverse=True)
        times = rows[:, 0]
    else:
        times, inverse = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([len(t) for t in columns])
    return Table(times, pieces, np.split(inverse.reshape(-1), ends[:-1]))


def _numbered(t: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of a time and how many equal ones stand before it."""
    return np.stack([t, np.arange(len(t)) - np.searchsorted(t, t)], axis=1)

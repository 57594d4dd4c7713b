"""Which blocks a stream has at one granularity: columns, of which outlines are made when asked for.

A stream at 10 Hz has 77,000 blocks after a year, and as objects each would take six times as much
memory. The trap: lists are passed around while others are made of them, so none is ever changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.backends.base import BlockKey, BlockOutline
from labmon.datastream.granularity import Granularity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

ADDRESS: Final = np.dtype("V16")
"""Of a time column; noughts where a block has its own."""
NOWHERE: Final = bytes(ADDRESS.itemsize)


class BlockList:
    """The blocks of one stream at one granularity, by ordinal; never changed once made.

    Args:
        outlines: in the order of their ordinals.
    """

    __slots__ = ("_numbers", "_place", "_times")

    def __init__(self, outlines: Iterable[BlockOutline] = ()) -> None:
        rows = list(outlines)
        self._place = (rows[0].key.stream, rows[0].key.granularity) if rows else (0, "")
        numbers = [(o.key.ordinal, o.key.generation, *o[1:5], o.size) for o in rows]
        self._numbers: NDArray[np.int64] = np.array(numbers, np.int64).reshape(-1, 7).T.copy()
        self._times: NDArray[np.void] = np.array([o.times or NOWHERE for o in rows], ADDRESS)

    def __len__(self) -> int:
        """How many blocks there are."""
        return len(self._times)

    def __contains__(self, key: BlockKey) -> bool:
        """Whether a block is among them."""
        return len(self._of({key})) > 0

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self._numbers.nbytes + self._times.nbytes

    @property
    def outlines(self) -> list[BlockOutline]:
        """All of them."""
        return self._outlines(np.arange(len(self)))

    def overlapping(self, start_ns: int, end_ns: int) -> list[BlockOutline]:
        """The blocks that reach into `start_ns <= t < end_ns`, where `to_ns` is inside."""
        return self._outlines(np.flatnonzero(self._reach_into(start_ns, end_ns)))

    def crossing(self, start_ns: int, end_ns: int) -> list[BlockOutline]:
        """Those of them that do not lie wholly in the range."""
        crosses = self._reach_into(start_ns, end_ns) & ~self._lie_in(start_ns, end_ns)
        return self._outlines(np.flatnonzero(crosses))

    def count(self, start_ns: int, end_ns: int) -> int:
        """How many blocks reach into a range."""
        return int(np.count_nonzero(self._reach_into(start_ns, end_ns)))

    def starts(self, start_ns: int, end_ns: int) -> list[int]:
        """When the blocks begin that reach into a range, ascending."""
        return np.sort(self._from_ns[self._reach_into(start_ns, end_ns)]).tolist()

    def rows_inside(self, start_ns: int, end_ns: int) -> int:
        """How many rows the blocks have that lie wholly in `start_ns <= t < end_ns`."""
        return int(self._numbers[4][self._lie_in(start_ns, end_ns)].sum())

    def newer(self, ordinal: int) -> list[BlockOutline]:
        """The blocks whose sealing covers what arrived from an ordinal on, perhaps of before."""
        return self._outlines(np.flatnonzero(self._numbers[5] > ordinal))

    def until(self, floor_ns: int) -> list[BlockOutline]:
        """The blocks that do not reach behind the floor of their granularity."""
        return self._outlines(np.flatnonzero(self._ends_before(floor_ns)))

    def behind(self, floor_ns: int) -> BlockList:
        """Without the blocks that do not reach behind the floor."""
        return self._rows(np.flatnonzero(~self._ends_before(floor_ns)))

    def replaced(self, new: Iterable[BlockOutline], gone: Iterable[BlockKey] = ()) -> BlockList:
        """With other blocks added, and some removed."""
        added = BlockList(new)
        keys = {*gone, *(outline.key for outline in added.outlines)}
        left = np.delete(np.arange(len(self)), self._of(keys))
        if not len(added):
            return self._rows(left)
        numbers = np.hstack((self._numbers[:, left], added._numbers))
        order = np.lexsort((numbers[1], numbers[0]))
        made = BlockList()
        made._place = added._place
        made._numbers = numbers[:, order]
        made._times = np.concatenate((self._times[left], added._times))[order]
        return made

    def _rows(self, which: NDArray[np.intp]) -> BlockList:
        made = BlockList()
        made._place = self._place
        made._numbers = self._numbers[:, which]
        made._times = self._times[which]
        return made

    @property
    def _from_ns(self) -> NDArray[np.int64]:
        return self._numbers[2]

    @property
    def _to_ns(self) -> NDArray[np.int64]:
        return self._numbers[3]

    def _reach_into(self, start_ns: int, end_ns: int) -> NDArray[np.bool_]:
        return (self._from_ns < end_ns) & (self._to_ns >= start_ns)

    def _lie_in(self, start_ns: int, end_ns: int) -> NDArray[np.bool_]:
        return (self._from_ns >= start_ns) & (self._to_ns < end_ns)

    def _ends_before(self, floor_ns: int) -> NDArray[np.bool_]:
        is_raw = self._place[1] == Granularity.Raw.key
        return self._to_ns < floor_ns if is_raw else self._to_ns <= floor_ns

    def _of(self, keys: Collection[BlockKey]) -> list[int]:
        """Where the blocks with such keys stand."""
        wanted = {(key.ordinal, key.generation) for key in keys}
        places = np.flatnonzero(np.isin(self._numbers[0], [ordinal for ordinal, _ in wanted]))
        found = zip(places.tolist(), self._numbers[:2, places].T.tolist(), strict=True)
        return [place for place, key in found if tuple(key) in wanted]

    def _outlines(self, which: NDArray[np.intp]) -> list[BlockOutline]:
        rows = zip(*self._numbers[:, which].tolist(), self._times[which].tolist(), strict=True)
        return [
            BlockOutline(
                BlockKey(*self._place, ordinal, generation),
                from_ns,
                to_ns,
                length,
                through,
                None if times == NOWHERE else times,
                size,
            )
            for ordinal, generation, from_ns, to_ns, length, through, size, times in rows
        ]

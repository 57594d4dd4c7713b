"""What stands in the journal, bodies left out: bare integers, as each commit adds an entry.

Ten commits a second make 9,000 before the journal is trimmed; as objects they took 300 bytes each,
and the collector walked them all. The trap: rows are made when they are asked for, so ask for few.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.backends.base import CARRY_ENTRY, COMMIT_ENTRY, EntryKey, EntryRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from numpy.typing import NDArray

WIDTH: Final = 6
"""Epoch, number, kind, first and last sequence number, and when it was closed."""


class EntryList:
    """Entries without their bodies, in the order of writing.

    Args:
        rows: to begin with.
    """

    def __init__(self, rows: Iterable[EntryRow] = ()) -> None:
        self._numbers = array("q")
        self.extend(rows)

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._numbers) // WIDTH

    def __iter__(self) -> Iterator[EntryRow]:
        """All of them, with no bytes for a body."""
        return iter(_rows(self._table()))

    def extend(self, rows: Iterable[EntryRow]) -> None:
        """Some were written."""
        for row in rows:
            self._numbers.extend((*row.key, *row[1:5]))

    def remove(self, keys: Collection[EntryKey]) -> None:
        """Some were removed; those that are not there are no error."""
        table = self._table()
        places = zip(table[:, 0].tolist(), table[:, 1].tolist(), strict=True)
        kept = np.array([place not in keys for place in places], bool)
        self._numbers = array("q", table[kept].tobytes())

    def commits_after(self, epoch: int, seq: int) -> list[EntryRow]:
        """The commits that may have something behind a position, by key."""
        table = self._table()
        commits = table[table[:, 2] == COMMIT_ENTRY]
        epochs, numbers, last = commits[:, 0], commits[:, 1], commits[:, 4]
        is_known = (epochs == epoch) & (last > 0) & (last <= seq)
        known = numbers[is_known].max(initial=0)
        later = commits[(epochs > epoch) | ((epochs == epoch) & (numbers > known))]
        return sorted(_rows(later))

    def up_to(self, before_ns: int) -> list[EntryRow]:
        """All up to the last commit from before a time, and what is carried; none: no such commit.

        In the order of writing.
        """
        table = self._table()
        is_old = (table[:, 2] == COMMIT_ENTRY) & (table[:, 5] < before_ns)
        if not is_old.any():
            return []
        epoch = table[is_old, 0].max()
        number = table[is_old & (table[:, 0] == epoch), 1].max()
        is_before = (table[:, 0] < epoch) | ((table[:, 0] == epoch) & (table[:, 1] <= number))
        return _rows(table[is_before | (table[:, 2] == CARRY_ENTRY)])

    def _table(self) -> NDArray[np.int64]:
        """A copy, a row for each entry: who holds the numbers themselves keeps others out."""
        return np.array(self._numbers, np.int64).reshape(-1, WIDTH)


def _rows(table: NDArray[np.int64]) -> list[EntryRow]:
    return [
        EntryRow(EntryKey(epoch, number), kind, first_seq, last_seq, time_ns, b"")
        for epoch, number, kind, first_seq, last_seq, time_ns in table.tolist()
    ]

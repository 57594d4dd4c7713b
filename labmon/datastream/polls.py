"""`Polls`: polls that wait for the journal, as bytes, one behind the other.

A poll is kept in one step for all of its channels, and what many of them are in the journal is
their bytes put together. The trap: what is written ten times a second runs with cold caches, where
a few dozen calls of numpy cost more than all the readings; so nothing here is an array unless
somebody asks for columns.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream.entry import EntryColumns, Runs
from labmon.datastream.journal_values import FLOAT, JournalValues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_NARROW: Final = 0xFFFF


class StreamNumbers:
    """The streams of a poll, which come again with every poll of a device.

    Attributes:
        numbers: of each.
        wide, narrow: the same as uint32 and as uint16; `narrow` is empty where one is too large.
    """

    __slots__ = ("narrow", "numbers", "wide")

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = tuple(numbers)
        count = len(self.numbers)
        self.wide = struct.pack(f"<{count}I", *self.numbers)
        fit = max(self.numbers, default=0) <= _NARROW
        self.narrow = struct.pack(f"<{count}H", *self.numbers) if fit else b""

    def rows(self, rows: slice) -> StreamNumbers:
        """Some of them."""
        return StreamNumbers(self.numbers[rows])


Poll = tuple[StreamNumbers, int, bytes, bytes, int]
"""Readings of one time; a plain tuple, because there are so many.

Their streams, the time in ns, their values (eight bytes each, see `JournalValues`), their qualities
(one byte each), and the number of the first one; 0: they have none.
"""
_STREAMS: Final = itemgetter(0)


class Polls:
    """Polls in the order in which they came.

    Attributes:
        add: puts a poll of floats behind what there is.
    """

    __slots__ = ("_kinds", "_others", "_polls", "add")

    def __init__(self) -> None:
        self._polls: list[Poll] = []
        self._kinds: dict[int, bytes] = {}
        self._others: list[Any] = []
        self.add: Final = self._polls.append

    def __len__(self) -> int:
        """How many polls."""
        return len(self._polls)

    def add_mixed(self, poll: Poll, values: JournalValues) -> None:
        """Put values of any types behind what there is; `values` are those of the poll."""
        if values.kinds is not None:
            self._kinds[len(self._polls)] = values.kinds.tobytes()
            self._others += values.others
        self.add(poll)

    def totals(self) -> dict[int, int]:
        """How many readings each stream has."""
        totals: dict[int, int] = {}
        for streams, count in Counter(map(_STREAMS, self._polls)).items():
            for number in streams.numbers:
                totals[number] = totals.get(number, 0) + count
        return totals

    def runs(self) -> Runs | None:
        """All of them as they stand in an entry; None: their numbers are not consecutive."""
        streams, times, values, qualities, firsts = zip(*self._polls, strict=True)
        lengths = array("I", map(len, qualities))
        if not firsts[0] or firsts != tuple(accumulate(lengths[:-1], initial=firsts[0])):
            return None
        narrow = [one.narrow for one in streams]
        joined = b"".join(qualities)
        return Runs(
            len(joined),
            firsts[0],
            array("q", times),
            lengths,
            b"".join(values),
            b"".join(narrow if all(narrow) else [one.wide for one in streams]),
            self._joined_kinds() if self._kinds else b"",
            joined,
            self._others,
        )

    def columns(self) -> EntryColumns:
        """All of them, in the order in which they came."""
        streams, times, values, qualities, firsts = zip(*self._polls, strict=True)
        lengths = np.fromiter(map(len, qualities), np.int64, len(qualities))
        return EntryColumns(
            _seqs(np.array(firsts, np.int64), lengths),
            np.frombuffer(b"".join([one.wide for one in streams]), np.uint32),
            np.repeat(np.array(times, np.int64), lengths),
            self._values(b"".join(values)),
            np.frombuffer(b"".join(qualities), np.uint8),
        )

    def _values(self, joined: bytes) -> JournalValues:
        v = np.frombuffer(joined, np.float64)
        if not self._kinds:
            return JournalValues(v)
        return JournalValues(v, np.frombuffer(self._joined_kinds(), np.uint8), self._others)

    def _joined_kinds(self) -> bytes:
        kinds = self._kinds
        floats = bytes((FLOAT,))
        return b"".join(
            kinds[i] if i in kinds else floats * len(poll[3]) for i, poll in enumerate(self._polls)
        )


def _seqs(firsts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of readings in runs that begin with these; 0 for all of a run without numbers."""
    ends = np.cumsum(lengths)
    seqs = np.repeat(firsts - ends + lengths, lengths) + np.arange(ends[-1])
    if not firsts.all():
        seqs[np.repeat(firsts == 0, lengths)] = 0
    return seqs

"""`Polls`: polls that wait for the journal, as bytes, one behind the other.

A poll is kept in one step for all of its channels, and what many of them are in the journal is
their bytes put together. The trap: what is written ten times a second runs with cold caches, where
a few dozen calls of numpy cost more than all the readings; so nothing here is an array unless
somebody asks for columns.
"""

from __future__ import annotations

import struct
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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


class Poll(NamedTuple):
    """Readings of one time.

    Attributes:
        streams: of each.
        time_ns: of all of them.
        values: of each, eight bytes; see `JournalValues`.
        qualities: of each, one byte.
        first_seq: the number of the first one; 0: they have none.
    """

    streams: StreamNumbers
    time_ns: int
    values: bytes
    qualities: bytes
    first_seq: int


class Polls:
    """Polls in the order in which they came.

    Attributes:
        count: how many readings they have.
    """

    __slots__ = ("_kinds", "_others", "_polls", "count")

    def __init__(self) -> None:
        self.count = 0
        self._polls: list[Poll] = []
        self._kinds: list[tuple[int, bytes]] = []
        self._others: list[Any] = []

    def add(self, poll: Poll) -> None:
        """Put floats behind what there is."""
        self._polls.append(poll)
        self.count += len(poll.qualities)

    def add_mixed(self, poll: Poll, values: JournalValues) -> None:
        """Put values of any types behind what there is; `values` are those of the poll."""
        if values.kinds is not None:
            self._kinds.append((self.count, values.kinds.tobytes()))
            self._others += values.others
        self.add(poll)

    def totals(self) -> dict[int, int]:
        """How many readings each stream has."""
        times: dict[StreamNumbers, int] = {}
        for poll in self._polls:
            times[poll.streams] = times.get(poll.streams, 0) + 1
        totals: dict[int, int] = {}
        for streams, count in times.items():
            for number in streams.numbers:
                totals[number] = totals.get(number, 0) + count
        return totals

    def runs(self) -> Runs | None:
        """All of them as they stand in an entry; None: their numbers are not consecutive."""
        first_seq = self._polls[0].first_seq
        if not first_seq or any(
            before.first_seq + len(before.qualities) != poll.first_seq
            for before, poll in pairwise(self._polls)
        ):
            return None
        streams, times, values, qualities, _ = zip(*self._polls, strict=True)
        narrow = [one.narrow for one in streams]
        return Runs(
            self.count,
            first_seq,
            array("q", times),
            array("I", map(len, qualities)),
            b"".join(values),
            b"".join(narrow if all(narrow) else [one.wide for one in streams]),
            self._joined_kinds() if self._kinds else b"",
            b"".join(qualities),
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
        kinds = bytearray([FLOAT]) * self.count
        for first, own in self._kinds:
            kinds[first : first + len(own)] = own
        return bytes(kinds)


def _seqs(firsts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of readings in runs that begin with these; 0 for all of a run without numbers."""
    ends = np.cumsum(lengths)
    seqs = np.repeat(firsts - ends + lengths, lengths) + np.arange(ends[-1])
    if not firsts.all():
        seqs[np.repeat(firsts == 0, lengths)] = 0
    return seqs

"""`OpenEntry`: the journal's entry that is being filled, readings in order of arrival.

A poll is kept as bytes, in one step for all of its channels, and many polls become columns by
putting their bytes together; an array is columns already. The trap: both kinds alternate, and the
order in which they came must stand, so polls are folded before columns go behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from labmon.datastream.entry import FLOAT, INT, JournalValues
from labmon.datastream.receipts import Receipts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.reading import Receipt

READING_BYTES: Final = 80
"""What a number of a poll that waits takes in memory, about."""
COLUMNS_BYTES: Final = 32
"""What one takes that waits in columns."""


Poll = tuple[bytes, int, bytes, bytes, int]
"""Streams, time, values, qualities, and the number of the first reading; 0: they have none."""


class EntryColumns(NamedTuple):
    """Readings of any streams as columns; as in `JournalEntry`."""

    seq: NDArray[np.int64]
    streams: NDArray[np.uint32]
    t: NDArray[np.int64]
    values: JournalValues
    quality: NDArray[np.uint8] | None


class OpenEntry:
    """What has been added since the last entry was closed; on the event loop only.

    Attributes:
        count: how many readings there are.
        weight: how many bytes they take in memory, about.
    """

    __slots__ = (
        "_arrays",
        "_mixed",
        "_others",
        "_parts",
        "_polled",
        "_polls",
        "_receipts",
        "count",
        "weight",
    )

    def __init__(self) -> None:
        self.count = 0
        self.weight = 0
        self._polls: list[Poll] = []
        self._polled = 0
        self._mixed: list[tuple[int, NDArray[np.uint8]]] = []
        self._others: list[Any] = []
        self._parts: list[EntryColumns] = []
        self._arrays: list[tuple[int, int]] = []
        self._receipts = Receipts()

    def add_poll(
        self, streams: bytes, time_ns: int, values: bytes, qualities: bytes, first_seq: int
    ) -> None:
        """Put floats of one time behind what there is; see `Journal.add_poll`."""
        self._polls.append((streams, time_ns, values, qualities, first_seq))
        self._polled += len(qualities)
        self.count += len(qualities)
        self.weight += len(qualities) * READING_BYTES

    def add_mixed(
        self,
        streams: bytes,
        time_ns: int,
        values: JournalValues,
        qualities: bytes,
        first_seq: int,
        heavy: int,
    ) -> None:
        """Put values of any types and one time behind what there is; see `Journal.add_mixed`."""
        if values.kinds is not None:
            self._mixed.append((self._polled, values.kinds))
            self._others += values.others
        self.add_poll(streams, time_ns, values.v.tobytes(), qualities, first_seq)
        self.weight += heavy

    def add_columns(self, columns: EntryColumns, heavy: int = 0) -> None:
        """Put columns behind what there is."""
        self._fold()
        self._parts.append(columns)
        self.count += len(columns.t)
        self.weight += len(columns.t) * COLUMNS_BYTES + heavy

    def add_array(self, stream: int, columns: Columns, first_seq: int, *, is_noted: bool) -> None:
        """Put columns of one stream behind what there is, noted as an array of samples or not."""
        count = len(columns)
        if is_noted:
            self._arrays.append((self.count, count))
        seqs = seq_column(first_seq, count)
        streams = np.full(count, stream, np.uint32)
        values = _array_values(columns)
        self.add_columns(EntryColumns(seqs, streams, columns.t, values, columns.quality))

    def add_receipt(self, receipt: Receipt) -> None:
        """Note which readings of a push are put behind what there is."""
        self._receipts.add(receipt)

    def note(self) -> dict[str, Any]:
        """What the entry tells of itself: where arrays lie in it, and what it has of pushes."""
        note: dict[str, Any] = {}
        if self._arrays:
            note["arrays"] = self._arrays
        if self._receipts:
            note["receipts"] = self._receipts.noted()
        return note

    def columns(self) -> EntryColumns:
        """Everything, in order of arrival."""
        self._fold()
        if len(self._parts) == 1:
            return self._parts[0]
        seq, streams, t, values, qualities = zip(*self._parts, strict=True)
        return EntryColumns(
            np.concatenate(seq),
            np.concatenate(streams),
            np.concatenate(t),
            JournalValues.concatenate(values),
            _joined_qualities(qualities, [len(part.t) for part in self._parts]),
        )

    def _fold(self) -> None:
        """Make columns of the polls."""
        if not self._polls:
            return
        streams, times, values, qualities, firsts = zip(*self._polls, strict=True)
        lengths = np.fromiter(map(len, qualities), np.int64, len(qualities))
        self._parts.append(
            EntryColumns(
                _seqs(np.array(firsts, np.int64), lengths),
                np.frombuffer(b"".join(streams), np.uint32),
                np.repeat(np.array(times, np.int64), lengths),
                self._values(b"".join(values)),
                np.frombuffer(b"".join(qualities), np.uint8),
            )
        )
        self._polls.clear()
        self._mixed.clear()
        self._others = []
        self._polled = 0

    def _values(self, joined: bytes) -> JournalValues:
        v = np.frombuffer(joined, np.float64)
        if not self._mixed:
            return JournalValues(v)
        kinds = np.full(len(v), FLOAT, np.uint8)
        for first, own in self._mixed:
            kinds[first : first + len(own)] = own
        return JournalValues(v, kinds, self._others)


def _array_values(columns: Columns) -> JournalValues:
    if columns.v.dtype == np.float64:
        return JournalValues(columns.v)
    if columns.v.dtype == np.int64 and columns.valid is None:
        return JournalValues(columns.v.view(np.float64), np.full(len(columns), INT, np.uint8))
    return JournalValues.pack(columns.python_values())


def _joined_qualities(
    qualities: Sequence[NDArray[np.uint8] | None], lengths: Sequence[int]
) -> NDArray[np.uint8] | None:
    if all(quality is None for quality in qualities):
        return None
    return np.concatenate(
        [
            np.zeros(length, np.uint8) if quality is None else quality
            for quality, length in zip(qualities, lengths, strict=True)
        ]
    )


def _seqs(firsts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of readings in runs that begin with these; 0 for all of a run without numbers."""
    ends = np.cumsum(lengths)
    seqs = np.repeat(firsts - ends + lengths, lengths) + np.arange(ends[-1])
    if not firsts.all():
        seqs[np.repeat(firsts == 0, lengths)] = 0
    return seqs


def seq_column(first_seq: int, count: int) -> NDArray[np.int64]:
    """Consecutive numbers of readings; 0 for all where the first one has none."""
    return np.arange(first_seq, first_seq + count) if first_seq else np.zeros(count, np.int64)

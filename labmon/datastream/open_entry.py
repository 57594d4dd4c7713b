"""`OpenEntry`: the journal's entry that is being filled, readings in order of arrival.

A poll is kept as bytes, see `polls`; an array is columns already. The trap: both kinds alternate,
and the order in which they came must stand, so polls are folded before columns go behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from labmon.datastream.entry import EntryColumns, JournalEntry, encode_entry, encode_runs
from labmon.datastream.journal_values import JournalValues
from labmon.datastream.polls import Polls
from labmon.datastream.receipts import Receipts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.datastream.polls import Poll
    from labmon.reading import Receipt

READING_BYTES: Final = 80
"""What a number of a poll that waits takes in memory, about."""
COLUMNS_BYTES: Final = 32
"""What one takes that waits in columns."""


class Reach(NamedTuple):
    """How far some streams go.

    Attributes:
        ordinals: the next one of each.
        full: numbers of those whose heads are full.
    """

    ordinals: list[int]
    full: list[int]


class ClosedEntry(NamedTuple):
    """An entry to which nothing is added any more.

    Attributes:
        body: encoded.
        full: numbers of its streams whose heads are full.
        first_seq, last_seq: numbers of the first and last reading that have one; 0: none has.
    """

    body: bytes
    full: list[int]
    first_seq: int
    last_seq: int


class OpenEntry:
    """What has been added since the last entry was closed; on the event loop only.

    Attributes:
        count: how many readings there are.
        weight: how many bytes they take in memory, about.
    """

    __slots__ = ("_arrays", "_parts", "_polls", "_receipts", "count", "weight")

    def __init__(self) -> None:
        self.count = 0
        self.weight = 0
        self._polls = Polls()
        self._parts: list[EntryColumns] = []
        self._arrays: list[tuple[int, int]] = []
        self._receipts: Receipts | None = None

    def add_poll(self, poll: Poll) -> None:
        """Put floats of one time behind what there is."""
        self._polls.add(poll)
        count = len(poll[3])
        self.count += count
        self.weight += count * READING_BYTES

    def add_mixed(self, poll: Poll, values: JournalValues, heavy: int) -> None:
        """Put values of any types and one time behind what there is; see `Journal.add_mixed`."""
        self._polls.add_mixed(poll, values)
        self.count += len(values.v)
        self.weight += len(values.v) * READING_BYTES + heavy

    def add_columns(self, columns: EntryColumns, heavy: int = 0) -> None:
        """Put columns behind what there is."""
        self._fold()
        self._parts.append(columns)
        self.count += len(columns.t)
        self.weight += len(columns.t) * COLUMNS_BYTES + heavy

    def add_array(
        self, stream: int, columns: Columns, first_seq: int, *, is_noted: bool = True
    ) -> None:
        """Put columns of one stream behind what there is, noted as an array of samples or not."""
        count = len(columns)
        if is_noted:
            self._arrays.append((self.count, count))
        seqs = seq_column(first_seq, count)
        streams = np.full(count, stream, np.uint32)
        values = JournalValues.of(columns)
        self.add_columns(EntryColumns(seqs, streams, columns.t, values, columns.quality))

    def add_receipt(self, receipt: Receipt) -> None:
        """Note which readings of a push are put behind what there is."""
        if self._receipts is None:
            self._receipts = Receipts()
        self._receipts.add(receipt)

    def closed(self, epoch: int, reach: Callable[[list[int]], Reach]) -> ClosedEntry:
        """Everything, of which there is something, as it is written.

        Args:
            epoch: of this start.
            reach: tells how far some streams go; their readings in here are the last ones that
                they have.
        """
        runs = None if self._parts else self._polls.runs()
        if runs is None:
            columns = self.columns()
            note, full = self._note(_totals(columns.streams), reach)
            body = encode_entry(JournalEntry(epoch, *columns, note))
            return ClosedEntry(body, full, *_ends(columns.seq))
        note, full = self._note(self._polls.totals(), reach)
        body = encode_runs(runs, epoch, note)
        return ClosedEntry(body, full, runs.first_seq, runs.first_seq + runs.count - 1)

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

    def _note(
        self, totals: dict[int, int], reach: Callable[[list[int]], Reach]
    ) -> tuple[dict[str, Any], list[int]]:
        """What the entry tells of itself, see docs/format.md; and whose heads are full."""
        streams = sorted(totals)
        ordinals, full = reach(streams)
        following = zip(streams, ordinals, strict=True)
        note: dict[str, Any] = {
            "streams": streams,
            "ordinals": [ordinal - totals[stream] for stream, ordinal in following],
        }
        if self._arrays:
            note["arrays"] = self._arrays
        if self._receipts is not None:
            note["receipts"] = self._receipts.noted()
        return note, full

    def _fold(self) -> None:
        """Make columns of the polls."""
        if self._polls:
            self._parts.append(self._polls.columns())
            self._polls = Polls()


def _totals(streams: NDArray[np.uint32]) -> dict[int, int]:
    """How many readings each stream has."""
    numbers, totals = np.unique(streams, return_counts=True)
    return dict(zip(numbers.tolist(), totals.tolist(), strict=True))


def _ends(seqs: NDArray[np.int64]) -> tuple[int, int]:
    """The first and the last number that there is; 0: there is none."""
    numbered = seqs if seqs[0] and seqs[-1] else seqs[seqs != 0]
    return (int(numbered[0]), int(numbered[-1])) if len(numbered) else (0, 0)


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


def seq_column(first_seq: int, count: int) -> NDArray[np.int64]:
    """Consecutive numbers of readings; 0 for all where the first one has none."""
    return np.arange(first_seq, first_seq + count) if first_seq else np.zeros(count, np.int64)

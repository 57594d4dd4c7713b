"""`OpenEntry`: the journal's entry that is being filled, readings in order of arrival.

Polls come as short lists and are made columns together; an array is one already. The trap: both
kinds alternate, and the order in which they came must stand, so the lists are folded before an
array goes behind them.
"""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from labmon.datastream.entry import INT, JournalValues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns


class EntryColumns(NamedTuple):
    """Readings of any streams as columns; as in `JournalEntry`."""

    seq: NDArray[np.int64]
    streams: NDArray[np.uint32]
    t: NDArray[np.int64]
    values: JournalValues
    quality: NDArray[np.uint8] | None


class OpenEntry:
    """What has been added since the last entry was closed; on the event loop only.

    The journal fills the lists itself, as it does so for every poll.

    Attributes:
        seqs, streams: of each run of readings: its numbers, and the streams of its readings.
        times, lengths: for so many readings, one time.
        values, qualities: of each reading.
        count: how many readings there are, those of arrays too.
        weight: how many bytes they take in memory, about.
    """

    __slots__ = (
        "_arrays",
        "_parts",
        "count",
        "lengths",
        "qualities",
        "seqs",
        "streams",
        "times",
        "values",
        "weight",
    )

    def __init__(self) -> None:
        self.seqs: list[Sequence[int]] = []
        self.streams: list[Sequence[int]] = []
        self.times: list[int] = []
        self.lengths: list[int] = []
        self.values: list[Any] = []
        self.qualities = bytearray()
        self.count = 0
        self.weight = 0
        self._parts: list[EntryColumns] = []
        self._arrays: list[tuple[int, int]] = []

    def __len__(self) -> int:
        """How many readings there are."""
        return self.count

    def add_array(self, stream: int, columns: Columns, seqs: Sequence[int]) -> None:
        """Put an array of samples of one stream behind what there is; `count` is the caller's."""
        self._fold()
        self._arrays.append((self.count, len(columns)))
        seq = np.fromiter(seqs, np.int64, len(columns))
        streams = np.full(len(columns), stream, np.uint32)
        values = _array_values(columns)
        self._parts.append(EntryColumns(seq, streams, columns.t, values, columns.quality))

    def note(self) -> dict[str, Any]:
        """What the entry tells of itself: first row and length of each array in it."""
        return {"arrays": self._arrays} if self._arrays else {}

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
        """Make columns of the lists."""
        if not self.values:
            return
        count = len(self.values)
        self._parts.append(
            EntryColumns(
                _numbers(self.seqs, count),
                np.fromiter(chain.from_iterable(self.streams), np.uint32, count),
                np.repeat(np.array(self.times, np.int64), self.lengths),
                JournalValues.pack(self.values),
                np.frombuffer(bytes(self.qualities), np.uint8) if any(self.qualities) else None,
            )
        )
        self.seqs, self.streams, self.times, self.lengths, self.values = [], [], [], [], []
        self.qualities = bytearray()


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


def _numbers(runs: Sequence[Sequence[int]], count: int) -> NDArray[np.int64]:
    """The numbers of readings as one column; mostly each run begins where the last one ended."""
    if all(map(len, runs)) and runs[-1][-1] - runs[0][0] == count - 1:
        is_range = all(type(run) is range for run in runs)
        if is_range and all(one[-1] + 1 == next_[0] for one, next_ in pairwise(runs)):
            return np.arange(runs[0][0], runs[0][0] + count)
    return np.fromiter(chain.from_iterable(runs), np.int64, count)

"""Thinning for `max_rate`: of each stream the newest reading, and what was left out in between.

A row that stands for several readings has four members more, as that of an array has: see
`encoders`. The trap: what is no number, or no good, takes no part in minimum, maximum and mean; and
who joins while something waits gets a summary of its own, or would be told twice what it knows.
"""

from __future__ import annotations

import math
from time import monotonic
from typing import TYPE_CHECKING, Final

from labmon.reading import Quality
from labmon.web.encoders import row_count, rows_of
from labmon.web.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labmon.hub import Hub
    from labmon.paths import Selection
    from labmon.reading import AnyBatch
    from labmon.timestamps import Clock
    from labmon.web.encoders import Encoder, Row
    from labmon.web.ring import Ring

STEP_S: Final = 0.1
"""Readings are taken from the hub so often at least: its mailbox is bounded."""
_GOOD: Final = {Quality.OK, Quality.LIMIT}


class ThinnedTopic(Topic):
    """A topic that sends at most `max_rate` messages a second, each stream once in each."""

    def __init__(
        self,
        hub: Hub,
        selection: Selection,
        encoder: Encoder,
        clock: Clock,
        max_rate: float,
        ring: Callable[[], Ring | None],
        failed: Callable[[], None],
    ) -> None:
        self._period_s = 1 / max_rate
        self._due_at = 0.0
        self._waiting = Summaries()
        self._own: dict[int, Summaries] = {}
        """What waits for those who joined behind a SEQ; what was before is not for them."""
        step_s = min(self._period_s, STEP_S)
        super().__init__(hub, selection, encoder, clock, step_s, ring, failed)

    def _tell(self, batches: list[AnyBatch]) -> None:
        """Send what waits if it is time; else keep it, and look again soon."""
        self._keep(batches)
        now = monotonic()
        if self._waiting and now < self._due_at:
            self._next_at = min(now + self._interval_s, self._due_at)
            self._due()
            return
        self.position = self._hub.last_seq
        if self._waiting:
            self._due_at = now + self._period_s
            self._send(self._waiting.take())
        own = {seq: summaries.take() for seq, summaries in self._own.items()}
        self._own = {}
        self._welcome(own.__getitem__)

    def _keep(self, batches: list[AnyBatch]) -> None:
        """Put batches behind what waits: for the members, and for those who joined meanwhile."""
        for seq in {member.joined_seq for member in self._joining} - self._own.keys():
            self._own[seq] = Summaries()
        self._waiting.add(rows_of(batches, self.selection, self.encoder))
        for seq, summaries in self._own.items():
            summaries.add(rows_of(batches, self.selection, self.encoder, seq))

    def _refresh(self, quiet_s: float) -> None:
        """Likewise; where readings wait, their message brings the cursor."""
        self._flush()
        if not self._waiting:
            super()._refresh(quiet_s)


class Summaries:
    """The rows that wait, one for each stream."""

    def __init__(self) -> None:
        self._waiting: dict[str, Summary] = {}

    def __len__(self) -> int:
        """How many streams."""
        return len(self._waiting)

    def add(self, rows: Iterable[Row]) -> None:
        """Put rows in; the later one of a stream is the newer."""
        for row in rows:
            summary = self._waiting.get(row[0])
            if summary is None:
                self._waiting[row[0]] = Summary(row)
            else:
                summary.add(row)

    def take(self) -> list[Row]:
        """All of them, in the order in which the streams came; nothing waits any more."""
        rows = [summary.row() for summary in self._waiting.values()]
        self._waiting = {}
        return rows


class Summary:
    """Some rows of one stream as one."""

    __slots__ = ("_count", "_good", "_high", "_low", "_newest", "_rows", "_total")

    def __init__(self, row: Row) -> None:
        self._rows = 0
        self._count = 0
        self._good = 0
        self._total = 0.0
        self._low: float | None = None
        self._high: float | None = None
        self.add(row)

    def add(self, row: Row) -> None:
        """Take the next one."""
        self._newest = row
        self._rows += 1
        self._count += row_count(row)
        low, high, mean, good = _span(row)
        if low is None or high is None or mean is None:
            return
        self._good += good
        self._total += mean * good
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)

    def row(self) -> Row:
        """The newest one, and what all of them are together."""
        if self._rows == 1:
            return self._newest
        mean = self._total / self._good if self._good else None
        return (*self._newest[:4], self._low, self._high, self._count, mean)


def _span(row: Row) -> tuple[float | None, float | None, float | None, int]:
    """Minimum, maximum and mean of the good numbers of a row, and how many they are."""
    if band := row[4:]:
        low, high, count, mean = band
        return low, high, mean, count
    value, quality = row[2], row[3]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and quality & Quality.CODE_MASK in _GOOD:
        return value, value, value, 1
    return None, None, None, 0

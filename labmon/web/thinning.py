"""Thinning for `max_rate`: of each stream the newest reading, and what was left out in between.

A row that stands for several readings has three members more: their minimum, their maximum and how
many they are. The trap: what is no number, or no good, takes no part in minimum and maximum.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from labmon.reading import Quality
from labmon.web.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon.hub import Hub
    from labmon.paths import Selection
    from labmon.timestamps import Clock
    from labmon.web.encoders import Encoder, Row

STEP_S: Final = 0.1
"""Readings are taken from the hub so often at least: its mailbox is bounded."""
_GOOD: Final = {Quality.OK, Quality.LIMIT}


class ThinnedTopic(Topic):
    """A topic that sends at most `max_rate` messages a second, each stream once in each."""

    def __init__(
        self, hub: Hub, selection: Selection, encoder: Encoder, clock: Clock, max_rate: float
    ) -> None:
        self._period_s = 1 / max_rate
        self._due_at = 0.0
        self._waiting = Summaries()
        super().__init__(hub, selection, encoder, clock, min(self._period_s, STEP_S))

    def _send(self, rows: list[Row]) -> None:
        self._waiting.add(rows)
        now = asyncio.get_running_loop().time()
        if now >= self._due_at:
            self._due_at = now + self._period_s
            super()._send(self._waiting.take())

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                await self._subscription.ready()
            self.flush()
            if self._waiting:
                self._send([])
            await asyncio.sleep(self._interval_s)


class Summaries:
    """The rows that wait, one for each stream."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def __len__(self) -> int:
        """How many streams."""
        return len(self._rows)

    def add(self, rows: Iterable[Row]) -> None:
        """Put rows in; the later one of a stream is the newer."""
        for row in rows:
            before = self._rows.get(row[0])
            self._rows[row[0]] = row if before is None else _together(before, row)

    def take(self) -> list[Row]:
        """All of them, in the order in which the streams came; nothing waits any more."""
        rows, self._rows = list(self._rows.values()), {}
        return rows


def _together(before: Row, row: Row) -> Row:
    low, high, count = before[4:] if len(before) > 4 else (*_span(before), 1)
    own_low, own_high = _span(row)
    lows = [value for value in (low, own_low) if value is not None]
    highs = [value for value in (high, own_high) if value is not None]
    return (*row[:4], min(lows, default=None), max(highs, default=None), count + 1)


def _span(row: Row) -> tuple[float | None, float | None]:
    value, quality = row[2], row[3]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and quality & Quality.CODE_MASK in _GOOD:
        return value, value
    return None, None

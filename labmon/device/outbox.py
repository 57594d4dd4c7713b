"""`Outbox`: what an instrument pushes, from the device's thread to the event loop.

Bounded: who pushes faster than the server takes loses the oldest, and it is counted. The trap: a
thread that hung may go on to put batches after its session is over; they are thrown away.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.reading import AnyBatch

LIMIT_READINGS: Final = 20_000
PORTION: Final = 200
"""Pushes that are taken in one turn of the loop."""
PORTION_READINGS: Final = 2_000
"""The same of readings, where a push has many: some ten milliseconds."""


class Outbox:
    """For one session: made on the event loop, put into from the thread.

    Args:
        take: gets the batches of each push, on the event loop, in order.

    Attributes:
        dropped: readings that were lost because the event loop did not keep up.
    """

    def __init__(
        self, take: Callable[[list[AnyBatch]], None], limit_readings: int = LIMIT_READINGS
    ) -> None:
        self._take = take
        self._limit = limit_readings
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[list[AnyBatch]] = deque()
        self._held = 0
        self._is_called = False
        self._is_open = True
        self.dropped = 0

    def put(self, batches: list[AnyBatch]) -> None:
        """From the thread: hand over what was pushed at a time; never blocks."""
        with self._lock:
            if not self._is_open:
                return
            self._waiting.append(batches)
            self._held += _weight(batches)
            while self._held > self._limit and len(self._waiting) > 1:
                lost = self._waiting.popleft()
                self._held -= _weight(lost)
                self.dropped += sum(map(len, lost))
            if self._is_called:
                return
            self._is_called = True
        self._loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        """On the event loop: give away what waits, in portions, so that others get their turn."""
        with self._lock:
            pushes = self._portion() if self._is_open else []
            self._is_called = bool(self._waiting) and self._is_open
            if self._is_called:
                self._loop.call_soon(self.flush)
        for batches in pushes:
            self._take(batches)

    def _portion(self) -> list[list[AnyBatch]]:
        pushes: list[list[AnyBatch]] = []
        left = self._held - PORTION_READINGS
        while self._waiting and len(pushes) < PORTION and (self._held > left or not pushes):
            pushes.append(self._waiting.popleft())
            self._held -= _weight(pushes[-1])
        return pushes

    def close(self) -> None:
        """On the event loop: the session is over."""
        with self._lock:
            self._is_open = False


def _weight(batches: list[AnyBatch]) -> int:
    return sum(batch.weight for batch in batches)

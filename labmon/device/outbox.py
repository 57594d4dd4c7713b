"""`Outbox`: batches of an instrument that pushes, from the device's thread to the event loop.

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

    from labmon.reading import Batch

LIMIT_READINGS: Final = 20_000
PORTION: Final = 200


class Outbox:
    """For one session: made on the event loop, put into from the thread.

    Args:
        take: gets each batch, on the event loop, in order.

    Attributes:
        dropped: readings that were lost because the event loop did not keep up.
    """

    def __init__(self, take: Callable[[Batch], None], limit_readings: int = LIMIT_READINGS) -> None:
        self._take = take
        self._limit = limit_readings
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[Batch] = deque()
        self._held = 0
        self._is_called = False
        self._is_open = True
        self.dropped = 0

    def put(self, batch: Batch) -> None:
        """From the thread: hand over a batch; never blocks."""
        with self._lock:
            if not self._is_open:
                return
            self._waiting.append(batch)
            self._held += len(batch)
            while self._held > self._limit and len(self._waiting) > 1:
                lost = len(self._waiting.popleft())
                self._held -= lost
                self.dropped += lost
            if self._is_called:
                return
            self._is_called = True
        self._loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        """On the event loop: give away what waits, in portions, so that others get their turn."""
        with self._lock:
            count = min(len(self._waiting), PORTION) if self._is_open else 0
            batches = [self._waiting.popleft() for _ in range(count)]
            self._held -= sum(map(len, batches))
            self._is_called = bool(self._waiting) and self._is_open
            if self._is_called:
                self._loop.call_soon(self.flush)
        for batch in batches:
            self._take(batch)

    def close(self) -> None:
        """On the event loop: the session is over."""
        with self._lock:
            self._is_open = False

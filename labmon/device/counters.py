"""What is counted about one device: polls, errors, missed deadlines, rate and duration.

On the event loop. The trap: a rate is that of the last polls, so a device that stands still must
be measured against now, not against its last poll.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

WINDOW: Final = 32
"""Polls that rate and duration are taken from."""


class Counters:
    """Counted since the server started."""

    def __init__(self) -> None:
        self.polls = 0
        """Polls that gave readings or none, but did not fail."""
        self.errors = 0
        """Polls, attempts to connect and calls that failed, or gave what cannot be used."""
        self.missed = 0
        """Deadlines that passed while an earlier poll or command still ran."""
        self.dropped = 0
        """Readings of an instrument that pushes faster than they are taken."""
        self.reconnects = 0
        """How often it came online again."""
        self.last_error = ""
        self.last_error_ns: int | None = None
        self._starts_s: deque[float] = deque(maxlen=WINDOW)
        self._durations_s: deque[float] = deque(maxlen=WINDOW)

    def polled(self, start_s: float, duration_s: float) -> None:
        """A poll succeeded; monotonic seconds."""
        self.polls += 1
        self._starts_s.append(start_s)
        self._durations_s.append(duration_s)

    def failed(self, message: str, now_ns: int) -> None:
        """Something failed."""
        self.errors += 1
        self.last_error = message
        self.last_error_ns = now_ns

    def pause(self) -> None:
        """The device is not polled from here on: the rate begins anew."""
        self._starts_s.clear()

    def rate_hz(self, now_s: float) -> float:
        """Polls per second over the last ones; 0 where there are less than two."""
        if len(self._starts_s) < 2:
            return 0.0
        first, last = self._starts_s[0], self._starts_s[-1]
        mean_s = (last - first) / (len(self._starts_s) - 1)
        behind_s = max(0.0, now_s - last - 2 * mean_s)
        return 1.0 / max(mean_s + behind_s, 1e-9)

    def poll_ms(self) -> float | None:
        """The median duration of the last polls."""
        return statistics.median(self._durations_s) * 1e3 if self._durations_s else None

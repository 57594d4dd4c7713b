"""When to poll and when to try again: `Grid` and `Backoff`, pure arithmetic on monotonic seconds.

The grid never drifts (a deadline is computed, not added up) and never bursts: what was missed is
counted and skipped. The trap: a timer may fire a little early, and must not get its deadline twice.
"""

from __future__ import annotations

import random
import zlib
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 8.0
"""An instrument that comes back is back within 10 s, also in the morning after."""
JITTER: Final = 0.25


class Grid:
    """The deadlines of one device: every period, at a phase of its own.

    Attributes:
        due_s: the deadline that is next, in monotonic seconds.
        missed: deadlines that passed while something else kept the device busy.

    Args:
        period_s: from one deadline to the next.
        now_s: the monotonic time now; the first deadline is half a period to a period ahead.
        name: devices of the same period but different names are not due in the same instant.
    """

    def __init__(self, period_s: float, now_s: float, name: str = "") -> None:
        self._period_s = period_s
        phase = zlib.crc32(name.encode()) / 2**33 if name else 0.0  # less than half
        self._start_s = now_s - phase * period_s
        self._index = 1
        self.due_s = self._start_s + period_s
        self.missed = 0

    def advance(self, now_s: float) -> None:
        """The deadline that was due is served: go on to the first one after `now_s`."""
        passed = int((now_s - self._start_s) // self._period_s)
        self.missed += max(0, passed - self._index)
        self._index = max(passed, self._index) + 1
        self.due_s = self._start_s + self._index * self._period_s


class Backoff:
    """How long to wait before the next attempt: each time twice as long, with jitter.

    Counted from the beginning of the attempt before, as that may have taken long to fail. A device
    that was up for long, measured by the last wait, begins anew; one that fails again at once goes
    on where it was.
    """

    def __init__(self, source: random.Random | None = None) -> None:
        self._random = source or random.Random()
        self._wait_s = 0.0

    def next_s(self, took_s: float = 0.0) -> float:
        """Seconds to wait now, after an attempt that took so long."""
        self._wait_s = min(LONGEST_S, self._wait_s * 2 or FIRST_S)
        return max(self._wait_s - took_s, FIRST_S) * self._random.uniform(1 - JITTER, 1)

    def was_up(self, seconds: float) -> None:
        """It worked for so long before it failed again."""
        if seconds > 4 * self._wait_s:
            self._wait_s = 0.0

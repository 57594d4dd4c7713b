"""`Histogram`: how often something took how long, as Prometheus wants it.

The trap: the counts are cumulative; each says how many were at most its bound.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Histogram:
    """Counts durations; not shared between threads.

    Args:
        bounds_s: ascending.

    Attributes:
        total: how many there were.
        sum_s: how long all of them took together.
        worst_s: the longest one.
    """

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = tuple(bounds_s)
        self.total = 0
        self.sum_s = 0.0
        self.worst_s = 0.0
        self._counts = [0] * (len(self.bounds_s) + 1)

    def note(self, duration_s: float) -> None:
        """Count one."""
        self.total += 1
        self.sum_s += duration_s
        self.worst_s = max(self.worst_s, duration_s)
        self._counts[bisect_left(self.bounds_s, duration_s)] += 1

    def cumulative(self) -> list[tuple[float, int]]:
        """Each bound, and how many were at most so long."""
        return list(zip(self.bounds_s, accumulate(self._counts), strict=False))

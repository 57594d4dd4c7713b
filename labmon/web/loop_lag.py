"""How late the event loop runs what is due: the one number that tells whether everybody waits.

Measured by a task that sleeps a quarter of a second again and again; the counts are cumulative, as
Prometheus wants histograms.
"""

from __future__ import annotations

import asyncio
from typing import Final

STEP_S: Final = 0.25
BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class LoopLag:
    """A histogram of the lag; `start` and `stop` with the server."""

    def __init__(self) -> None:
        self.counts = [0] * len(BOUNDS_S)
        """How many measurements were at most each bound."""
        self.total = 0
        self.sum_s = 0.0
        self.worst_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Measure from now on."""
        self._task = asyncio.create_task(self._measure(), name="loop lag")

    async def stop(self) -> None:
        """Measure no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def note(self, lag_s: float) -> None:
        """Count one measurement."""
        self.total += 1
        self.sum_s += lag_s
        self.worst_s = max(self.worst_s, lag_s)
        for index, bound_s in enumerate(BOUNDS_S):
            if lag_s <= bound_s:
                self.counts[index] += 1

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + STEP_S
            await asyncio.sleep(STEP_S)
            self.note(max(0.0, loop.time() - due_at))

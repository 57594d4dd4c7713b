"""How late the event loop runs what is due: the one number that tells whether everybody waits.

Measured by a task that sleeps a quarter of a second again and again.
"""

from __future__ import annotations

import asyncio
from typing import Final

from labmon.histogram import Histogram

STEP_S: Final = 0.25
BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class LoopLag:
    """Measures between `start` and `stop`, which come with those of the server.

    Attributes:
        durations: what was measured.
    """

    def __init__(self) -> None:
        self.durations = Histogram(BOUNDS_S)
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

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + STEP_S
            await asyncio.sleep(STEP_S)
            self.durations.note(max(0.0, loop.time() - due_at))

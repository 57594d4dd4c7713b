"""An instrument that tells its past, as fast as the server takes it: a week in some minutes.

Named in a configuration as `driver: benchmarks.past_driver:Past`. The trap: whoever pushes faster
than the event loop takes loses readings; so each portion waits until the loop has had it.
"""

import asyncio
import threading
import time

import numpy as np

from labmon.device import Channel, Driver, Timed

PORTION = 8
"""Polls that come in one turn of the loop; with many more, the instrument alone makes it late."""
TURN_S = 10.0
SECOND_NS = 10**9


class Past(Driver):
    """Channels at 1 Hz, from so many days ago until its start; then it is silent.

    Args:
        days: of its past.
        channels: how many.
    """

    def __init__(self, days: float = 7.0, channels: int = 50) -> None:
        self.channels = {f"ch{n + 1}": Channel(unit="K", digits=2) for n in range(channels)}
        self._polls = int(days * 86_400)
        self._begin_ns = time.time_ns() // SECOND_NS * SECOND_NS - self._polls * SECOND_NS
        self._loop = asyncio.get_running_loop()  # drivers are made on it

    def stream(self):
        names = list(self.channels)
        for first in range(0, self._polls, PORTION):
            numbers = np.arange(first, min(first + PORTION, self._polls))
            for number, values in zip(numbers.tolist(), self._values(numbers), strict=True):
                time_ns = self._begin_ns + number * SECOND_NS
                yield Timed(time_ns, dict(zip(names, values, strict=True)))
            self._wait_for_the_loop()
        while True:
            time.sleep(0.1)  # noqa: TID251 - an instrument that says nothing
            yield None

    def _values(self, numbers):
        """Slow waves with noise, rounded: a list for each poll."""
        waves = np.sin(numbers[:, np.newaxis] / 3600 + np.arange(len(self.channels)))
        noise = np.random.default_rng(numbers[0]).standard_normal(waves.shape) / 50
        return np.round(293 + waves + noise, 2).tolist()

    def _wait_for_the_loop(self):
        had_it = threading.Event()
        self._loop.call_soon_threadsafe(had_it.set)
        had_it.wait(TURN_S)

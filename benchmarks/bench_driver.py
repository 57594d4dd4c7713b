"""Instruments of the benchmarks: one tells when it was asked, one has as many channels as you like.

Named in a configuration as `driver: benchmarks.bench_driver:Stopwatch`; time is CLOCK_MONOTONIC,
which all processes of a machine share.
"""

import random
import time
from typing import Annotated

from labmon.device import Channel, Driver, Limits, command


class Stopwatch(Driver):
    """Reads the clock."""

    at = Channel(unit="s", digits=6, description="when it was read")

    def poll(self) -> dict[str, float]:
        return {"at": time.monotonic()}

    @command
    def echo(self, seconds: Annotated[float, Limits(0, 1e12, unit="s")]) -> float:
        """Give a number back."""
        return seconds


class Crate(Driver):
    """Channels that make noise.

    Args:
        channels: how many.
    """

    def __init__(self, channels: int = 10) -> None:
        self.channels = {f"ch{n + 1}": Channel(unit="V", digits=4) for n in range(channels)}

    def poll(self) -> dict[str, float]:
        return {name: round(random.gauss(1.0, 0.1), 4) for name in self.channels}

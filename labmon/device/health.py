"""`Health`: how well a device is polled, as readings of its own: `DEVICE/_health/...`.

Summed up every ten seconds, so that it costs nothing. The trap: jitter and latency are those of
the polls since the last summary; where there were none, there is no value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labmon.reading import Batch, Channel

if TYPE_CHECKING:
    from labmon.device.counters import Counters

EVERY_S: Final = 10.0
MAX_POLLS: Final = 10_000
"""Kept between two summaries; a device that is faster is judged by these."""
CHANNELS: Final = {
    "_health/rate": Channel(
        unit="Hz", description="polls per second, achieved", digits=3, tile=False
    ),
    "_health/asked_rate": Channel(
        unit="Hz", description="polls per second, asked for", digits=3, tile=False
    ),
    "_health/jitter_ms": Channel(
        unit="ms", description="lateness that 95% of the polls stay below", digits=2, tile=False
    ),
    "_health/latency_ms": Channel(
        unit="ms", description="median duration of a poll", digits=2, tile=False
    ),
    "_health/errors": Channel(
        description="failures since the server started", digits=0, tile=False
    ),
    "_health/missed": Channel(
        description="deadlines missed since the server started", digits=0, tile=False
    ),
}


class Health:
    """Sums up one device; on the event loop.

    Args:
        device: its name.
        counters: counted elsewhere, read here.
        asked_hz: how often it shall be polled; None: it pushes.
    """

    def __init__(self, device: str, counters: Counters, asked_hz: float | None) -> None:
        self._device = device
        self._counters = counters
        self._asked_hz = asked_hz
        self._paths = tuple(f"{device}/{name}" for name in CHANNELS)
        self._late_s: list[float] = []
        self._took_s: list[float] = []
        self._polls = 0
        self._since_s: float | None = None

    def polled(self, late_s: float, took_s: float) -> None:
        """A poll began so late, and took so long."""
        if len(self._took_s) < MAX_POLLS:
            self._late_s.append(late_s)
            self._took_s.append(took_s)

    def summary(self, now_s: float, now_ns: int) -> Batch | None:
        """The readings since the last summary; None before ten seconds have passed."""
        if self._since_s is None:
            self._since_s, self._polls = now_s, self._counters.polls
        passed_s = now_s - self._since_s
        if passed_s < EVERY_S:
            return None
        rate_hz = (self._counters.polls - self._polls) / passed_s
        values = (
            rate_hz,
            self._asked_hz,
            _ms(self._late_s, 0.95),
            _ms(self._took_s, 0.5),
            self._counters.errors,
            self._counters.missed,
        )
        self._since_s, self._polls = now_s, self._counters.polls
        self._late_s, self._took_s = [], []
        return Batch(self._device, now_ns, self._paths, values, bytes(len(values)))


def _ms(seconds: list[float], quantile: float) -> float | None:
    if not seconds:
        return None
    return sorted(seconds)[int(quantile * (len(seconds) - 1))] * 1e3

r"""`sim://gauge`: a vacuum gauge with a line protocol of its own, for `driver: serial_line`.

    PR?\r\n       chamber=2.31E-09[mbar] chamber_status=ok foreline=... loadlock=... \r\n
    PR1?\r\n      the first of them alone (PR2?, PR3? the others)
    STREAM 0.5    prints the line of PR? every 0.5 s by itself, STREAM 0 stops it
    *IDN?         who it is

Anything else is answered with `ERROR`. The trap: a gauge over or under its range still sends a
number; the status decides.
"""

from __future__ import annotations

import math
import random
from typing import Final

from labmon_drivers.protocols.lines import LineSplitter

NAMES: Final = ("chamber", "foreline", "loadlock")
LOWEST_MBAR: Final = 5e-10
HIGHEST_MBAR: Final = 1e-2
NOISE: Final = 0.015
LEAK_EVERY_S: Final = 150.0
LEAK_DECAY_S: Final = 9.0
CYCLE_S: Final = 600.0
VENTED_S: Final = 45.0
IDENTITY: Final = "LABMON,SIMULATED GAUGE,0,1.0"


class Gauge:
    """Three pressures: a chamber that is pumped down and leaks now and then, and its neighbours.

    Args:
        age_s: how long it has been pumping already.
        interval_s: prints a line so often by itself; 0: only answers.
        seed: of the noise and the leaks.
    """

    def __init__(self, age_s: float = 0.0, interval_s: float = 0.0, seed: int = 1) -> None:
        self._lines = LineSplitter(b"\n")
        self._random = random.Random(seed)
        self._age_s = age_s
        self._interval_s = interval_s
        self._started_s: float | None = None
        self._now_s = 0.0
        self._next_line_s = 0.0
        self._leak_at_s = self._random.expovariate(1 / LEAK_EVERY_S)
        self._leaks: list[tuple[float, float]] = []  # when, how many decades

    def feed(self, data: bytes) -> bytes:
        """Answer the requests that are complete."""
        requests = [line.decode("latin-1").strip() for line in self._lines.feed(data)]
        return b"".join(self._answer(request.upper()) for request in requests if request)

    def tick(self, now_s: float) -> bytes:
        """Print a line where one is due."""
        if self._started_s is None:
            self._started_s = now_s
        self._now_s = now_s - self._started_s
        if not self._interval_s or self._now_s < self._next_line_s:
            return b""
        self._next_line_s = self._now_s + self._interval_s
        return self._line(range(len(NAMES)))

    def _answer(self, request: str) -> bytes:
        if request == "PR?":
            return self._line(range(len(NAMES)))
        if request in {"PR1?", "PR2?", "PR3?"}:
            return self._line(range(int(request[2]) - 1, int(request[2])))
        if request == "*IDN?":
            return f"{IDENTITY}\r\n".encode()
        if request.startswith("STREAM "):
            return self._stream(request.removeprefix("STREAM "))
        return b"ERROR\r\n"

    def _stream(self, text: str) -> bytes:
        try:
            interval_s = float(text)
        except ValueError:
            return b"ERROR\r\n"
        if not 0 <= interval_s <= 3600:
            return b"ERROR\r\n"
        self._interval_s = interval_s
        self._next_line_s = self._now_s + interval_s
        return b"OK\r\n"

    def _line(self, which: range) -> bytes:
        pressures = (self._chamber(), self._foreline(), self._loadlock())
        words = [_words(NAMES[i], pressures[i]) for i in which]
        return (" ".join(words) + "\r\n").encode()

    def _chamber(self) -> float:
        """From 1e-3 mbar towards 1e-9, with bursts of gas every few minutes."""
        time_s = self._now_s + self._age_s
        decades = -9 + 6 * math.exp(-time_s / 90) + 0.15 * math.sin(time_s / 400)
        while self._leak_at_s < self._now_s:
            self._leaks = [*self._leaks[-3:], (self._leak_at_s, self._random.uniform(0.4, 1.6))]
            self._leak_at_s += self._random.expovariate(1 / LEAK_EVERY_S)
        for at_s, height in self._leaks:
            decades += height * math.exp(-(self._now_s - at_s) / LEAK_DECAY_S)
        return self._noisy(10**decades)

    def _foreline(self) -> float:
        return self._noisy(4.7e-3 * (1 + 0.06 * math.sin(self._now_s / 37)))

    def _loadlock(self) -> float:
        """Vented every ten minutes, and pumped again."""
        time_s = (self._now_s + CYCLE_S / 2) % CYCLE_S
        if time_s < VENTED_S:
            return 1013.0
        return self._noisy(10 ** (-6.5 + 7 * math.exp(-(time_s - VENTED_S) / 40)))

    def _noisy(self, pressure: float) -> float:
        return pressure * math.exp(self._random.gauss(0, NOISE))


def _words(name: str, pressure: float) -> str:
    status = "under" if pressure < LOWEST_MBAR else "over" if pressure > HIGHEST_MBAR else "ok"
    shown = min(max(pressure, LOWEST_MBAR), HIGHEST_MBAR)
    return f"{name}={shown:.2E}[mbar] {name}_status={status}"

"""What other programs take of the machine meanwhile: a bound in seconds holds for what they leave.

And when it stood still altogether, as a machine does that is one of several on a larger one.

On a quiet machine nothing is forgiven. What the tests and their servers compute is their own, so
that a server which holds itself up is not excused.
"""

from __future__ import annotations

import contextlib
import threading
import time

import psutil

MOST = 20.0
TICK_S = 0.01
STANDS_S = 0.03
"""Later than this is no longer how threads take turns."""


class Others:
    """The programs beside these tests, from when it is made."""

    def __init__(self) -> None:
        self._all_s, self._busy_s = _machine_s()
        self._own_s = _own_s()

    def slowdown(self) -> float:
        """How many times longer than alone things may take; 1 where nobody else does anything."""
        all_s, busy_s = _machine_s()
        all_s, busy_s = all_s - self._all_s, busy_s - self._busy_s
        left_s = all_s - max(0.0, busy_s - (_own_s() - self._own_s))
        return min(MOST, all_s / left_s) if left_s > 0 else MOST


class Standstills:
    """When this process was not let run, and so, as a rule, nobody: from `start` to `end`.

    A thread asks to be woken in a moment, and sees when it was.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="standstills", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()

    def within_s(self, begin_s: float, end_s: float) -> float:
        """How long it stood between two times of the monotonic clock."""
        both = [(max(begin_s, begin), min(end_s, end)) for begin, end in self._spans[:]]
        return sum(end - begin for begin, end in both if end > begin)

    def _run(self) -> None:
        while not self._ending.is_set():
            due = time.monotonic() + TICK_S
            self._ending.wait(TICK_S)
            if (woken := time.monotonic()) > due + STANDS_S:
                self._spans.append((due, woken))


def _machine_s() -> tuple[float, float]:
    """Seconds of all cores since the system was started, and those in which they computed."""
    times = psutil.cpu_times()
    all_s = sum(times[:8])  # what follows is counted in these already
    return all_s, all_s - times.idle - times.iowait


def _own_s() -> float:
    """Seconds that this process and all that it started have computed, ended ones too."""
    this = psutil.Process()
    total_s = 0.0
    for each in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total_s += sum(each.cpu_times()[:4])
    return total_s

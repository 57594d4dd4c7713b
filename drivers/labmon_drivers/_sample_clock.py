"""`SampleClock`: times for the samples of an instrument that does not tell them.

Each array is laid between the end of the last one and now, so that there is neither a gap nor an
overlap, however the clocks drift. The trap: answers come late by a little each time; only where
much too much time has passed for their number were samples lost, and there is a gap.
"""

from __future__ import annotations

from typing import Final

SLACK: Final = 0.2
"""By how much the distance of two samples may differ from what it should be; else some are lost."""
NS: Final = 1_000_000_000


class SampleClock:
    """Follows one channel from array to array.

    Args:
        rate_hz: samples a second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._step_ns = NS / rate_hz
        self._end_ns: int | None = None

    def place(self, count: int, now_ns: int) -> tuple[int, float]:
        """Where an array of so many samples goes, the last of which was taken just now.

        Returns:
            the time of the first, and the distance of two, in ns.
        """
        start_ns, step_ns = now_ns - round((count - 1) * self._step_ns), self._step_ns
        if self._end_ns is not None and count and now_ns > self._end_ns:
            even_ns = (now_ns - self._end_ns) / count
            is_usual = abs(even_ns / step_ns - 1) <= SLACK
            if is_usual or start_ns <= self._end_ns:  # or more came than there was time for
                start_ns, step_ns = self._end_ns + round(even_ns), even_ns
        if count:
            self._end_ns = now_ns
        return start_ns, step_ns

"""`Age`: up to which time a store has grown older, whatever the clock says.

What is removed is gone, so no clock is believed alone: a store is as old as its newest datapoint,
no older than the clock says, and grows older at most twice as fast as the machine was up. The trap:
a clock that jumped is believed by devices, too, so that datapoints jump with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PACE: Final = 2
"""A store that was down for a month is as old as the clock says after another month."""


class Age:
    """How old a store is; made when it is opened.

    Args:
        clock: int nanoseconds UTC.
        uptime_s: seconds that no setting of the clock changes.
    """

    def __init__(self, clock: Callable[[], int], uptime_s: Callable[[], float]) -> None:
        self._clock = clock
        self._uptime_s = uptime_s
        self._looked_s = uptime_s()
        self.reached_ns = -1
        """To be kept for the next start; -1: nothing is known."""

    def start(self, reached_ns: int, newest_ns: int) -> None:
        """Go on from where it was, or else from the newest datapoint that was found.

        What comes later may come from a clock that is wrong.
        """
        self._looked_s = self._uptime_s()
        self.reached_ns = reached_ns
        if reached_ns < 0 <= newest_ns:
            self.reached_ns = min(newest_ns, self._clock())

    def now_ns(self, newest_ns: int) -> int:
        """The time by which the age of datapoints is judged; -1: there are none.

        Args:
            newest_ns: of all datapoints.
        """
        uptime_s = self._uptime_s()
        grown_ns = round((uptime_s - self._looked_s) * PACE * 1e9)
        self._looked_s = uptime_s
        told_ns = min(self._clock(), newest_ns)
        if self.reached_ns < 0:
            self.reached_ns = told_ns
        # a clock that fell back to 1970 must not count as a beginning
        self.reached_ns = max(self.reached_ns, min(told_ns, self.reached_ns + grown_ns))
        return min(self.reached_ns, told_ns)

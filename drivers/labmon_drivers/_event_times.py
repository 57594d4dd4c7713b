"""`EventTimes`: an instrument's own millisecond stamps as times of this machine.

Its clock begins anywhere and runs a little too fast or too slow. The trap: events are delivered
late, some by much; the one that came fastest says best how the clocks lie to each other.
"""

from __future__ import annotations

from typing import Final

DRIFT: Final = 1e-4
"""Two clocks differ by less than this; so much later may deliveries be believed to become."""
RESTART_NS: Final = 10_000_000_000


class EventTimes:
    """Follows how the instrument's clock lies to ours; one for each connection."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._last_ns = 0

    def at(self, stamp_ms: int, arrival_ns: int) -> int:
        """When an event happened, in nanoseconds UTC; never after it arrived.

        Args:
            stamp_ms: the instrument's stamp; 0 or less where it gives none.
            arrival_ns: when it was heard of, in nanoseconds UTC.
        """
        if stamp_ms <= 0:
            return arrival_ns
        stamp_ns = stamp_ms * 1_000_000
        offset_ns = arrival_ns - stamp_ns
        known_ns = offset_ns if self._offset_ns is None else self._offset_ns
        late_ns = offset_ns - known_ns
        if abs(late_ns) > RESTART_NS or late_ns < 0:  # a clock was set, or its counter began anew
            known_ns = offset_ns
        else:
            known_ns += min(late_ns, int(DRIFT * max(0, arrival_ns - self._last_ns)))
        self._offset_ns, self._last_ns = known_ns, arrival_ns
        return stamp_ns + known_ns

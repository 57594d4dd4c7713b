"""Gaps in which readings waited for the store when they were told: history did not have them yet.

Who was told such a gap is told it again once they are recorded. The trap: who is cut in between
comes back with a cursor from behind them, like anybody else; so all with such cursors are told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labmon.hub import Hub
    from labmon.recorder import Recorder


@dataclass(frozen=True, slots=True)
class LateGap:
    """A time that is to be fetched from history again.

    Attributes:
        from_ns: None: all up to its end.
        first_seq: where those went on who were told.
        last_seq: what was published once everything was recorded; None: something waits.
    """

    from_ns: int | None
    to_ns: int
    first_seq: int
    last_seq: int | None = None

    def with_another(self, other: LateGap) -> LateGap:
        """Both as one, which still waits."""
        is_open = self.from_ns is None or other.from_ns is None
        from_ns = None if is_open else min(self.from_ns or 0, other.from_ns or 0)
        return LateGap(from_ns, max(self.to_ns, other.to_ns), min(self.first_seq, other.first_seq))


class LateGaps:
    """All of them of this start, as one; on the event loop only."""

    def __init__(self, hub: Hub, recorder: Recorder) -> None:
        self._hub = hub
        self._recorder = recorder
        self._gap: LateGap | None = None

    def told(self, from_ns: int | None, to_ns: int) -> LateGap | None:
        """A gap is told now; returns what is to be told again, if anything waits."""
        if not self._recorder.is_behind:
            return None
        gap = LateGap(from_ns, to_ns, self._hub.last_seq)
        self._gap = gap if self._gap is None else self._gap.with_another(gap)
        return gap

    def since(self, seq: int) -> LateGap | None:
        """What who comes back with this number may have been told, and not yet again."""
        self.look()
        gap = self._gap
        if gap is None or seq < gap.first_seq or (gap.last_seq is not None and seq > gap.last_seq):
            return None
        return gap

    def look(self) -> None:
        """See whether everything is recorded now."""
        if self._gap is not None and self._gap.last_seq is None and not self._recorder.is_behind:
            self._gap = replace(self._gap, last_seq=self._hub.last_seq)

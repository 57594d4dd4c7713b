"""The event loop's turns, kept short: a burst of a thousand sockets is served in many of them.

asyncio runs everything that is ready before it looks at the clock again; so a thousand messages at
once held up readings and timers for 50 ms. The trap: an event that waits here may be outdated when
its turn comes, since its socket was closed or watched otherwise meanwhile; such events are dropped,
and the system reports what still holds again.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections import deque
from typing import Final

AT_ONCE: Final = 4
"""Sockets in one turn: half a millisecond if each brings a message, five if each wants a graph."""

Ready = tuple[selectors.SelectorKey, int]


class ShortTurns(selectors.DefaultSelector):
    """The system's selector, which gives what is ready out in portions."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Ready] = deque()

    def select(self, timeout: float | None = None) -> list[Ready]:
        """What is ready, at most `AT_ONCE`; the system is asked again when all of it had its turn.

        Args:
            timeout: in seconds; None waits as long as it takes.
        """
        if self._waiting and (portion := self._portion()):
            return portion
        ready = super().select(timeout)
        if len(ready) <= AT_ONCE:
            return ready
        self._waiting.extend(ready[AT_ONCE:])
        return ready[:AT_ONCE]

    def close(self) -> None:
        """Give up."""
        self._waiting.clear()
        super().close()

    def _portion(self) -> list[Ready]:
        """Of what waits, and still holds."""
        portion: list[Ready] = []
        watched = self.get_map()
        while self._waiting and len(portion) < AT_ONCE:
            key, events = self._waiting.popleft()
            if watched.get(key.fd) is key:
                portion.append((key, events))
        return portion


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop with short turns; on Windows, whose loop has no selector, the usual one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(ShortTurns())

"""`Delivery`: a change on its way to the store, tried again until it is there or refused for good.

The store may be full or away: then the same change is tried with growing pauses, for ever, since
nothing may overtake it. The trap: a change that the store can never take (a bug, a constraint)
would hold up everything behind it for ever, so it is given up after a few attempts, loudly.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Final

from labmon.datastream.exceptions import ChangeRefused, DatastreamException
from labmon.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from labmon.datastream.backends.base import Backend, Change

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
"""With the jitter, and an attempt that runs into MongoDB's 5 s, less than 30 s pass between the end
of a trouble and the first success."""
JITTER: Final = 0.2
BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
REFUSALS: Final = 3
"""A change that was refused so often in a row is given up."""


class Delivery:
    """Gives changes to the store and keeps what came of it; used by one task at a time.

    Args:
        backend: the open store.
        pause: waits for so many seconds.

    Attributes:
        error: why the store did not take the last attempt; None: it did.
        failures: attempts that failed since the start.
        refused: changes that were given up since the start.
        durations: how long the store took for each attempt that succeeded.
    """

    def __init__(
        self, backend: Backend, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._backend = backend
        self._pause = pause
        self.error: Exception | None = None
        self.failures = 0
        self.refused = 0
        self.durations = Histogram(BOUNDS_S)

    @property
    def is_healthy(self) -> bool:
        """Whether the store took the last attempt."""
        return self.error is None

    async def apply(self, change: Change) -> None:
        """Write a change; it is durable when this returns.

        Raises:
            ChangeRefused: the store cannot take it, now or ever; it was given up.
        """
        refusals = 0
        pauses_s = None
        while True:
            began_s = time.monotonic()
            try:
                await self._backend.apply(change)
            except ChangeRefused as error:
                refusals += 1
                self._refused(refusals, error)
            except (DatastreamException, OSError) as error:
                refusals = 0
                self.fail(error)
            except Exception as error:
                log.exception("a change cannot be written")
                refusals += 1
                self._refused(refusals, error)
            else:
                self.durations.note(time.monotonic() - began_s)
                self._succeeded()
                return
            pauses_s = pauses_s or _pauses()
            await self._pause(next(pauses_s))

    def fail(self, error: Exception) -> None:
        """The store does not take data: said once; the recovery is said once more."""
        self.failures += 1
        if self.is_healthy:
            log.error("the store takes no data, it waits in memory and is tried again: %s", error)
        self.error = error

    def _refused(self, count: int, error: Exception) -> None:
        self.failures += 1
        if count < REFUSALS:
            return
        self.refused += 1
        raise ChangeRefused(f"the store refuses what it should write: {error}") from error

    def _succeeded(self) -> None:
        if not self.is_healthy:
            log.warning("the store takes data again")
        self.error = None


def _pauses() -> Iterator[float]:
    """Seconds between attempts, each twice as long as the one before, up to a limit."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(1 - JITTER, 1 + JITTER)
        pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

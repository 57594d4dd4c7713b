"""`Sizes`: what each stream takes on disk, counted by the store now and then, when somebody asks.

Counting reads the index of all blocks, which may take a second for a million of them, so nobody
waits for long: what was counted last is told while it is counted again. The trap: what is not
sealed yet lies in the journal, together with all the others, and has no size of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from labmon.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labmon.datastream.backends.base import Backend, StreamSize

log = logging.getLogger(__name__)

FRESH_S: Final = 20.0
"""So long a count is good."""
REST: Final = 20
"""Counting takes at most one part in so many of the time."""
WAIT_S: Final = 0.1
"""Who asks waits at most so long."""


class Sizes:
    """Counts at most once at a time; on the event loop, with a task while it counts.

    Args:
        backend: the open store.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: Mapping[int, StreamSize] | None = None
        self._due_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def of_all(self) -> Mapping[int, StreamSize] | None:
        """The sizes by the number of the stream, as counted last; None: not counted yet.

        Streams of which nothing is in blocks are left out.
        """
        if self._task is None and time.monotonic() >= self._due_s:
            self._task = asyncio.create_task(self._count(), name="datastream-sizes")
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=WAIT_S)
        return self._known

    async def stop(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _count(self) -> None:
        began_s = time.monotonic()
        try:
            self._known = await self._backend.read_sizes()
        except (StorageError, OSError) as error:  # whoever writes to the store says so aloud
            log.debug("what streams take on disk is not known: %s", error)
        finally:
            ended_s = time.monotonic()
            self._due_s = ended_s + max(FRESH_S, REST * (ended_s - began_s))
            self._task = None

"""Care: what a backend does in the background, a little at a time, for as long as it is open.

The trap: it runs beside the recording and must not slow it down, so it pauses after each little
bit; and a store that is away is the journal's to tell.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from labmon.datastream.exceptions import DatastreamException

if TYPE_CHECKING:
    from labmon.datastream.backends.base import Backend

log = logging.getLogger(__name__)

IDLE_S: Final = 5.0
BUSY_S: Final = 0.05


async def run_care(backend: Backend) -> None:
    """Look after a store, at once where there is more to do and else every few seconds."""
    pause_s = BUSY_S if backend.set_aside.waiting else IDLE_S
    while True:
        await asyncio.sleep(pause_s)
        pause_s = IDLE_S
        try:
            if await backend.look_after():
                pause_s = BUSY_S
        except (DatastreamException, OSError) as error:
            log.debug("the store cannot be looked after now: %s", error)
        except Exception:
            log.exception("the store cannot be looked after, a bug of labmon")

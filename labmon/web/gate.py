"""The gate for heavy queries: a few run at once, some wait, further ones are told to come back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from labmon.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Gate:
    """At most `running` inside, at most `waiting` before it."""

    def __init__(self, running: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(running)
        self._limit = running + waiting
        self.inside = 0
        """How many run or wait."""

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """A place inside.

        Raises:
            ProblemError: 429, too many wait already.
        """
        if self.inside >= self._limit:
            raise ProblemError(
                429,
                f"{self.inside} queries are under way: try again in a moment, or ask for less",
                headers={"Retry-After": "2"},
            )
        self.inside += 1
        try:
            async with self._places:
                yield
        finally:
            self.inside -= 1

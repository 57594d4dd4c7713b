"""`TokenBucket`: how often something may happen.

The trap: it runs on the loop's clock, which no setting of the system's changes.
"""

from __future__ import annotations

import asyncio


class TokenBucket:
    """So many a second, and as many at once after a pause."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._tokens = per_second
        self._at = asyncio.get_running_loop().time()

    def take(self) -> bool:
        """Take one; False where there is none left."""
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._per_second, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

"""Who may write to a MongoDB database: one labmon at a time, by a lock that expires.

The holder renews it; a crashed one is replaced at once on the same host (its process is gone, or
knows that it has ended), and after 30 s by another. The trap: a process that was stopped for longer
than that has lost the lock and must not write any more, which `check` sees to before each write.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import psutil
from pymongo.errors import DuplicateKeyError

from labmon.datastream.exceptions import LockExpiredMidMaintenance, StoreLocked

if TYPE_CHECKING:
    from collections.abc import Callable

EXPIRES_S: Final = 30.0
RENEW_S: Final = 10.0
_ENDED: Final[set[str]] = set()
"""The holders of this process that write no more, and may not have given their lock back."""


class DatabaseLock:
    """The one document that says who writes.

    Args:
        collection: where it stands.
        place: how the database is called in messages.
    """

    def __init__(
        self,
        collection: Any,
        place: str,
        *,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collection = collection
        self._place = place
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._owner = uuid.uuid4().hex
        self._renewed_s = 0.0
        self.is_held = False

    async def acquire(self) -> None:
        """Take the lock.

        Raises:
            StoreLocked: somebody else holds it; says who and until when.
        """
        held = await self._collection.find_one({"_id": "writer"})
        free = {"_id": "writer", "owner": held["owner"] if held else self._owner}
        if held is not None and not self._is_free(held):
            left_s = held["expires_s"] - self._wall_s()
            raise StoreLocked(
                f"{self._place} is written by process {held['pid']} on {held['host']}: stop it"
                f" first (its lock expires in {left_s:.0f} s if it is gone)"
            )
        self.is_held = True  # also where nothing is heard of it: it may have landed all the same
        try:
            await self._collection.replace_one(free, self._document(), upsert=True)
        except DuplicateKeyError:
            self.is_held = False
            raise StoreLocked(f"{self._place} was taken by somebody else just now") from None
        self._renewed_s = self._monotonic_s()

    async def check(self) -> None:
        """Make sure that the lock is still ours, and renew it in time.

        Raises:
            LockExpiredMidMaintenance: it expired, and somebody else took it.
        """
        if self._monotonic_s() - self._renewed_s < RENEW_S:
            return
        ours = {"_id": "writer", "owner": self._owner}
        result = await self._collection.replace_one(ours, self._document())
        if result.matched_count == 0:
            self.is_held = False
            raise LockExpiredMidMaintenance(
                f"{self._place} was taken over by another labmon while this one did not answer"
            )
        self._renewed_s = self._monotonic_s()

    async def release(self) -> None:
        """Give the lock back, if it is still ours; nothing of ours may be under way any more."""
        self.is_held = False
        _ENDED.add(self._owner)
        await self._collection.delete_one({"_id": "writer", "owner": self._owner})
        _ENDED.discard(self._owner)

    def _document(self) -> dict[str, Any]:
        return {
            "_id": "writer",
            "owner": self._owner,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "expires_s": self._wall_s() + EXPIRES_S,
        }

    def _is_free(self, held: dict[str, Any]) -> bool:
        if held["expires_s"] < self._wall_s() or held["owner"] in {self._owner, *_ENDED}:
            return True
        is_here = held["host"] == socket.gethostname()
        return is_here and held["pid"] != os.getpid() and not psutil.pid_exists(held["pid"])

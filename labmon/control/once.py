"""Idempotency keys: a request that is sent again with its key is answered, not carried out again.

Remembers the newest outcomes of each caller, in memory alone: after a crash only the instrument
knows what it did, so a record of ours would promise too much. The trap: the second may come while
the first is still under way; it then waits for the first, even if whoever sent the first has gone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labmon.control.codes import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

LIMIT: Final = 1000

Outcome = dict[str, Any]
"""The member `result` or `error` of a reply."""


@dataclass(frozen=True, slots=True)
class _Request:
    content: object
    task: asyncio.Task[Outcome]


class Once:
    """The outcomes of the newest `limit` requests that had a key; on the event loop only.

    Args:
        limit: how many are kept.
        is_final: whether an outcome stands; where nothing was done, trying again is right.
    """

    def __init__(self, is_final: Callable[[Outcome], bool], limit: int = LIMIT) -> None:
        self._is_final = is_final
        self._limit = limit
        self._requests: OrderedDict[Hashable, _Request] = OrderedDict()

    async def run(
        self, key: Hashable, content: object, start: Callable[[], Coroutine[Any, Any, Outcome]]
    ) -> Outcome:
        """The outcome of the request of this key; started only if there was none.

        Raises:
            InvalidRequestError: the key was used for a request of other content.
        """
        request = self._requests.get(key)
        if request is None:
            request = _Request(content, asyncio.create_task(start(), name=f"request {key}"))
            self._remember(key, request)
        elif request.content != content:
            raise InvalidRequestError(
                "this idempotency_key was used for another request: change it"
            )
        return await asyncio.shield(request.task)

    def _remember(self, key: Hashable, request: _Request) -> None:
        self._requests[key] = request
        request.task.add_done_callback(lambda _: self._done(key, request))
        while len(self._requests) > self._limit:
            oldest = next((k for k, r in self._requests.items() if r.task.done()), None)
            if oldest is None:
                break  # all under way: each is awaited by its sender, so there cannot be many
            del self._requests[oldest]

    def _done(self, key: Hashable, request: _Request) -> None:
        task = request.task
        is_kept = (
            not task.cancelled() and task.exception() is None and self._is_final(task.result())
        )
        if not is_kept and self._requests.get(key) is request:
            del self._requests[key]

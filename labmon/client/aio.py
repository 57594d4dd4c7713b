"""`AsyncClient`: the same for asyncio.

The trap: a request that is cancelled has been sent all the same; its thread waits for the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
from typing import TYPE_CHECKING, Any

from labmon.client.api import Api
from labmon.client.blocking import Client, RemoteDevice
from labmon.client.follow import SILENCE_S, Follow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping, Sequence

    from labmon.client.values import Event, History, Reading


class AsyncClient:
    """The same for asyncio: await the methods, iterate over `live` and `events` with `async for`.

    Requests run in threads, so decoding a long history does not hold up the event loop.
    """

    def __init__(self, address: str = "http://127.0.0.1:8765", timeout_s: float = 10.0) -> None:
        self._api = Api(address, timeout_s)
        self._client = Client(address, timeout_s)

    async def latest(self, *globs: str) -> dict[str, Reading]:
        """See `Client.latest`."""
        return await asyncio.to_thread(self._client.latest, *globs)

    async def streams(self, *globs: str, **tags: str) -> list[dict[str, Any]]:
        """See `Client.streams`."""
        return await asyncio.to_thread(self._client.streams, *globs, **tags)

    async def devices(self) -> list[dict[str, Any]]:
        """See `Client.devices`."""
        return await asyncio.to_thread(self._client.devices)

    async def data(self, streams: str | Sequence[str], **query: Any) -> History:
        """See `Client.data`; all but the streams by name."""
        return await asyncio.to_thread(self._client.data, streams, **query)

    async def append(
        self, readings: Iterable[Mapping[str, Any]], idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """See `Client.append`."""
        return await asyncio.to_thread(self._client.append, readings, idempotency_key)

    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """See `Client.call`."""
        return await asyncio.to_thread(self._client.call, method, *args, **kwargs)

    def device(self, name: str) -> RemoteDevice:
        """See `Client.device`; the methods are to be awaited."""
        return RemoteDevice(self, name)

    async def live(self, *globs: str, cursor: str | None = None) -> AsyncGenerator[Reading, None]:
        """See `Client.live`; use `contextlib.aclosing` where the loop is left early."""
        async with contextlib.aclosing(self.events(*globs, cursor=cursor)) as events:
            async for event in events:
                for reading in event.readings():
                    yield reading

    async def events(self, *globs: str, cursor: str | None = None) -> AsyncGenerator[Event, None]:
        """See `Client.events`."""
        follow = Follow(self._api, globs, cursor)
        while True:
            try:
                async with contextlib.aclosing(self._receive(follow)) as received:
                    async for event in received:
                        yield event
            except OSError:
                if not follow.has_begun:
                    raise
            await asyncio.sleep(follow.pause_s())

    async def _receive(self, follow: Follow) -> AsyncGenerator[Event, None]:
        with self._api.reaching(self._api.timeout_s):
            async with contextlib.aclosing(self._answers(follow)) as events:
                async for event in events:
                    yield event

    async def _answers(self, follow: Follow) -> AsyncGenerator[Event, None]:
        api = self._api
        async with asyncio.timeout(api.timeout_s):
            tls = api.is_tls or None
            reader, writer = await asyncio.open_connection(api.host, api.port, ssl=tls)
        try:
            writer.write(api.head(follow.request()))
            async with asyncio.timeout(api.timeout_s):
                head = io.BytesIO(await reader.readuntil(b"\r\n\r\n"))
                status = _status(head.readline())
                headers = http.client.parse_headers(head)
                if not follow.is_accepted(status, headers):
                    follow.refused(status, headers, await reader.read())
                    return
            while data := await _soon(reader.read(1 << 16)):
                for event in follow.feed(data):
                    yield event
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _status(line: bytes) -> int:
    try:
        return int(line.split()[1])
    except (IndexError, ValueError):
        raise http.client.BadStatusLine(repr(line[:60])) from None


async def _soon(data: Awaitable[bytes]) -> bytes:
    async with asyncio.timeout(SILENCE_S):
        return await data

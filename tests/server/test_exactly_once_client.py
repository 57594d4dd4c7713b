"""The Python clients under the same: their connections cut on the way, the server restarted below.

Nobody starts them again: they come back by themselves, and what they give is the store's sequence.
"""

import asyncio
import contextlib
import threading

import pytest

from labmon.client import AsyncClient, Client
from tests.server import test_exactly_once as exactly_once


class Relay:
    """Between a client and its server; cuts what goes through when it is told."""

    def __init__(self, port):
        self._server_port = port
        self._ways = {}  # to the client -> to the server
        self.begun = asyncio.Event()
        """The server answers."""
        self.ended = asyncio.Event()
        """The server has closed a connection since this was cleared."""

    async def start(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader, writer):
        with contextlib.suppress(OSError):
            answers, requests = await asyncio.open_connection("127.0.0.1", self._server_port)
            self._ways[writer] = requests
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                requests.write(await reader.readuntil(b"\r\n\r\n"))
                while data := await answers.read(1 << 14):
                    writer.write(data)
                    await writer.drain()
                    if writer in self._ways:
                        self.begun.set()
            if self._ways.pop(writer, None):
                self.begun.clear()
                self.ended.set()
            requests.transport.abort()
        writer.transport.abort()

    def say(self, text):
        """Put something into the server's mouth."""
        for writer in self._ways:
            writer.write(text)

    async def cut(self):
        """End all connections."""
        ways, self._ways = self._ways, {}
        self.begun.clear()
        for way in (*ways.keys(), *ways.values()):
            way.transport.abort()
            with contextlib.suppress(OSError):
                await way.wait_closed()

    async def stop(self):
        self._server.close()
        await self.cut()
        await self._server.wait_closed()


class ClientViewer(exactly_once.Viewer):
    """Takes what a client gives, for ever; it is its connections that are cut."""

    relay = None

    async def watch(self, time_s):
        if self.relay is None:
            self.relay = Relay(self.port)
            self.following = asyncio.create_task(self.follow(await self.relay.start()))
        self.relay.ended.clear()
        try:
            await self.until(self.relay.begun, exactly_once.PATIENCE_S)
            await self.until(self.relay.ended, time_s)
        finally:
            self.counts["cuts"] += 1
            await self.relay.cut()

    async def until(self, event, time_s):
        """Wait for it, or for a time, while the client goes on."""
        waiting = asyncio.create_task(event.wait())
        both = waiting, self.following
        await asyncio.wait(both, timeout=time_s, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert not self.following.done(), self.following.exception()

    async def close(self):
        self.following.cancel()
        await asyncio.gather(self.following, return_exceptions=True)
        await self.relay.stop()

    async def follow(self, address):
        events = AsyncClient(address).events("many/*")
        async with contextlib.aclosing(events):
            async for event in events:
                self.take(event.kind, event.data, event.cursor)

    def in_seconds(self, t):
        return t


class ThreadViewer(ClientViewer):
    """The client that waits, in a thread."""

    async def follow(self, address):
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()

        def receive():
            with contextlib.closing(Client(address).events("many/*")) as events:
                for event in events:
                    if event.kind == "over":
                        break
                    loop.call_soon_threadsafe(self.take, *event)
            loop.call_soon_threadsafe(is_over.set)

        threading.Thread(target=receive, daemon=True).start()  # where a test fails it never ends
        await is_over.wait()

    async def close(self):
        await self.until(self.relay.begun, exactly_once.PATIENCE_S)
        self.relay.say(b"event: over\ndata: {}\n\n")
        await self.following
        await self.relay.stop()


@pytest.mark.long
@pytest.mark.parametrize("kind", [ClientViewer, ThreadViewer])
async def test_a_client_gives_exactly_the_sequence_of_the_store(server_process, until, kind):
    await exactly_once.has_the_sequence_of_the_store(server_process, until, kind, 60, 5)

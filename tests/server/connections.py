"""The tests' ends of live connections: a WebSocket and a stream of events, decoded."""

import asyncio
import json
from typing import Any

import msgpack
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.conftest import PATIENCE_S

HANDSHAKE = (
    b"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
"""Of a WebSocket, by hand: for peers that do not read, or do not answer."""


class Socket:
    """A test's end of a WebSocket: messages decoded, and what was received kept."""

    hello: Any = None
    connection: Any = None

    def __init__(self, protocol):
        self.protocol = protocol
        self.is_closed = False

    async def connect(self, url, **options):
        request = HTTPRequest(url, headers=options.pop("headers", {}))
        self.connection = await websocket_connect(
            request, subprotocols=[self.protocol] if self.protocol else None, **options
        )
        self.hello = await self.receive()
        assert self.hello["type"] == "hello"

    async def send(self, message):
        is_binary = self.protocol == "labmon.v1.msgpack"
        data = msgpack.packb(message) if is_binary else json.dumps(message)
        await self.connection.write_message(data, binary=is_binary)

    async def receive(self, timeout_s=PATIENCE_S):
        """The next message; None once the connection is closed."""
        data = await asyncio.wait_for(self.connection.read_message(), timeout_s)
        if data is None:
            self.is_closed = True
            return None
        if isinstance(data, bytes):
            return msgpack.unpackb(data)
        return json.loads(data)

    async def next(self, kind, timeout_s=PATIENCE_S):
        """The next message of a type; others are left out."""
        while True:
            message = await self.receive(timeout_s)
            assert message is not None, "closed"
            if message.get("type") == kind:
                return message

    async def subscribe(self, *streams, id=1, **fields):
        await self.send({"type": "subscribe", "id": id, "streams": streams or ["**"], **fields})

    async def values(self, count):
        """The next so many readings, as (path, value)."""
        found = []
        while len(found) < count:
            message = await self.next("readings")
            found += [(path, value) for path, _t, value, _quality in message["readings"]]
        return found

    async def values_until(self, last, got):
        """Collect what lab/a has until a value comes; returns the newest cursor."""
        cursor = None
        while not got or got[-1] != last:
            message = await self.receive()
            assert message is not None
            assert message["type"] in {"readings", "device"}, message
            if message["type"] == "readings":
                got += [value for path, _, value, _ in message["readings"] if path == "lab/a"]
                cursor = message["cursor"]
        return cursor

    def close(self):
        self.connection.close()

    async def closed(self):
        if self.connection is not None:
            self.connection.close()
            while not self.is_closed:
                await self.receive()

    @property
    def close_code(self):
        return self.connection.close_code


class Events:
    """A test's end of an SSE connection."""

    reader: Any
    writer: Any
    headers: Any

    @classmethod
    async def open(cls, node, query="", headers=None):
        events = cls()
        events.reader, events.writer = await asyncio.open_connection("127.0.0.1", node.port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        events.writer.write(
            f"GET /api/v1/live?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode()
        )
        head = (await events.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert head[0] == "HTTP/1.1 200 OK", head
        events.headers = {
            line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head[1:] if line
        }
        events.retry = None
        events.id = None
        return events

    async def line_with(self, prefix):
        while True:
            line = await asyncio.wait_for(self.reader.readline(), PATIENCE_S)
            assert line, "closed"
            if line.startswith(prefix):
                return line

    async def event(self):
        """The next event; None once the connection is closed."""
        event = {}
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), PATIENCE_S)).decode()
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "retry":
                self.retry = value
            elif name == "id":
                self.id = event["id"] = value
            elif name in {"event", "data"}:
                event[name] = event.get(name, "") + value
            elif line == "\n":
                if "data" in event:
                    return event | {"data": json.loads(event["data"])}
                event = {}

    async def next(self, kind):
        while True:
            event = await self.event()
            assert event is not None, "closed"
            if event["event"] == kind:
                return event

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()

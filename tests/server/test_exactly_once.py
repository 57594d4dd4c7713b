"""A client that is cut at random under 1,000 readings/s, the server restarted and killed below it.

It keeps what it gets as the protocol says, and ends with exactly the sequence of the store.
"""

import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import struct
import time

import msgpack
import numpy as np
import pytest

from labmon import datastream
from labmon.web.wire import encode_msgpack, seconds
from tests.server.counting_driver import CHANNELS

CONFIG = """
store: sqlite:///labmon.db
recording: {commit_interval_s: 0.3, commit_readings: 100000}
devices:
  many: {driver: "tests.server.counting_driver:Counting", period_s: 0.01}
"""
PATHS = [f"many/{name}" for name in CHANNELS]
GONE = (OSError, asyncio.IncompleteReadError)
LARGEST_BYTES = 1 << 20
"""An event: where the machine is slow, 2,000 readings have been missed and come in one."""
PATIENCE_S = 120
"""For what takes a moment, unless the machine has something better to do."""


class Viewer:
    """Keeps (time_ns or s, value) of each stream, and where it goes on; a transport derives."""

    def __init__(self, port):
        self.port = port
        self.cursor = None
        self.rows = {path: [] for path in PATHS}
        self.counts = dict.fromkeys(("cuts", "readings", "lost"), 0)
        self.kinds = set()

    async def watch(self, time_s):
        """Connect and take what comes, for a time or until the server ends; then cut."""
        writer = None
        try:
            with contextlib.suppress(TimeoutError, *GONE):
                async with asyncio.timeout(time_s):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", self.port, limit=LARGEST_BYTES
                    )
                    await self.converse(reader, writer)
        finally:
            if writer is not None:
                self.counts["cuts"] += 1
                writer.transport.abort()  # a reset: also in the middle of a frame
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def converse(self, reader, writer):
        raise NotImplementedError

    def in_seconds(self, t):
        raise NotImplementedError

    async def close(self):
        """All is seen."""

    def take(self, kind, fields, cursor):
        self.kinds.add(kind)
        if kind == "readings":
            self.counts["readings"] += len(fields["readings"])
            for path, t, value, _quality in fields["readings"]:
                self.rows[path].append((t, value))
            self.cursor = cursor
        elif kind == "lost":
            self.counts["lost"] += 1
            for path, last in fields["streams"].items():
                rows = self.rows[path]
                while rows and (last is None or rows[-1][0] > last):
                    rows.pop()


class SocketViewer(Viewer):
    """Over the WebSocket, in msgpack."""

    async def converse(self, reader, writer):
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            "GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: labmon.v1.msgpack\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        hello = msgpack.unpackb(await frame(reader))
        self.cursor = self.cursor or hello["cursor"]
        fields = {"type": "subscribe", "id": 1, "streams": ["many/*"], "after": self.cursor}
        message = encode_msgpack(fields)
        writer.write(struct.pack("!BBH4x", 0x82, 0x80 | 126, len(message)) + message)
        while True:
            fields = msgpack.unpackb(await frame(reader))
            self.take(fields["type"], fields, fields.get("cursor"))

    def in_seconds(self, t):
        return seconds(t)


async def frame(reader):
    """The payload of the next frame."""
    opcode, length = await reader.readexactly(2)
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    payload = await reader.readexactly(length)
    return payload if opcode == 0x82 else encode_msgpack({"type": "control"})


class EventsViewer(Viewer):
    """Over server-sent events; times are seconds."""

    async def converse(self, reader, writer):
        after = f"Last-Event-ID: {self.cursor}\r\n" if self.cursor else ""
        writer.write(
            f"GET /api/v1/live?stream=many/* HTTP/1.1\r\nHost: 127.0.0.1\r\n{after}\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        while True:
            event = (await reader.readuntil(b"\n\n")).decode()
            lines = [line.split(": ", 1) for line in event.splitlines()]
            fields = dict(line for line in lines if len(line) == 2)
            if "data" in fields:
                self.take(fields["event"], json.loads(fields["data"]), fields.get("id"))
            elif "id" in fields and self.cursor is None:
                self.cursor = fields["id"]

    def in_seconds(self, t):
        return t


async def stored(folder):
    """(time_ns, value) of each stream as the store has it, gap marks included."""
    rows = {}
    store = datastream.open(f"sqlite:///{folder}/labmon.db", read_only=True)
    async with store as streams:
        for path in PATHS:
            stream_id = streams.stream_id(path)
            assert stream_id is not None
            found = await streams.get_arrays(stream_id, "raw", 0, time.time_ns() + 10**12)
            values = [None if np.isnan(value) else value for value in found["v"].tolist()]
            rows[path] = list(zip(found["t"].tolist(), values, strict=True))
    return rows


@contextlib.asynccontextmanager
async def watched_until(viewer, condition):
    """The task of a viewer that goes on watching, once the condition holds; then it is cut."""
    watching = asyncio.create_task(viewer.watch(PATIENCE_S))
    try:
        while not condition():
            await asyncio.wait([watching], timeout=0.01)
            assert not watching.done(), "the server ended it, or what should come did not"
        yield watching
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def cut_and_restart(server, viewer, rng, cuts, signals):
    """Cut the client so often, and end the server in between, while somebody watches."""
    ends = set(rng.sample(range(1, cuts), len(signals)))
    signals = list(signals)
    for number in range(cuts):
        if number not in ends:
            await viewer.watch(rng.uniform(0.01, 0.15))
            continue
        enough = viewer.counts["readings"] + rng.randrange(1, 2000)
        async with watched_until(
            viewer, lambda n=enough: viewer.counts["readings"] >= n
        ) as watching:
            await asyncio.to_thread(server.end, signals.pop(), PATIENCE_S)
            await watching
        await asyncio.to_thread(server.start, PATIENCE_S)
        await push(server, "the/past", time.time() - 3600)  # the viewer comes back after this


async def push(server, stream, time_s):
    """A reading from outside, which is durable afterwards with all that came before."""
    reading = {"stream": stream, "time": time_s, "value": 1}
    await asyncio.to_thread(server.post, "/api/v1/append", [reading], None, PATIENCE_S)


def is_off(server):
    return server.get("/api/v1/devices/many", PATIENCE_S)["state"] == "disabled"


async def drain(server, viewer, until):
    """Stop the instrument, and take everything up to its last reading, which is durable then."""
    await asyncio.to_thread(server.post, "/api/v1/devices/many/disable", {}, None, PATIENCE_S)
    await asyncio.to_thread(until, lambda: is_off(server), PATIENCE_S)
    await push(server, "the/end", time.time())
    latest = await asyncio.to_thread(server.get, "/api/v1/latest?path=many/*", PATIENCE_S)
    newest = {each["path"]: each["t"] for each in latest["readings"]}
    assert set(newest) == set(PATHS)

    def has_all():
        times = {path: viewer.in_seconds(row[0]) for path, [*_, row] in viewer.rows.items()}
        return times == newest

    async with watched_until(viewer, has_all):
        pass


async def has_the_sequence_of_the_store(server_process, until, kind, cuts, restarts):
    """Let a viewer see it all; then what it has is what is stored."""
    seed = int(os.environ.get("LABMON_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL]
    server = server_process(CONFIG)
    await asyncio.to_thread(server.start, PATIENCE_S)
    viewer = kind(server.port)
    async with watched_until(viewer, lambda: all(viewer.rows.values())):
        pass
    await push(server, "the/beginning", time.time())
    begun = {path: rows[0] for path, rows in viewer.rows.items()}  # nothing takes these back
    await cut_and_restart(server, viewer, rng, cuts, signals[:restarts])
    await drain(server, viewer, until)
    await viewer.close()
    code, _ = await asyncio.to_thread(server.end, signal.SIGTERM, PATIENCE_S)
    assert code == 0, server.output

    for path, rows in (await stored(server.data)).items():
        begun_s, value = begun[path]
        first = [(seconds(t), v) for t, v in rows].index((viewer.in_seconds(begun_s), value))
        got = [(viewer.in_seconds(t), v) for t, v in viewer.rows[path]]
        assert len(got) > cuts
        assert got == [(seconds(t), v) for t, v in rows[first:]], path
    assert viewer.counts["cuts"] > cuts
    assert viewer.kinds <= {"readings", "lost", "device", "bye", "control"}, viewer.kinds
    print(viewer.counts)


@pytest.mark.parametrize(
    ("kind", "cuts", "restarts"),
    [
        (SocketViewer, 30, 2),
        pytest.param(EventsViewer, 30, 2, marks=pytest.mark.long),
        pytest.param(SocketViewer, 200, 5, marks=pytest.mark.long),
        pytest.param(EventsViewer, 200, 5, marks=pytest.mark.long),
    ],
)
async def test_exactly_the_sequence_of_the_store(server_process, until, kind, cuts, restarts):
    await has_the_sequence_of_the_store(server_process, until, kind, cuts, restarts)

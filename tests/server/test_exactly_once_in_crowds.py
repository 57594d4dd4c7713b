"""Exactly once in a crowd: one call to the system for many, some of whom are full, slow or gone.

What each of 48 viewers got, and what it was told that it missed, are together the sequence of the
store. Each seed is another history.
"""

import asyncio
import errno
import json
import os
import random
import socket
import struct
from contextlib import suppress
from itertools import count

import msgpack
import pytest

from labmon import hub as hub_module
from labmon.web import audience as audience_module
from labmon.web.ring import Ring, open_ring
from labmon.web.wire import encode_msgpack

PATHS = ("lab/a", "lab/b", "lab/text")
KINDS = ("msgpack", "json", "sse")
TEXT = "x" * 6000
LAST = -1.0


class CutError(Exception):
    """The connection has ended."""


class Viewer:
    """What one client has: of each stream (time, value), or a number of readings that it missed.

    Args:
        kind: the format it asks for.
        rng: decides how it behaves.
    """

    def __init__(self, kind, rng):
        self.kind = kind
        self.cursor = None
        self.rows = {path: [] for path in PATHS}
        self.moods = (self._reads, self._reads, self._is_cut, self._is_slow, self._goes_while_full)
        self._rng = rng
        self._is_over = asyncio.Event()
        self._data = bytearray()
        self._missed = {}
        self._is_in = False

    @property
    def has_all(self):
        return all(rows[-1:] and rows[-1][1] == LAST for rows in self.rows.values())

    def say_that_it_ends(self):
        """From now on it reads what there is."""
        self._is_over.set()

    async def watch(self, port):
        """Connect again and again, each time in another mood, until the last reading is there."""
        while not self.has_all:
            mood = self._reads if self._is_over.is_set() else self._rng.choice(self.moods)
            with socket.socket() as self._sock, suppress(OSError, CutError):
                self._sock.setblocking(False)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
                self._data.clear()
                self._missed, self._is_in = {}, False  # what was told and not yet made good
                await asyncio.get_running_loop().sock_connect(self._sock, ("127.0.0.1", port))
                await self._begin()
                await mood()
                if self._rng.random() < 0.5:  # a reset, not a goodbye
                    self._sock.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )

    async def _reads(self):
        while not self.has_all:
            await self._take_some(1 << 16)

    async def _is_cut(self):
        for _ in range(self._rng.randrange(1, 8)):
            await self._take_some(1 << 14)

    async def _is_slow(self):
        while not self._is_over.is_set():
            await self._pause(self._rng.uniform(0, 0.05))
            await self._take_some(self._rng.randrange(1, 40_000))

    async def _goes_while_full(self):
        await self._pause(self._rng.uniform(0.02, 0.2))

    async def _pause(self, time_s):
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_over.wait(), time_s)

    async def _begin(self):
        """Ask, and wait for the head of the answer."""
        lines = ["GET /api/v1/ws HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyEhIQ==", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Protocol: labmon.v1.{self.kind}"]
        if self.kind == "sse":
            lines = ["GET /api/v1/live?stream=lab/* HTTP/1.1"]
            lines += [f"Last-Event-ID: {self.cursor}"] if self.cursor else []
        await self._send("\r\n".join([*lines, "Host: 127.0.0.1", "", ""]).encode())
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            await self._receive(1 << 14)
        del self._data[: end + 4]
        if self.kind == "sse":
            self._is_in = True
        await self._take_whole()  # the first message may have come with the head
        while not self._is_in:
            await self._take_some(1 << 14)

    async def _subscribe(self):
        fields = {"type": "subscribe", "id": 1, "streams": ["lab/*"], "after": self.cursor}
        is_text = self.kind == "json"
        body = json.dumps(fields).encode() if is_text else encode_msgpack(fields)
        head = struct.pack("!BBH4x", 0x81 if is_text else 0x82, 0x80 | 126, len(body))
        await self._send(head + body)
        self._is_in = True

    async def _send(self, data):
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def _receive(self, limit):
        data = await asyncio.get_running_loop().sock_recv(self._sock, limit)
        if not data:
            raise CutError
        self._data += data

    async def _take_some(self, limit):
        """Receive so many bytes at most, and take the messages that are whole."""
        await self._receive(limit)
        await self._take_whole()

    async def _take_whole(self):
        while (message := self._event() if self.kind == "sse" else self._frame()) is not None:
            kind, fields, cursor = message
            self._take(kind, fields, cursor)
            if kind == "hello":
                self.cursor = self.cursor or cursor
                await self._subscribe()

    def _event(self):
        end = self._data.find(b"\n\n")
        if end < 0:
            return None
        lines = [line.partition(": ") for line in self._data[:end].decode().split("\n")]
        del self._data[: end + 2]
        fields = {name: value for name, _, value in lines}
        if "data" not in fields:
            self.cursor = self.cursor or fields.get("id")
            return "nothing", {}, None
        return fields["event"], json.loads(fields["data"]), fields.get("id")

    def _frame(self):
        if len(self._data) < 2:
            return None
        length, start = self._data[1], 2
        if length > 125:
            start = 4 if length == 126 else 10
            length = int.from_bytes(self._data[2:start], "big")
        if len(self._data) < start + length:
            return None
        opcode, payload = self._data[0], bytes(self._data[start : start + length])
        del self._data[: start + length]
        assert opcode in {0x81, 0x82, 0x88, 0x89}, "a frame was cut in two"
        if opcode > 0x82:
            return "control", {}, None
        fields = json.loads(payload) if opcode == 0x81 else msgpack.unpackb(payload)
        return fields["type"], fields, fields.get("cursor")

    def _take(self, kind, fields, cursor):
        if kind == "readings":
            for path, missed in self._missed.items():
                self.rows[path].append((None, missed))
            self._missed = {}
            for path, t, value, _quality in fields["readings"]:
                self.rows[path].append((t, value))
            self.cursor = cursor
        elif kind == "skipped":  # it counts once what came instead is there
            assert not self._missed
            self._missed = fields["streams"]
        else:
            assert kind in {"hello", "device", "control", "nothing", "bye"}, (kind, fields)

    def check(self, path, stored):
        """What it has and what it was told that it missed are the sequence that is stored."""
        rows = self.rows[path]
        at = stored.index(rows[0][1])
        for t, value in rows:
            if t is None:
                at += value
            else:
                assert value == stored[at], (self.kind, path, at)
                at += 1
        assert at == len(stored)
        return sum(value for t, value in rows if t is None)


@pytest.fixture
def answers(monkeypatch):
    """Counts how the kernel answered the requests of the rings."""
    found = dict.fromkeys(("calls", "full", "part", "gone"), 0)

    def send(ring, descriptors, frame):
        short = real(ring, descriptors, frame)
        found["calls"] += 1
        for result in short.values():
            word = "full" if result == -errno.EAGAIN else "part" if result > 0 else "gone"
            found[word] += 1
        return short

    real = Ring.send
    monkeypatch.setattr(Ring, "send", send)
    return found


async def publish(node, rng, bursts, numbers):
    """Readings of three streams, the third a long text, so that buffers are soon full."""
    for _ in range(bursts):
        for _ in range(rng.randrange(1, 6)):
            number = next(numbers)
            readings = [("lab/a", float(number)), ("lab/b", float(number))]
            node.publish(*rng.sample(readings, rng.randrange(1, 3)))
            if rng.random() < 0.5:
                node.publish(("lab/text", f"{number} {TEXT[: rng.randrange(len(TEXT))]}"))
        await asyncio.sleep(rng.choice([0, 0.002, 0.01]))


async def stored(node):
    await node.recorder.flush()
    found = {}
    for path in PATHS:
        data = await node.datastream.get_data(node.datastream.stream_id(path), "Raw", start=0)
        found[path] = [row["v"] for row in await data.fetch(slice(0, 10**6))]
    return found


@pytest.mark.parametrize("io_uring", [True, False])
@pytest.mark.parametrize(
    ("bursts", "lives"),
    [
        pytest.param(50, 0, id="short"),
        *(pytest.param(100, 3, marks=pytest.mark.long, id=f"long {n}") for n in range(5)),
    ],
)
async def test_everybody_in_a_crowd_has_exactly_what_is_stored(
    make_node, tmp_path, monkeypatch, answers, io_uring, bursts, lives
):
    seed = int(os.environ.get("LABMON_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    monkeypatch.setattr(audience_module, "CROWD", 6)  # so that all three formats come to it
    monkeypatch.setattr(hub_module, "RECENT_READINGS", rng.choice([50, 20_000]))
    node = await make_node(
        f"sqlite:///{tmp_path}/labmon.db",
        limits={"interval_s": 0.002, "send_buffer_bytes": 8192, "replay_readings": 50},
        io_uring=io_uring,
        max_mailbox_bytes=65_536,
    )
    node.publish(*((path, -2.0) for path in PATHS[:2]), ("lab/text", "first"))
    viewers = [Viewer(kind, rng) for kind in KINDS for _ in range(16)]
    watching = [asyncio.create_task(viewer.watch(node.port)) for viewer in viewers]
    numbers = count()
    for _ in range(lives):
        await publish(node, rng, bursts, numbers)
        await node.restart()
    await publish(node, rng, bursts, numbers)
    node.publish(*((path, LAST) for path in PATHS))
    for viewer in viewers:
        viewer.say_that_it_ends()
    async with asyncio.timeout(60):
        await asyncio.gather(*watching)
    sequences = await stored(node)
    missed = sum(viewer.check(path, sequences[path]) for viewer in viewers for path in PATHS)
    print({**answers, "missed": missed, "told": node.live.skipped_readings})
    ring = open_ring() if io_uring else None
    assert (answers["calls"] > 0) == (ring is not None)
    if ring is not None:
        ring.close()

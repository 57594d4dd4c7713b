"""Clients that do not read: bounded, told what they missed, cut in the end."""

import asyncio
import contextlib
import json
import socket as sockets
import struct

import numpy as np
import pytest

from labmon.reading import ArrayBatch
from labmon.web import topics
from tests.conftest import PATIENCE_S
from tests.server.connections import HANDSHAKE


class Slow:
    """A WebSocket client by hand, with a small receive buffer, that reads only when told."""

    async def connect(self, node, path=None):
        self.loop = asyncio.get_running_loop()
        self.sock = sockets.socket()
        self.sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self.sock.setblocking(False)
        await self.loop.sock_connect(self.sock, ("127.0.0.1", node.port))
        self.buffer = b""
        if path is not None:
            await self.loop.sock_sendall(
                self.sock, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
            )
            return
        await self.loop.sock_sendall(self.sock, HANDSHAKE)
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += await self.loop.sock_recv(self.sock, 4096)
        self.buffer = self.buffer.partition(b"\r\n\r\n")[2]
        await self.frame()  # hello

    async def send(self, message):
        data = json.dumps(message).encode()
        await self.loop.sock_sendall(self.sock, struct.pack("!BB4x", 0x81, 0x80 | len(data)) + data)

    async def take(self, count):
        while len(self.buffer) < count:
            data = await asyncio.wait_for(self.loop.sock_recv(self.sock, 65536), PATIENCE_S)
            if not data:
                raise EOFError
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    async def frame(self):
        """(opcode, payload) of the next frame."""
        first, length = await self.take(2)
        if length == 126:
            length = struct.unpack("!H", await self.take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", await self.take(8))[0]
        return first & 0x0F, await self.take(length)

    def close(self):
        self.sock.close()


@pytest.fixture
async def slow():
    made = []

    async def make(node, path=None):
        client = Slow()
        made.append(client)
        await client.connect(node, path)
        return client

    yield make
    for client in made:
        client.close()


async def fill(node, client_count, start=0, count=3000):
    """Publish more than any buffer holds; returns the number of the last."""
    for number in range(start, start + count):
        node.publish(("lab/a", number), ("lab/text", "x" * 500))
        if number % 5 == 0:
            await asyncio.sleep(0.001)
    return start + count - 1


async def test_a_slow_reader_gets_the_newest_and_is_told_what_it_missed(
    make_node, slow, eventually
):
    node = await make_node(
        max_mailbox_bytes=64 << 10, limits={"send_buffer_bytes": 8192, "interval_s": 0.001}
    )
    client = await slow(node)
    await client.send({"type": "subscribe", "id": 1, "streams": ["lab/**"]})
    await eventually(lambda: node.live.topics)
    last = await fill(node, 1)
    topic = next(iter(node.live._topics.values()))
    assert topic._behind
    assert len(node.live.blocked) == 1
    assert next(iter(node.live.blocked))._queued_bytes <= 64 << 10

    got, skipped = [], 0
    while not got or got[-1] != last:
        _, payload = await client.frame()
        message = json.loads(payload)
        if message["type"] == "skipped":
            skipped += message["streams"]["lab/a"]
        elif message["type"] == "readings":
            got += [value for path, _, value, _ in message["readings"] if path == "lab/a"]
    assert got == sorted(set(got))
    assert skipped > 0
    assert len(got) + skipped == last + 1
    await eventually(lambda: not topic._behind and not node.live.blocked)
    assert not topic._counts
    node.publish(("lab/a", last + 1))
    while got[-1] != last + 1:
        message = json.loads((await client.frame())[1])
        if message["type"] == "readings":
            got += [value for path, _, value, _ in message["readings"] if path == "lab/a"]
    assert node.live.skipped_readings >= skipped


async def test_who_is_behind_is_told_also_of_what_the_topic_itself_could_not_hold(
    make_node, slow, eventually, monkeypatch
):
    """More comes in one turn of the loop than a topic takes from the hub."""
    monkeypatch.setattr(topics, "MOST_READINGS", 50)
    node = await make_node(
        max_mailbox_bytes=64 << 10, limits={"send_buffer_bytes": 8192, "interval_s": 0.001}
    )
    client = await slow(node)
    await client.send({"type": "subscribe", "id": 1, "streams": ["lab/**"]})
    await eventually(lambda: node.live.topics)
    last = await fill(node, 1, count=1500)
    topic = next(iter(node.live._topics.values()))
    assert topic._behind
    node.publish(("lab/rare", -1.0))
    for last in range(last + 1, last + 201):  # noqa: B020 - on from there
        node.publish(("lab/a", last))

    told = {"lab/a": 0, "lab/rare": 0}
    newest = None
    while newest != last:
        message = json.loads((await client.frame())[1])
        if message["type"] == "skipped":
            for path in told:
                told[path] += message["streams"].get(path, 0)
        elif message["type"] == "readings":
            for path, _, value, _ in message["readings"]:
                if path == "lab/a":
                    told[path] += 1
                    newest = value
    assert told == {"lab/a": last + 1, "lab/rare": 1}


async def test_what_a_slow_reader_misses_of_arrays_is_counted_in_samples(
    make_node, slow, eventually
):
    node = await make_node(
        max_mailbox_bytes=16 << 10, limits={"send_buffer_bytes": 8192, "interval_s": 0.001}
    )
    client = await slow(node)
    await client.send({"type": "subscribe", "id": 1, "streams": ["lab/**"]})
    await eventually(lambda: node.live.topics)
    start_ns, arrays = node.clock.now_ns(), 3000
    for number in range(arrays):
        times_ns = start_ns + np.arange(number * 20, number * 20 + 20)
        node.hub.publish(ArrayBatch("lab", ("lab/in",), times_ns, np.full(20, float(number))))
        node.publish(("lab/text", "x" * 500))
        if number % 5 == 0:
            await asyncio.sleep(0.001)
    got, skipped, newest = 0, 0, None
    while newest != arrays - 1:
        message = json.loads((await client.frame())[1])
        if message["type"] == "skipped":
            skipped += message["streams"].get("lab/in", 0)
        elif message["type"] == "readings":
            for row in message["readings"]:
                if row[0] == "lab/in":
                    got, newest = got + row[6], row[2]
    assert skipped > 0
    assert got + skipped == 20 * arrays


async def test_one_that_takes_nothing_is_cut_and_told_why(make_node, slow, eventually):
    node = await make_node(
        max_mailbox_bytes=16 << 10,
        limits={
            "send_buffer_bytes": 8192,
            "interval_s": 0.001,
            "stall_s": 0.3,
            "linger_s": PATIENCE_S,
        },
    )
    client = await slow(node)
    await client.send({"type": "subscribe", "id": 1, "streams": ["lab/**"]})
    await eventually(lambda: node.live.topics)
    await fill(node, 1, count=1000)
    await eventually(lambda: node.live.slow_clients == 1)
    while True:
        opcode, payload = await client.frame()
        if opcode == 8:
            break
    assert struct.unpack("!H", payload[:2])[0] == 3008
    assert payload[2:] == b"slow"
    client.close()
    await eventually(lambda: not node.live.clients)


async def test_nothing_follows_the_goodbye_to_one_that_answers_no_ping(make_node, slow, eventually):
    """Tornado says it by itself; browsers call a frame behind it an error of the server."""
    node = await make_node(
        limits={"send_buffer_bytes": 8192, "interval_s": 0.001, "ping_s": 0.2, "pong_s": 0.2}
    )
    client = await slow(node)
    await client.send({"type": "subscribe", "id": 1, "streams": ["lab/**"]})
    await eventually(lambda: node.live.topics)
    await fill(node, 1, count=300)  # some of it waits, and is not for a connection that has ended
    (viewer,) = node.live.clients
    connection = viewer.hang_up.__self__.ws_connection
    await eventually(lambda: connection.server_terminated)
    await fill(node, 1, count=10)
    opcodes = []
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            opcodes.append((await client.frame())[0])
            if opcodes[-1] == 8:
                client.loop.call_later(0.3, viewer.mailbox.close)  # Tornado would, after 5 s
    assert opcodes.index(8) == len(opcodes) - 1


async def test_sse_that_takes_nothing_is_cut(make_node, slow, eventually):
    node = await make_node(
        max_mailbox_bytes=16 << 10,
        limits={"send_buffer_bytes": 8192, "interval_s": 0.001, "stall_s": 0.3, "linger_s": 0.1},
    )
    await slow(node, "/api/v1/live?stream=lab/**")
    await eventually(lambda: node.live.topics)
    await fill(node, 1, count=1000)
    await eventually(lambda: node.live.slow_clients == 1)
    await eventually(lambda: not node.live.clients)


async def test_many_subscriptions_come_back_on_one_connection_one_after_the_other(make_node, slow):
    node = await make_node(max_mailbox_bytes=16 << 10, limits={"send_buffer_bytes": 8192})
    cursor = str(node.live.cursor())
    for number in range(100):
        node.publish(("lab/a", number), ("lab/text", "x" * 500))
    client = await slow(node)
    for id_ in range(8):
        message = {"type": "subscribe", "id": id_, "streams": ["lab/*"], "after": cursor}
        await client.send(message)
    got = {}
    while len(got) < 8:
        message = json.loads((await client.frame())[1])
        if message["type"] == "readings":
            got[message["id"]] = [row[2] for row in message["readings"] if row[0] == "lab/a"]
    assert all(values == list(range(100)) for values in got.values())


async def test_a_healthy_client_beside_slow_ones_misses_nothing(make_node, slow, eventually):
    node = await make_node(limits={"send_buffer_bytes": 8192, "interval_s": 0.001})
    for _ in range(20):
        await slow(node, "/api/v1/live?stream=lab/**")
    healthy = await node.socket()
    await healthy.subscribe("lab/a")
    await eventually(lambda: node.live.topics == 2)
    collecting = asyncio.create_task(healthy.values(3000))
    await fill(node, 20)
    assert [value for _, value in await collecting] == list(range(3000))
    assert len(node.live.blocked) == 20


async def test_events_for_a_slow_client_are_thinned_to_the_newest(make_node, slow, eventually):
    from labmon.hub import Event

    node = await make_node(
        max_mailbox_bytes=16 << 10, limits={"send_buffer_bytes": 8192, "interval_s": 0.001}
    )
    client = await slow(node)
    await client.send({"type": "subscribe", "id": 1, "streams": ["lab/**"]})
    await eventually(lambda: node.live.topics)
    last = await fill(node, 1, count=500)
    for number in range(500):
        data = {"name": "oven", "polls": number, "padding": "x" * 200}
        node.hub.announce(Event("device", data))
        await asyncio.sleep(0)
    polls, values = [], []
    while not polls or polls[-1] != 499 or values[-1] != last:
        message = json.loads((await client.frame())[1])
        if message["type"] == "device":
            polls.append(message["device"]["polls"])
        elif message["type"] == "readings":
            values += [v for path, _, v, _ in message["readings"] if path == "lab/a"]
    assert polls == sorted(set(polls))
    assert len(polls) < 500

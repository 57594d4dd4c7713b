"""Cursors: nothing is missing and nothing comes twice, whatever is cut and restarted."""

import asyncio
import random
import time

import pytest

from labmon import hub as hub_module
from labmon.errors import StorageError
from labmon.web import replay as replay_module
from labmon.web.cursor import Cursor


async def test_resumes_from_memory(node):
    cursor = str(node.live.cursor())
    for number in range(100):
        node.publish(("lab/a", number), ("other/b", number))
    socket = await node.socket()
    await socket.subscribe("lab/*", after=cursor)
    got = []
    await socket.values_until(99, got)
    node.publish(("lab/a", 100))
    cursor = await socket.values_until(100, got)
    assert got == list(range(101))
    await socket.subscribe("lab/*", id=2, after=cursor)
    node.publish(("lab/a", 101))
    await socket.values(2)
    socket.close()


async def test_resumes_in_the_middle_of_a_batch(node):
    batch = node.publish(("lab/a", 1), ("lab/b", 2), ("lab/c", 3))
    cursor = Cursor(node.hub.start_id, node.hub.epoch, batch.seq, 0)
    socket = await node.socket()
    await socket.subscribe("lab/*", after=str(cursor))
    assert await socket.values(2) == [("lab/b", 2), ("lab/c", 3)]
    socket.close()


async def test_resumes_from_the_journal_where_memory_is_too_short(stored, monkeypatch):
    monkeypatch.setattr(hub_module, "RECENT_READINGS", 50)
    monkeypatch.setattr(replay_module, "TAIL_READINGS", 100)
    cursor = str(stored.live.cursor())
    for number in range(1000):
        stored.publish(("lab/a", number))
    await stored.recorder.flush()
    for number in range(1000, 1020):
        stored.publish(("lab/a", number))
    socket = await stored.socket()
    await socket.subscribe("lab/*", after=cursor)
    got = []
    await socket.values_until(1019, got)
    assert got == list(range(1020))
    socket.close()


async def test_a_long_replay_comes_in_pieces_that_can_be_resumed_themselves(make_node, tmp_path):
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db", limits={"replay_readings": 30})
    cursor = str(node.live.cursor())
    for number in range(100):
        node.publish(("lab/a", number), ("lab/b", number))
    await node.restart()
    for number in range(100, 200):
        node.publish(("lab/a", number))
    got = []
    for _ in range(4):
        socket = await node.socket()
        await socket.subscribe("lab/a", after=cursor)
        message = await socket.next("readings")
        got += [value for _, _, value, _ in message["readings"]]
        cursor = message["cursor"]
        socket.close()
    assert got == list(range(len(got)))
    socket = await node.socket()
    await socket.subscribe("lab/a", after=cursor)
    await socket.values_until(199, got)
    assert got == list(range(200))


@pytest.mark.parametrize("restarts", [0, 1])
async def test_a_batch_larger_than_a_piece_comes_all_the_same(make_node, tmp_path, restarts):
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db", limits={"replay_readings": 2})
    cursor = str(node.live.cursor())
    for number in range(3):
        node.publish(*((f"lab/{name}", number) for name in "abcde"))
    for _ in range(restarts):
        await node.restart()
    socket = await node.socket()
    await socket.subscribe("lab/*", after=cursor)
    assert await socket.values(15) == [(f"lab/{n}", i) for i in range(3) for n in "abcde"]
    socket.close()


async def test_resumes_across_a_restart(stored):
    for number in range(10):
        stored.publish(("lab/a", number))
    socket = await stored.socket()
    cursor = socket.hello["cursor"]
    for number in range(10, 20):
        stored.publish(("lab/a", number))
    await socket.closed()
    await stored.restart()
    stored.publish(("lab/a", 20))
    socket = await stored.socket()
    await socket.subscribe("lab/*", after=cursor)
    got = []
    await socket.values_until(20, got)
    assert got == list(range(10, 21))
    socket.close()


@pytest.mark.parametrize("transport", ["json", "msgpack", "sse"])
async def test_exactly_once_whatever_is_cut(stored, transport):
    """1,000 readings a second, cut at random, the server restarted three times in between."""
    rng = random.Random(7)
    client = {"sse": SseClient}.get(transport, WsClient)(stored, transport)
    stop = asyncio.Event()
    published = []

    async def publish():
        while not stop.is_set():
            for _ in range(rng.randrange(1, 40)):
                published.append(len(published))
                stored.publish(("lab/a", published[-1]), ("lab/other", 0.0))
            await asyncio.sleep(0.01)

    for _ in range(4):
        stop.clear()
        publisher = asyncio.create_task(publish())
        for _ in range(12):
            await client.connect()
            await client.receive(rng.randrange(1, 6))
            await client.cut()
        stop.set()
        await publisher
        await stored.restart()
    stored.publish(("lab/a", len(published)))
    published.append(len(published))
    await client.connect()
    while not client.got or client.got[-1] != published[-1]:
        await client.receive(1)
    await client.cut()
    assert client.got == published
    assert client.odd == []
    await stored.recorder.flush()
    stream_id = stored.datastream.stream_id("lab/a")
    arrays = await stored.datastream.get_arrays(stream_id, "raw", 0, time.time_ns() + 10**9)
    assert arrays["v"].tolist() == published


class WsClient:
    """Receives lab/a over a WebSocket and remembers its cursor."""

    def __init__(self, node, transport):
        self.node, self.protocol = node, f"labmon.v1.{transport}"
        self.cursor = str(node.live.cursor())
        self.got, self.odd = [], []

    async def connect(self):
        self.socket = await self.node.socket(self.protocol)
        await self.socket.subscribe("lab/a", after=self.cursor)

    async def receive(self, messages):
        for _ in range(messages):
            message = await self.socket.receive()
            if message["type"] != "readings":
                self.odd.append(message)
                continue
            self.got += [value for _, _, value, _ in message["readings"]]
            self.cursor = message["cursor"]

    async def cut(self):
        await self.socket.closed()


class SseClient:
    """The same over SSE."""

    def __init__(self, node, _transport):
        self.node = node
        self.id = str(node.live.cursor())
        self.got, self.odd = [], []

    async def connect(self):
        self.events = await self.node.events("stream=lab/a", {"Last-Event-ID": self.id})

    async def receive(self, messages):
        for _ in range(messages):
            event = await self.events.event()
            if event["event"] != "readings":
                self.odd.append(event)
                continue
            self.got += [value for _, _, value, _ in event["data"]["readings"]]
            self.id = event["id"]

    async def cut(self):
        await self.events.close()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), StorageError("the disk is away")])
async def test_a_client_that_cannot_resume_is_closed_so_that_it_comes_back(
    stored, monkeypatch, eventually, complaints, error
):
    cursor = str(stored.live.cursor())
    await stored.restart()

    async def fail(*_):
        raise error

    monkeypatch.setattr(stored.datastream, "journal_since", fail)
    socket = await stored.socket()
    await socket.subscribe("lab/*", after=cursor)
    while not socket.is_closed:
        await socket.receive()
    assert socket.close_code == 1011
    sse = await stored.events("stream=lab/*", {"Last-Event-ID": cursor})
    while await sse.event() is not None:
        pass
    await sse.close()
    await eventually(lambda: not stored.live.clients)
    assert complaints()

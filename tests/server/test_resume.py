"""Cursors: nothing is missing and nothing comes twice, whatever is cut and restarted."""

import asyncio
import random
import shutil
import time

import pytest

from labmon import hub as hub_module
from labmon.datastream.spool import Spool
from labmon.datastream.spool_file import Head
from labmon.datastream.spool_record import SpoolRecord, encode_record
from labmon.errors import StorageError
from labmon.web import replay as replay_module
from labmon.web.cursor import Cursor
from labmon.web.wire import seconds


@pytest.fixture
async def stored(make_node, tmp_path):
    """A node on SQLite."""
    return await make_node(f"sqlite:///{tmp_path}/labmon.db")


async def receive_until(socket, last, got):
    """Collect lab/a until a value; returns the newest cursor."""
    cursor = None
    while not got or got[-1] != last:
        message = await socket.receive()
        assert message is not None
        assert message["type"] in {"readings", "device"}, message
        if message["type"] == "readings":
            got += [value for path, _, value, _ in message["readings"] if path == "lab/a"]
            cursor = message["cursor"]
    return cursor


async def test_resumes_from_memory(node):
    cursor = str(node.live.cursor())
    for number in range(100):
        node.publish(("lab/a", number), ("other/b", number))
    socket = await node.socket()
    await socket.subscribe("lab/*", after=cursor)
    got = []
    await receive_until(socket, 99, got)
    node.publish(("lab/a", 100))
    cursor = await receive_until(socket, 100, got)
    assert got == list(range(101))
    await socket.subscribe("lab/*", id=2, after=cursor)
    node.publish(("lab/a", 101))
    await socket.values(2)
    socket.close()


async def test_resumes_in_the_middle_of_a_batch(node):
    batch = node.publish(("lab/a", 1), ("lab/b", 2), ("lab/c", 3))
    cursor = Cursor(node.hub.node, node.hub.epoch, batch.seq, 0)
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
    await receive_until(socket, 1019, got)
    assert got == list(range(1020))
    socket.close()


@pytest.fixture
async def slow_store(make_node, tmp_path, monkeypatch):
    """A node whose memory is short, and whose store takes nothing while `may_write` is clear."""
    monkeypatch.setattr(hub_module, "RECENT_READINGS", 1)
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db", limits={"settle_s": 0.5})
    backend = node.datastream._engine.backend
    apply = backend.apply
    node.may_write = asyncio.Event()

    async def wait_and_apply(change):
        await node.may_write.wait()
        await apply(change)

    monkeypatch.setattr(backend, "apply", wait_and_apply)
    yield node
    node.may_write.set()


async def test_what_memory_has_let_go_before_it_is_durable_is_waited_for(slow_store):
    cursor = str(slow_store.live.cursor())
    for number in range(10):
        slow_store.publish(("lab/a", number))
    socket = await slow_store.socket()
    await socket.subscribe("lab/*", after=cursor)
    with pytest.raises(TimeoutError):
        await socket.receive(timeout_s=0.1)
    slow_store.may_write.set()
    got = []
    await receive_until(socket, 9, got)
    assert got == list(range(10))
    socket.close()


async def test_while_the_store_is_away_what_memory_has_let_go_is_a_gap(slow_store, complaints):
    cursor = slow_store.live.cursor()
    for number in range(10):
        slow_store.publish(("lab/a", number))
    socket = await slow_store.socket()
    await socket.subscribe("lab/*", after=str(cursor))
    gap = await socket.receive()
    assert gap["type"] == "gap"
    assert gap["from"] == pytest.approx(seconds(cursor.time_ns) - 10)
    slow_store.publish(("lab/a", 10))
    assert await socket.values(1) == [("lab/a", 10)]
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
    await receive_until(socket, 199, got)
    assert got == list(range(200))


@pytest.mark.parametrize("restarts", [0, 1])
async def test_a_cursor_of_a_replay_is_as_old_as_what_it_stands_behind(
    make_node, tmp_path, restarts
):
    """Who is cut in the middle may find the journal trimmed; the gap begins where it was."""
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db", limits={"replay_readings": 10})
    begin_ns = node.clock.now_ns() - 200 * 10**9
    cursor = Cursor(node.hub.node, node.hub.epoch, 0, begin_ns)
    for second in range(40):
        node.publish(("lab/a", second), time_ns=begin_ns + second * 10**9)
    for _ in range(restarts):
        await node.restart()
    socket = await node.socket()
    await socket.subscribe("lab/*", after=str(cursor))
    for message in [await socket.next("readings") for _ in range(3)]:
        newest_s = message["readings"][-1][1]
        assert seconds(Cursor.parse(message["cursor"]).time_ns) == newest_s
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
    await receive_until(socket, 20, got)
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


@pytest.mark.parametrize("which", ["another node", "another epoch", "the future"])
async def test_a_cursor_that_leads_nowhere_gives_a_gap(node, which):
    node.publish(("lab/a", 1))
    hub, now = node.hub, node.clock.now_ns()
    cursor = {
        "another node": Cursor("deadbeef", 1, 1, now),
        "another epoch": Cursor(hub.node, 77, 1, now),
        "the future": Cursor(hub.node, hub.epoch, 10**6, now),
    }[which]
    socket = await node.socket()
    await socket.subscribe("lab/*", after=str(cursor))
    gap = await socket.receive()
    assert (gap["type"], gap["id"], gap["from"]) == ("gap", 1, None)
    assert abs(gap["to"] - time.time()) < 5
    node.publish(("lab/a", 2))
    assert await socket.values(1) == [("lab/a", 2)]
    socket.close()


async def test_a_cursor_older_than_the_journal_gives_a_gap_with_its_times(stored, monkeypatch):
    monkeypatch.setattr(hub_module, "RECENT_READINGS", 50)
    cursor = stored.live.cursor()
    for number in range(200):
        stored.publish(("lab/a", number))
    await stored.recorder.flush()
    real = stored.datastream.journal_since

    async def trimmed(epoch, seq, limit):
        tail = await real(epoch, max(seq, 100), limit)
        tail.complete = seq >= 100
        return tail

    monkeypatch.setattr(stored.datastream, "journal_since", trimmed)
    socket = await stored.socket()
    await socket.subscribe("lab/*", after=str(cursor))
    gap = await socket.receive()
    assert gap["type"] == "gap"
    assert gap["from"] == pytest.approx(seconds(cursor.time_ns) - 10)
    assert gap["to"] >= gap["from"]
    got = []
    await receive_until(socket, 199, got)
    assert got == list(range(100, 200))
    socket.close()


def keep(spool, node, batches):
    """Leave readings on disk, as a server does that is killed while its store is away."""
    epoch = node.hub.epoch
    record = encode_record(SpoolRecord(node.hub.node, epoch, batches))
    first, last = batches[0], batches[-1]
    count = sum(map(len, batches))
    head = Head(len(record), count, 0, epoch, first.seq, last.last_seq, first.time_ns)
    spool.open()
    spool.write(head, record)
    spool.close()


@pytest.fixture
async def crash(make_node, tmp_path, eventually):
    """A function: crashes a node whose last readings a viewer saw, but no disk.

    It gives the node after the crash, the cursor of the viewer and the last durable batch.
    """

    async def crash(spooled=0):
        """Of what only the viewer saw, so many batches waited on disk."""
        folder = tmp_path / "crashed"
        folder.mkdir()
        node = await make_node(f"sqlite:///{tmp_path}/labmon.db")
        for number in range(10):
            node.publish(("lab/a", number))
        last = node.publish(("lab/a", 10), ("lab/b", 0))
        await node.recorder.flush()
        for file in tmp_path.glob("labmon.db*"):
            if "lock" not in file.name:
                shutil.copy(file, folder / file.name)
        socket = await node.socket()
        await socket.subscribe("lab/*")
        await eventually(lambda: node.live.topics)
        seen = [node.publish(("lab/a", 11), ("lab/b", 1), ("lab/new", 2))]
        if spooled:
            seen.append(node.publish(("lab/a", 12)))
        got = []
        while len(got) < sum(map(len, seen)):
            message = await socket.next("readings")
            got += message["readings"]
        await node.stop()
        spool = Spool(folder / "spool", 1 << 30)
        if spooled:
            keep(spool, node, seen[:spooled])
        again = await make_node(f"sqlite:///{folder}/labmon.db", spool=spool)
        return again, message["cursor"], seen[spooled - 1] if spooled else last

    return crash


async def test_what_never_became_durable_is_taken_back(crash):
    crashed, cursor, last = await crash()
    after = crashed.publish(("lab/a", 12))
    await crashed.recorder.flush()
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    lost = await socket.receive()
    assert lost["type"] == "lost"
    assert lost["streams"] == {
        "lab/a": seconds(last.time_ns),
        "lab/b": seconds(last.time_ns),
    }
    message = await socket.next("readings")
    assert message["readings"] == [["lab/a", seconds(after.time_ns), 12, 0]]
    assert "lab/new" not in lost["streams"]
    socket.close()


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("is_durable", [True, False])
async def test_what_is_durable_stays_whatever_times_come_after_a_crash(crash, is_durable, restarts):
    """A clock that was set back, and readings of an hour ago pushed from outside."""
    crashed, cursor, last = await crash()
    behind = [
        crashed.publish(("lab/a", 12), time_ns=last.time_ns - 10**9),
        crashed.publish(("lab/b", 13), time_ns=last.time_ns - 3600 * 10**9),
        crashed.publish(("lab/a", 14)),
    ]
    if is_durable:
        await crashed.recorder.flush()
    for _ in range(restarts):
        await crashed.restart()
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    lost = await socket.receive()
    assert lost["type"] == "lost"
    durable_s = seconds(last.time_ns)
    assert lost["streams"] == {"lab/a": durable_s, "lab/b": durable_s}
    got = []
    while len(got) < len(behind):
        got += (await socket.next("readings"))["readings"]
    assert [(path, t, value) for path, t, value, _ in got] == [
        (batch.paths[0], seconds(batch.time_ns), batch.values[0]) for batch in behind
    ]
    socket.close()


@pytest.mark.parametrize("spooled", [1, 2])
async def test_what_waited_on_disk_is_not_taken_back(crash, spooled, monkeypatch):
    monkeypatch.setattr("labmon.spooling.LOOK_S", 0.01)
    crashed, cursor, last = await crash(spooled)
    after = crashed.publish(("lab/a", 13))
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    if spooled == 1:  # the second batch was in memory alone
        lost = await socket.receive()
        assert lost["type"] == "lost"
        assert lost["streams"] == dict.fromkeys(last.paths, seconds(last.time_ns))
    message = await socket.receive()
    assert message["type"] == "readings"
    assert message["readings"] == [["lab/a", seconds(after.time_ns), 13, 0]]
    for path, value in zip(last.paths, last.values, strict=True):
        kept = await crashed.get(f"/api/v1/data?stream={path}&start=0&end=4e9&granularity=raw")
        assert kept["streams"][0]["v"].count(value) == 1
    socket.close()


async def test_what_is_pushed_for_a_stream_of_the_past_takes_nothing_back(crash):
    crashed, cursor, last = await crash()
    crashed.publish(("lab/past", 1), time_ns=last.time_ns - 3600 * 10**9)
    await crashed.recorder.flush()
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    durable_s = seconds(last.time_ns)
    lost = await socket.receive()
    assert lost["streams"] == {"lab/a": durable_s, "lab/b": durable_s, "lab/past": None}
    socket.close()


async def test_subscriptions_by_glob_see_streams_that_come_later(node, eventually):
    socket = await node.socket()
    await socket.subscribe("**")
    await eventually(lambda: node.live.topics)
    node.publish(("new/x", 1))
    assert await socket.values(1) == [("new/x", 1)]
    socket.close()


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

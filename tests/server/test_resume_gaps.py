"""Cursors from which nothing can go on without a gap, and what is said then."""

import asyncio
import time

import pytest

from labmon import hub as hub_module
from labmon.web.cursor import Cursor
from labmon.web.wire import seconds
from tests.conftest import PATIENCE_S


@pytest.fixture
async def slow_store(make_node, tmp_path, monkeypatch, request):
    """A node whose memory is short, and whose store takes nothing while `may_write` is clear.

    A client waits only a moment for what is on its way to disk, unless a test says how long.
    """
    monkeypatch.setattr(hub_module, "RECENT_READINGS", 1)
    settle_s = getattr(request, "param", 0.1)
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db", limits={"settle_s": settle_s})
    backend = node.datastream._engine.backend
    apply = backend.apply
    node.may_write = asyncio.Event()

    async def wait_and_apply(change):
        await node.may_write.wait()
        await apply(change)

    monkeypatch.setattr(backend, "apply", wait_and_apply)
    yield node
    node.may_write.set()


@pytest.mark.parametrize("slow_store", [PATIENCE_S], indirect=True)
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
    await socket.values_until(9, got)
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
    assert gap["from"] == pytest.approx(seconds(cursor.time_ns) - 10, abs=1e-3)
    slow_store.publish(("lab/a", 10))
    assert await socket.values(1) == [("lab/a", 10)]
    socket.close()


async def stored_values(node):
    query = "stream=lab/a&start=-1h&granularity=raw"
    return (await node.get(f"/api/v1/data?{query}"))["streams"][0]["v"]


@pytest.mark.parametrize("is_cut", [True, False])
@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_gap_with_readings_that_wait_is_told_again_once_they_are_recorded(
    slow_store, complaints, eventually, is_ours, is_cut
):
    """History did not have them when it was first told, and live they are not told any more."""
    slow_store.recorder._handed_bytes = 1
    cursor = slow_store.live.cursor()
    for number in range(10):
        slow_store.publish(("lab/a", number))
    socket = await slow_store.socket()
    after = str(cursor) if is_ours else "deadbeef.1.1.1"
    await socket.subscribe("lab/*", after=after, id=7)
    gap = await socket.next("gap")
    assert len(await stored_values(slow_store)) < 10
    slow_store.publish(("lab/a", 10))
    assert await socket.values(1) == [("lab/a", 10)]
    if is_cut:  # its cursor is behind what waits
        socket.close()
        socket = await slow_store.socket()
        after = str(slow_store.live.cursor())
        await socket.subscribe("lab/*", after=after, id=7)
        await socket.next("readings")
    slow_store.may_write.set()
    assert await socket.next("gap") == gap
    assert (await stored_values(slow_store))[:10] == list(range(10))
    await eventually(lambda: not any(client._replays for client in slow_store.live.clients))
    slow_store.publish(("lab/a", 11))
    assert await socket.values(1) == [("lab/a", 11)]
    await socket.subscribe("lab/*", after=str(slow_store.live.cursor()), id=7)
    assert (await socket.next("readings"))["readings"] == []
    slow_store.publish(("lab/a", 12))
    assert [row[2] for row in (await socket.receive())["readings"]] == [12]
    socket.close()


async def test_who_leaves_before_a_gap_is_told_again_is_forgotten(
    slow_store, complaints, eventually
):
    slow_store.recorder._handed_bytes = 1
    cursor = str(slow_store.live.cursor())
    for number in range(10):
        slow_store.publish(("lab/a", number))
    socket = await slow_store.socket()
    await socket.subscribe("lab/*", after=cursor)
    await socket.next("gap")
    (client,) = slow_store.live.clients
    assert client.subscriptions == 1
    await socket.send({"type": "unsubscribe", "id": 1})
    await eventually(lambda: not client.subscriptions and not slow_store.live.topics)
    await socket.subscribe("lab/*", after=cursor)
    await socket.next("gap")
    socket.close()
    await eventually(lambda: not slow_store.live.clients and not slow_store.live.topics)


@pytest.mark.parametrize("restarts", [0, 1])
async def test_a_cursor_of_a_replay_is_as_old_as_what_it_stands_behind(
    make_node, tmp_path, restarts
):
    """Who is cut in the middle may find the journal trimmed; the gap begins where it was."""
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db", limits={"replay_readings": 10})
    begin_ns = node.clock.now_ns() - 200 * 10**9
    cursor = Cursor(node.hub.start_id, node.hub.epoch, 0, begin_ns)
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


@pytest.mark.parametrize("which", ["another node", "another epoch", "the future"])
async def test_a_cursor_that_leads_nowhere_gives_a_gap(node, which):
    node.publish(("lab/a", 1))
    hub, now = node.hub, node.clock.now_ns()
    cursor = {
        "another node": Cursor("deadbeef", 1, 1, now),
        "another epoch": Cursor(hub.start_id, 77, 1, now),
        "the future": Cursor(hub.start_id, hub.epoch, 10**6, now),
    }[which]
    socket = await node.socket()
    await socket.subscribe("lab/*", after=str(cursor))
    gap = await socket.receive()
    assert (gap["type"], gap["id"], gap["from"]) == ("gap", 1, None)
    assert abs(gap["to"] - time.time()) < 60
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
    assert gap["from"] == pytest.approx(seconds(cursor.time_ns) - 10, abs=1e-3)
    assert gap["to"] >= gap["from"]
    got = []
    await socket.values_until(199, got)
    assert got == list(range(100, 200))
    socket.close()

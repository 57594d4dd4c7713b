"""Where the journal's window ends: gaps, what is taken back, and what neither is nor was."""

import pytest

from labmon import hub as hub_module
from labmon.datastream.upkeep import trim
from labmon.web.cursor import Cursor


async def trimmed(node):
    """A node that keeps nothing of its journal but what comes from now on."""
    await node.recorder.flush()
    await trim(node.datastream._engine, node.clock.now_ns() + 10**9)


async def values_until(socket, last):
    """What comes of lab/a, and nothing but readings."""
    values = []
    while values[-1:] != [last]:
        message = await socket.receive()
        assert message["type"] in {"readings", "device"}, message
        values += [row[2] for row in message.get("readings", ())]
    return values


@pytest.mark.parametrize("kind", ["removed", "refused"])
@pytest.mark.parametrize("first", [0, 3])
async def test_what_was_removed_or_refused_is_no_gap(
    node, monkeypatch, eventually, complaints, kind, first
):
    """Nothing that was selected is missing, however many others came."""
    monkeypatch.setattr(hub_module, "RECENT_READINGS", 10)
    node.publish(("lab/a", 0), ("lab/gone", 0))
    await node.recorder.flush()
    cursor = str(node.live.cursor())
    for number in range(first):
        node.publish(("lab/a", number))
    await node.recorder.flush()
    for number in range(40):
        node.publish(("lab/gone", number if kind == "removed" else "no number"))
    await node.recorder.flush()
    if kind == "removed":
        await node.datastream.delete_streams({"path": "lab/gone"})
    socket = await node.socket()
    await socket.subscribe("lab/a", after=cursor)
    await eventually(lambda: node.live.topics)
    node.publish(("lab/a", -1))
    assert await values_until(socket, -1) == [*range(first), -1]


@pytest.mark.parametrize("kind", ["json", "msgpack"])
async def test_a_gap_never_ends_before_it_begins(node, kind, monkeypatch):
    """A cursor from before the clock was set back by an hour."""
    monkeypatch.setattr(hub_module, "RECENT_READINGS", 1)
    now_ns = node.clock.now_ns()
    cursor = Cursor(node.hub.start_id, node.hub.epoch, 0, now_ns + 3600 * 10**9)
    node.publish(("lab/a", 0))
    node.publish(("lab/a", 0))
    await trimmed(node)
    socket = await node.socket(f"labmon.v1.{kind}")
    await socket.subscribe("lab/*", after=str(cursor))
    gap = await socket.next("gap")
    assert gap["from"] is None
    assert gap["to"] < cursor.time_ns
    node.publish(("lab/a", 1))
    assert await values_until(socket, 1) == [1]

"""A laboratory with thousands of streams: no answer about all of them holds up the event loop."""

import asyncio
import contextlib
import json

import msgpack
import pytest

from labmon.web import exposition, wire

STREAMS = 1500
MSGPACK = {"Accept": "application/msgpack"}
AT_ONCE = 150
"""Streams in one turn of the loop, at most."""


@pytest.fixture
async def lab(node):
    """A node with many streams."""
    node.publish(*((f"lab/ch{number}", number) for number in range(STREAMS)))
    await node.recorder.flush()
    return node


class Turns:
    """Counts calls, and the most of them in one turn of the event loop."""

    def __init__(self):
        self.total = self.most = self._now = 0

    def count(self, function):
        def counted(*args):
            self._now += 1
            self.total += 1
            self.most = max(self.most, self._now)
            return function(*args)

        return counted

    async def watch(self):
        while True:
            self._now = 0
            await asyncio.sleep(0)


@pytest.fixture
async def turns():
    """Watches the turns of the loop during a test."""
    made = Turns()
    task = asyncio.create_task(made.watch())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("path", ["streams", "latest"])
@pytest.mark.parametrize(("accept", "decode"), [("json", json.loads), ("msgpack", msgpack.unpackb)])
async def test_a_long_list_is_made_in_many_turns(lab, turns, monkeypatch, path, accept, decode):
    monkeypatch.setattr(wire, "encode", turns.count(wire.encode))
    answer = await lab.fetch(f"/api/v1/{path}", headers={"Accept": f"application/{accept}"})
    listed = decode(answer.body)[{"streams": "streams", "latest": "readings"}[path]]
    assert {one["path"] for one in listed} >= {f"lab/ch{number}" for number in range(STREAMS)}
    assert turns.total >= STREAMS
    assert turns.most <= AT_ONCE


async def test_looking_for_a_tag_has_turns_too(lab, turns, monkeypatch):
    await lab.datastream.update_tags(lab.datastream.stream_id("lab/ch7"), {"room": "east"})
    describe = turns.count(lab.datastream.describe)
    monkeypatch.setattr(lab.datastream, "describe", describe)
    listed = await lab.get("/api/v1/streams?tag.room=east")
    assert [one["path"] for one in listed["streams"]] == ["lab/ch7"]
    assert turns.total >= STREAMS
    assert turns.most <= AT_ONCE


async def test_streams_that_go_while_they_are_listed_are_left_out(lab):
    asked = asyncio.create_task(lab.fetch("/api/v1/streams?path=lab/*", headers=MSGPACK))
    ids = [lab.datastream.stream_id(path) for path in lab.datastream.paths()]
    listed = []
    for stream_id in ids[::-1]:
        await lab.datastream.delete_streams({"stream_id": stream_id})
        if asked.done():
            break
    listed = msgpack.unpackb((await asked).body)["streams"]
    assert 0 < len(listed) < STREAMS


async def test_metrics_of_many_streams_are_written_in_many_turns(lab, turns, monkeypatch):
    monkeypatch.setattr(exposition, "_number", turns.count(exposition._number))
    text = (await lab.fetch("/metrics")).body.decode()
    assert text.count("\nlabmon_reading{") >= STREAMS
    assert text.count("# TYPE labmon_reading gauge") == 1
    assert turns.total >= 2 * STREAMS
    assert turns.most <= STREAMS  # a line takes 4 µs


async def test_the_latest_readings_are_those_of_one_moment(lab):
    """What comes while the answer is made is told live, behind the answer's cursor."""
    asked = asyncio.create_task(lab.get("/api/v1/latest?path=lab/*"))
    seen = 0
    while not asked.done():
        seen += 1
        lab.publish(*((f"lab/ch{number}", 10_000 + seen) for number in range(STREAMS)))
        await asyncio.sleep(0)
    values = [one["value"] for one in (await asked)["readings"]]
    changed = {value for value in values if value >= 10_000}
    assert changed in ({values[0]}, set())

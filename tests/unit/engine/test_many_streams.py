"""Thousands of streams that are made at once are written together, in order, and none is lost."""

import asyncio

import pytest

from labmon import datastream
from labmon.datastream.backends.base import CARRY_ENTRY
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.catalogue import Catalogue
from labmon.datastream.exceptions import ChangeRefused
from labmon.datastream.granularity import Granularity
from labmon.datastream.head import Head
from labmon.datastream.journal import STREAM_ROWS
from labmon.datastream.upkeep import HEADS, trim
from labmon.reading import Batch

STREAMS = 2 * STREAM_ROWS + 10


async def made(streams, number, **tags):
    path = {"path": f"lab/{number}"}
    return await streams.ensure_stream(path, tags, [], Granularity.Raw, value_type="numeric")


async def test_streams_made_in_a_row_need_few_commits(streams, backend):
    for number in range(STREAMS):
        await made(streams, number)
    await streams.commit()
    written = [change for change in backend.asked if change.streams]
    assert len(written) <= 4
    assert sum(len(change.streams) for change in written) == STREAMS


async def test_what_was_written_is_there_after_a_restart(streams, backend, clock):
    for number in range(STREAMS):
        await made(streams, number, room="east")
    for number in range(0, STREAMS, 3):  # some of them again, while they wait
        await made(streams, number, room="west")
    await streams.close()
    async with datastream.open(backend, clock=clock, read_only=True) as again:
        rooms = {}
        for path in again.paths():
            rooms[path] = again.describe(again.stream_id(path))["room"]
    assert rooms == {f"lab/{number}": "east" if number % 3 else "west" for number in range(STREAMS)}


async def test_readings_never_overtake_their_stream(streams, backend):
    for number in range(20):
        await streams.append(await made(streams, number), 1.0)
    await streams.commit()
    order = [
        "stream" if change.streams else "entry" for change in backend.asked if _is_ours(change)
    ]
    assert order == ["stream", "entry"] * 20


def _is_ours(change):
    return bool(change.streams or change.entries)


class RefusesOne(MemoryBackend):
    """A store that never takes the stream lab/7, nor what comes with it."""

    async def apply(self, change):
        if any(b'"lab/7"' in row.document for row in change.streams):
            raise ChangeRefused("too large")
        await super().apply(change)


@pytest.mark.filterwarnings("ignore")
async def test_a_stream_that_is_refused_costs_no_other(clock, monkeypatch):
    backend = RefusesOne()
    async with datastream.open(backend, clock=clock) as streams:
        monkeypatch.setattr(streams._engine.journal.delivery, "_pause", _no_pause)
        for number in range(12):
            await made(streams, number)
        with pytest.raises(ChangeRefused):
            await streams.commit()
    async with datastream.open(backend, clock=clock, read_only=True) as again:
        assert set(again.paths()) == {f"lab/{number}" for number in range(12) if number != 7}


async def _no_pause(_seconds):
    pass


async def test_the_heads_of_many_streams_are_carried_in_many_turns(
    streams, backend, clock, monkeypatch
):
    paths = [f"lab/{number}" for number in range(2 * HEADS + 10)]
    for number in range(len(paths)):
        await made(streams, number)
    turns = Turns()
    monkeypatch.setattr(Head, "arrivals", turns.count(Head.arrivals))
    await streams.append_batch(batch_of(paths, clock()))
    await streams.commit()
    clock.step(400)
    watching = asyncio.create_task(turns.watch())
    trimming = asyncio.create_task(trim(streams._engine, clock()))
    while not trimming.done():  # readings come meanwhile, and one stream goes
        await streams.append_batch(batch_of(paths, clock.step(1)))
        await streams.delete_streams({"path": paths[-1]})
        await asyncio.sleep(0)
    watching.cancel()
    assert turns.most <= HEADS
    newest = {path: streams.latest(streams.stream_id(path)) for path in paths[:-1]}
    counts = {path: streams.describe(streams.stream_id(path))["count"] for path in paths[:-1]}
    await streams.close()
    assert any(entry.kind == CARRY_ENTRY for change in backend.asked for entry in change.entries)
    async with datastream.open(backend, clock=clock, read_only=True) as again:
        for path in paths[:-1]:
            stream = again.stream_id(path)
            assert again.latest(stream) == newest[path]
            assert again.describe(stream)["count"] == counts[path]
            datapoints = await again.get_data(stream, Granularity.Raw, start=0)
            assert await datapoints.count() == counts[path]


async def test_streams_that_are_deleted_together_do_not_look_at_all_others_each(
    streams, monkeypatch
):
    kept = await made(streams, "kept")
    for number in range(30):
        await made(streams, number)
    await streams.ensure_stream(
        {"path": "lab/twice"}, {}, [], Granularity.Raw, [{"stream": kept}], "scale", {"a": 2}
    )
    looks = Turns()
    monkeypatch.setattr(Catalogue, "__iter__", looks.count(Catalogue.__iter__))
    await streams.delete_streams({"path": {"in": [f"lab/{n}" for n in range(30)] + ["lab/twice"]}})
    assert looks.most < 10
    assert streams.paths() == ["lab/kept"]
    assert streams.describe(kept)["contributes_to"] == []
    await streams.delete_streams({"path": "lab/kept"})  # nothing depends on it any more


def batch_of(paths, time_ns):
    values = tuple(float(number) for number in range(len(paths)))
    return Batch("lab", time_ns, tuple(paths), values, bytes(len(paths)))


class Turns:
    """Counts calls of a method, and the most of them in one turn of the event loop."""

    def __init__(self):
        self.most = self._now = 0

    def count(self, method):
        def counted(*args):
            self._now += 1
            self.most = max(self.most, self._now)
            return method(*args)

        return counted

    async def watch(self):
        while True:
            self._now = 0
            await asyncio.sleep(0)

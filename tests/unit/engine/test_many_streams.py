"""Thousands of streams that are made at once are written together, in order, and none is lost."""

import pytest

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import ChangeRefused
from labmon.datastream.granularity import Granularity
from labmon.datastream.journal import STREAM_ROWS

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

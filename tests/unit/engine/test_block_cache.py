"""The cache of decoded blocks: no sound block is called damaged, and it keeps what it counts."""

import asyncio

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.rollups import Rollups
from labmon.reading import Batch

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
SIZE = 16
PATHS = ("lab/a", "lab/b")


class MeddlingBackend(MemoryBackend):
    """Calls somebody while time columns are read, and can lose some of them."""

    def __init__(self):
        super().__init__()
        self.meddle = lambda: None
        self.loses_times = False

    async def read_times(self, addresses):
        found = {} if self.loses_times else await super().read_times(addresses)
        self.meddle()
        return found


@pytest.fixture
async def store(clock):
    """Two streams with the same times, in several blocks each."""
    backend = MeddlingBackend()
    async with datastream.open(backend, clock=clock, seal_datapoints=SIZE) as streams:
        for path in PATHS:
            await streams.ensure_stream({"path": path}, {}, ["mean"], "raw")
        for i in range(8 * SIZE):
            values = (float(i), 2.0 * i)
            batch = Batch("lab", START_NS + i * SECOND, PATHS, values, bytes(2))
            await streams.append_batch(batch)
            if i % SIZE == SIZE - 1:
                await streams.commit()
                await streams._engine.sealer.idle()
        yield streams, backend


async def asked(streams, path):
    return (await streams.get_arrays(streams.stream_id(path), "raw", 0, 2**62))["v"].tolist()


def sealed_blocks(streams):
    return streams._engine.blocks


async def test_a_time_column_that_leaves_the_cache_meanwhile_damages_nothing(store):
    streams, backend = store
    whole = await asked(streams, "lab/a")
    cache = sealed_blocks(streams)
    cache.clear()
    stream = streams._engine.catalogue.get(streams.stream_id("lab/a"))
    outlines = (await cache.of(stream, "r")).outlines
    assert sum(outline.times is not None for outline in outlines) > 2
    assert await cache.tables(outlines[:2])  # these two are known, and leave while others are read
    for outline in outlines[:2]:
        cache._tables.pop((outline.key, None))
    backend.meddle = cache.clear
    assert await asked(streams, "lab/a") == whole
    assert streams.damage == []


async def test_a_time_column_that_is_lost_is_told_and_the_rest_is_there(store):
    streams, backend = store
    sealed_blocks(streams).clear()
    backend.loses_times = True
    left = await asked(streams, "lab/a")
    assert len(left) < 8 * SIZE
    assert any("its time column is missing" in reason for reason in streams.damage)


async def test_two_who_look_for_a_block_that_was_replaced_do_not_call_it_damaged(store):
    streams, _ = store
    whole = await asked(streams, "lab/a")
    cache = sealed_blocks(streams)
    stream = streams._engine.catalogue.get(streams.stream_id("lab/a"))
    outlines = (await cache.of(stream, "r")).outlines
    stale = [o._replace(key=o.key._replace(generation=7)) for o in outlines[:1]]
    found = await asyncio.gather(cache.tables(stale), cache.tables(stale))
    assert found == [None, None]
    assert await asked(streams, "lab/a") == whole
    assert await cache.tables(stale) is None
    assert streams.damage == []


def kept_bytes(column):
    """What a column keeps in memory: all of that which it was cut from."""
    while getattr(column, "base", None) is not None:
        column = column.base
    return column.nbytes if isinstance(column, np.ndarray) else len(column)


def columns_of(table):
    return [table.t, *(table.columns.values() if isinstance(table, Rollups) else [table.v])]


async def test_the_cache_keeps_no_more_than_it_counts(clock):
    backend = MemoryBackend()
    async with datastream.open(backend, clock=clock, seal_datapoints=SIZE) as streams:
        stream = await streams.ensure_stream({"path": "lab/a"}, {}, ["mean"], "raw")
        count = 64 * SIZE + 3
        await streams.append_array(stream, START_NS + np.arange(count) * SECOND, np.arange(count))
        await streams.commit()
        await streams._engine.sealer.idle()
        cache = sealed_blocks(streams)
        tables = [table for table, _ in cache._tables.values() if not isinstance(table, dict)]
        assert len(tables) > 32
        for table in tables:
            for column in columns_of(table):
                assert kept_bytes(column) == column.nbytes
        head = streams._engine.catalogue.get(stream).head.columns()
        assert kept_bytes(head.t) <= 4 * SIZE * 8

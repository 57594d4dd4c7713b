"""Lists of blocks: what they answer, what they take, and how much of them is kept."""

import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon import datastream
from labmon.datastream import blocks
from labmon.datastream.backends.base import BlockKey, BlockOutline
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.block_list import BlockList

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
SIZE = 16


def outline(ordinal, generation=0, from_ns=0, span_ns=0, granularity="r", times=None):
    key = BlockKey(7, granularity, ordinal, generation)
    return BlockOutline(key, from_ns, from_ns + span_ns, 4, ordinal + 4, times, 100 + ordinal)


@st.composite
def rows(draw, granularity):
    ordinals = sorted(draw(st.sets(st.integers(0, 40), max_size=12)))
    times = st.none() | st.binary(min_size=16, max_size=16).filter(any)
    small = st.integers(0, 20)
    return [
        outline(one, draw(st.integers(0, 2)), draw(small), draw(small), granularity, draw(times))
        for one in ordinals
    ]


@given(st.data(), st.sampled_from(["r", "s"]), st.integers(0, 45), st.integers(0, 45))
def test_a_list_answers_as_its_outlines_do(data, granularity, start_ns, end_ns):
    outlines = data.draw(rows(granularity))
    found = BlockList(outlines)
    assert found.outlines == outlines
    assert len(found) == len(outlines)
    over = [o for o in outlines if o.from_ns < end_ns and o.to_ns >= start_ns]
    assert found.overlapping(start_ns, end_ns) == over
    assert found.starts(start_ns, end_ns) == sorted(o.from_ns for o in over)
    assert found.count(start_ns, end_ns) == len(over)
    inside = [o for o in outlines if o.from_ns >= start_ns and o.to_ns < end_ns]
    assert found.rows_inside(start_ns, end_ns) == sum(o.length for o in inside)
    assert found.crossing(start_ns, end_ns) == [o for o in over if o not in inside]
    assert found.newer(end_ns) == [o for o in outlines if o.through > end_ns]
    gone = [o for o in outlines if (o.to_ns < end_ns if granularity == "r" else o.to_ns <= end_ns)]
    assert found.until(end_ns) == gone
    assert found.behind(end_ns).outlines == [o for o in outlines if o not in gone]


@given(st.data())
def test_a_list_with_others_in_it_is_in_order_and_leaves_the_first_one_alone(data):
    outlines, new = data.draw(rows("r")), data.draw(rows("r"))
    gone = [o.key for o in outlines if data.draw(st.booleans())]
    found = BlockList(outlines)
    made = found.replaced(new, [*gone, BlockKey(7, "r", 99, 0)])
    kept = {o.key: o for o in outlines if o.key not in gone} | {o.key: o for o in new}
    assert made.outlines == [kept[key] for key in sorted(kept)]
    assert all(key in made for key in kept)
    assert BlockKey(7, "r", 99, 0) not in made
    assert found.outlines == outlines


def test_many_blocks_take_little_memory():
    def outlines():
        for i in range(20_000):
            times = (i + 1).to_bytes(16)
            yield outline(4096 * i, 0, START_NS + 4096 * i, 4095, times=times)

    gc.collect()
    tracemalloc.start()
    try:
        found = BlockList(outlines())
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(found) == 20_000
    assert taken < 100 * len(found)


@pytest.fixture
async def store(clock):
    """Eight streams, each with 8 blocks."""
    async with datastream.open(MemoryBackend(), clock=clock, seal_datapoints=SIZE) as streams:
        for i in range(8):
            stream = await streams.ensure_stream({"path": f"lab/{i}"}, {}, ["mean"], "raw")
            t = START_NS + np.arange(8 * SIZE) * SECOND
            await streams.append_array(stream, t, np.arange(8 * SIZE))
        await streams.commit()
        await streams._engine.sealer.idle()
        yield streams


async def test_only_so_much_of_what_blocks_there_are_is_kept(store, monkeypatch):
    monkeypatch.setattr(blocks, "LISTS_BYTES", 3 * (blocks.LIST_BYTES + 8 * 72))
    for _ in range(2):
        for path in store.paths():
            asked = await store.get_arrays(store.stream_id(path), "raw", 0, 2**62)
            assert asked["v"].tolist() == list(range(8 * SIZE))
            assert len(store._engine.blocks._lists) <= 3
    kept = [found.nbytes + blocks.LIST_BYTES for found in store._engine.blocks._lists.values()]
    assert store._engine.blocks._listed == sum(kept) > 0


async def test_what_is_kept_of_a_stream_that_goes_is_not_counted_any_more(store):
    for path in store.paths():
        await store.get_arrays(store.stream_id(path), "raw", 0, 2**62)
    for stream in list(store._engine.catalogue):
        store._engine.blocks.forget_stream(stream.number)
    assert store._engine.blocks._listed == 0

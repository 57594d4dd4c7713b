"""Opening and closing, in any order and also in the middle of something, on every backend."""

import asyncio

import pytest

from labmon import datastream
from labmon.datastream import exceptions

SECOND = 1_000_000_000


def _uses(streams, stream):
    """Everything that takes or tells something, by name."""
    return {
        "append": lambda: streams.append(stream, 2.0),
        "append_multiple": lambda: streams.append_multiple([{"stream_id": stream, "value": 3.0}]),
        "append_array": lambda: streams.append_array(stream, [2**60], [1.0]),
        "commit": streams.commit,
        "ensure_stream": lambda: streams.ensure_stream({"path": "b"}, {}, [], "raw"),
        "update_tags": lambda: streams.update_tags(stream, {"x": 1}),
        "delete_streams": lambda: streams.delete_streams({}),
        "downsample_streams": streams.downsample_streams,
        "backprocess_streams": streams.backprocess_streams,
        "find_streams": streams.find_streams,
        "get_data": lambda: streams.get_data(stream, "raw", 0),
        "get_arrays": lambda: streams.get_arrays(stream, "raw", 0, 1),
        "get_graph": lambda: streams.get_graph(stream, 0, 1, 5),
        "aggregate": lambda: streams.aggregate(stream, 0, 1),
        "set_checkpoint": lambda: streams.set_checkpoint("me", "cursor"),
        "get_checkpoint": lambda: streams.get_checkpoint("me"),
    }


async def _all_refused(streams, stream):
    for use in _uses(streams, stream).values():
        with pytest.raises(exceptions.StoreNotOpen, match="not open"):
            await asyncio.wait_for(use(), 30)
    with pytest.raises(exceptions.StoreNotOpen):
        streams.follow([stream], 0)


async def test_nothing_is_taken_or_told_before_it_is_opened_and_after_it_is_closed(store, clock):
    streams = datastream.open(store.backend(), clock=clock)
    await _all_refused(streams, "none")
    await streams.start()
    stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    await streams.append(stream, 1.0)
    await streams.close()
    await _all_refused(streams, stream)
    await streams.close()
    async with datastream.open(store.backend(), clock=clock) as again:
        assert [p["v"] async for p in await again.get_data(stream, "raw", 0)] == [1.0]


async def test_what_is_open_is_not_opened_again_and_stays_as_it_is(store, clock):
    async with datastream.open(store.backend(), clock=clock) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, [], "raw")
        with pytest.raises(exceptions.StoreNotOpen, match="once"):
            await streams.start()
        await streams.append(stream, 1.0)
        await streams.commit()
        assert streams.is_healthy
    with pytest.raises(exceptions.StoreNotOpen, match="once"):
        await streams.start()
    async with datastream.open(store.backend(), clock=clock) as again:
        assert again.latest(stream)[1] == 1.0


async def test_followers_are_told_the_rest_and_end_when_the_store_is_closed(store, clock):
    streams = datastream.open(store.backend(), clock=clock)
    await streams.start()
    stream = await streams.ensure_stream({"path": "w/a"}, {}, [], "raw")
    found = []

    async def follow():
        async for one in streams.follow([stream], 0):
            found.extend(one.columns[stream].python_values())

    following = asyncio.create_task(follow())
    for i in range(5):
        await streams.append(stream, float(i), 1 + i)
        await asyncio.sleep(0)
    await streams.append(stream, 5.0, 6)
    await streams.close()
    await asyncio.wait_for(following, 30)
    assert found == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


async def test_a_reader_beside_the_writer_sees_what_there_was_when_it_opened(store, clock):
    if type(store.backend()).__name__ == "MemoryBackend":
        pytest.skip("a store in memory has one process only")
    async with datastream.open(store.backend(), clock=clock) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append(stream, 1.0, 10)
        await streams.commit()
        async with datastream.open(store.backend(), clock=clock, read_only=True) as reader:
            await streams.append(stream, 2.0, 20)
            await streams.commit()
            assert [p["v"] async for p in await reader.get_data(stream, "raw", 0)] == [1.0]
            for name, use in _uses(reader, stream).items():
                if name.startswith(("get", "find", "aggr", "commit", "backprocess")):
                    await use()
                    continue
                with pytest.raises(exceptions.StoreReadOnly):
                    await use()
        async with datastream.open(store.backend(), clock=clock, read_only=True) as reader:
            assert [p["v"] async for p in await reader.get_data(stream, "raw", 0)] == [1.0, 2.0]


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 21, 34])
async def test_whoever_is_cancelled_while_it_opens_or_closes_leaves_a_store(store, clock, steps):
    streams = datastream.open(store.backend(), clock=clock)
    starting = asyncio.create_task(streams.start())
    for _ in range(steps):
        await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await streams.close()
    streams = datastream.open(store.backend(), clock=clock)
    await streams.start()
    stream = await streams.ensure_stream({"path": "w/a"}, {}, [], "raw")
    await streams.append(stream, 1.0, 10)
    closing = asyncio.create_task(streams.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await streams.close()
    async with datastream.open(store.backend(), clock=clock) as again:
        assert again.latest(stream)[1] == 1.0

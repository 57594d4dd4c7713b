"""Whoever is cancelled, at whichever await, leaves a store where all of it happened, or nothing."""

import asyncio

import numpy as np
import pytest

BASE = [float(i) for i in range(20)]
MORE = [float(i) for i in range(100, 300)]


async def append_array(ds, one, two):
    await ds.append_array(one, np.arange(1000, 1200), np.array(MORE))


async def append_multiple(ds, one, two):
    await ds.append_multiple(
        [{"stream_id": one, "value": v, "timestamp": 1000 + i} for i, v in enumerate(MORE)]
    )
    await ds.commit()


async def commit(ds, one, two):
    for i, v in enumerate(MORE):
        await ds.append(one, v, 1000 + i)
    await ds.commit()


async def ensure(ds, one, two):
    third = await ds.ensure_stream({"path": "w/third"}, {}, [], "raw", [one], "derivative")
    await ds.backprocess_streams({"stream_id": third})


async def delete(ds, one, two):
    await ds.delete_streams({"stream_id": {"in": [one, two]}})


async def downsample(ds, one, two):
    await ds.downsample_streams(return_datapoints=True)


async def checkpoint(ds, one, two):
    await ds.set_checkpoint("me", "here")


async def read(ds, one, two):
    await (await ds.get_data(one, "seconds", 0, empty=True)).fetch()
    await ds.aggregate(one, 0, 2**60)
    await ds.get_graph(one, 0, 2**60, 5)


async def follow(ds, one, two):
    async for _ in ds.follow([one, two], 0):
        pass


async def streams_now(ds, one):
    """All values of a stream, by each of the ways in which they can be asked for."""
    if ds.stream_id("w/one") is None:
        assert ds.stream_id("w/two") is None
        return []
    values = [point["v"] async for point in await ds.get_data(one, "raw", 0)]
    assert (await ds.get_arrays(one, "raw", 0, 2**62))["v"].tolist() == values
    assert ds.describe(one)["count"] == len(values)
    total = await ds.aggregate(one, 0, 2**62, ["sum", "count"])
    assert (total["sum"], total["count"]) == (sum(values), len(values))
    return values


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 9, 25])
@pytest.mark.parametrize(
    "use",
    [
        *(append_array, append_multiple, commit, ensure, delete),
        *(downsample, checkpoint, read, follow),
    ],
)
async def test_all_of_it_happened_or_nothing(opened, use, steps):
    ds = await opened(seal_datapoints=16, commit_interval_s=0)
    one = await ds.ensure_stream({"path": "w/one"}, {}, ["mean"], "raw")
    two = await ds.ensure_stream({"path": "w/two"}, {}, [], "raw")
    for i, value in enumerate(BASE):
        await ds.append(one, value, i)
    task = asyncio.create_task(use(ds, one, two))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    found = await streams_now(ds, one)
    assert found in (BASE, BASE + MORE, []) or use is commit
    if found:
        await ds.append(one, 7.0, 5000)
        found.append(7.0)
    await asyncio.wait_for(ds.commit(), 30)  # all that can be seen is durable now
    await asyncio.wait_for(ds.backprocess_streams(), 30)
    assert await streams_now(ds, one) == found
    await opened.kill()
    ds = await opened()
    assert await streams_now(ds, one) == found
    assert await ds.get_checkpoint("me") in (None, "here")
    third = ds.stream_id("w/third")
    if third is not None:
        await asyncio.wait_for(ds.backprocess_streams(), 30)
        assert ds.describe(third)["count"] == len(found) - 1


async def test_many_tasks_may_use_one_stream_at_once(opened):
    ds = await opened(seal_datapoints=16)
    stream = await ds.ensure_stream({"path": "w/one"}, {}, ["mean"], "raw")
    rate = await ds.ensure_stream({"path": "w/rate"}, {}, [], "raw", [stream], "scale", {"a": 2})
    told = []

    async def append(first):
        for i in range(100):
            await ds.append(stream, float(first + i))
            if i % 10 == 0:
                await ds.commit()

    async def watch():
        async for one in ds.follow([stream], 0):
            told.extend(one.columns[stream].python_values())
            if len(told) == 500:
                return

    async def ask():
        for _ in range(20):
            points = await (await ds.get_data(stream, "raw", 0)).fetch()
            counts = await (await ds.get_data(stream, "days", 0)).fetch()
            assert len(points) <= sum(point["v"]["c"] for point in counts)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(append(1000 * n) for n in range(5)), ask(), ask())
    await asyncio.wait_for(watching, 30)
    assert sorted(told) == sorted(1000.0 * n + i for n in range(5) for i in range(100))
    await asyncio.wait_for(ds.backprocess_streams(), 30)
    assert ds.describe(rate)["count"] == 500
    removing = asyncio.create_task(ds.delete_streams({}))
    await asyncio.sleep(0)
    await removing
    assert await (await ds.find_streams()).count() == 0

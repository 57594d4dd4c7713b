"""Polls that wait together look like polls that were entered one by one, whatever comes between."""

import asyncio

from labmon.reading import Batch, Quality

PATHS = ("w/a", "w/b", "w/c")


async def make(streams):
    return [await streams.ensure_stream({"path": path}, {}, ["mean"], "raw") for path in PATHS]


async def values(streams, stream):
    found = await streams.get_arrays(stream, "raw", 0, 2**62)
    return found["v"].tolist()


async def test_waiting_polls_show_in_newest_count_and_description(streams):
    a, b, _ = await make(streams)
    await streams.append_batch(Batch("w", 5, PATHS, (1.0, None, 3.0), bytes((0, 1, 16))))
    await streams.append_batch(Batch("w", 7, PATHS, (2.0, 4.0, 6.0), bytes(3)))
    assert streams.latest(a) == (7, 2.0, 0)
    described = streams.describe(b)
    assert (described["count"], described["earliest_datapoint"]) == (2, 5)
    assert described["latest_datapoint"] == 7
    feed = streams._engine.catalogue.get(a)._feed
    assert len(feed.times) == 2  # nobody had to take them into a head
    points = await (await streams.get_data(b, "raw", 0)).fetch()
    assert points == [{"t": 5, "v": None, "quality": Quality.NO_SIGNAL}, {"t": 7, "v": 4.0}]
    assert feed.times == []


async def test_single_values_and_other_polls_keep_the_order_of_arrival(streams):
    a, b, c = await make(streams)
    await streams.append_batch(Batch("w", 5, PATHS, (1.0, 1.0, 1.0), bytes(3)))
    await streams.append(b, 2.0, 5)
    await streams.append_batch(Batch("w", 5, PATHS, (3.0, 3.0, 3.0), bytes(3)))
    await streams.append_batch(Batch("w", 5, PATHS[1:], (4.0, 4.0), bytes(2)))
    await streams.append_batch(Batch("w", 5, PATHS, (5.0, 5.0, 5.0), bytes(3)))
    await streams.append_array(c, [5], [6.0])
    assert streams.latest(b) == (5, 5.0, 0)
    assert await values(streams, a) == [1.0, 3.0, 5.0]
    assert await values(streams, b) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert await values(streams, c) == [1.0, 3.0, 4.0, 5.0, 6.0]


async def test_a_late_poll_is_flagged_for_the_streams_that_are_ahead_alone(streams):
    a, b, c = await make(streams)
    await streams.append_batch(Batch("w", 5, PATHS, (1.0, 1.0, 1.0), bytes(3)))
    await streams.append(b, 9.0, 9)
    await streams.append_batch(Batch("w", 7, PATHS, (2.0, 2.0, 2.0), bytes(3)))
    assert streams.latest(a) == (7, 2.0, 0)
    assert streams.latest(b) == (9, 9.0, 0)
    raw = await streams.get_arrays(b, "raw", 0, 2**62)
    assert raw["v"].tolist() == [1.0, 2.0, 9.0]
    assert raw["quality"].tolist() == [0, Quality.LATE, 0]
    assert await values(streams, c) == [1.0, 2.0]


async def test_ints_stay_ints_and_waiting_floats_come_before_them(streams):
    a, *_ = await make(streams)
    await streams.append_batch(Batch("w", 5, PATHS, (1.0, 1.0, 1.0), bytes(3)))
    await streams.append_batch(Batch("w", 6, PATHS, (2**53 + 1, 2.0, 2.0), bytes(3)))
    points = await (await streams.get_data(a, "raw", 0)).fetch()
    assert [point["v"] for point in points] == [1.0, 2**53 + 1]
    assert [type(point["v"]) for point in points] == [float, int]


async def test_a_path_twice_in_one_poll_is_two_datapoints(streams):
    a, *_ = await make(streams)
    await streams.append_batch(Batch("w", 5, ("w/a", "w/a"), (1.0, 2.0), bytes(2)))
    assert await values(streams, a) == [1.0, 2.0]


async def test_who_follows_one_stream_of_a_device_is_told_of_its_polls_until_he_leaves(streams):
    _, b, _ = await make(streams)
    await streams.append_batch(Batch("w", 5, PATHS, (1.0, 1.0, 1.0), bytes(3)))
    feed = streams._engine.catalogue.get(b)._feed
    told = streams.follow([b], 5)
    for t in (6, 7):
        waiting = asyncio.ensure_future(anext(told))
        await asyncio.sleep(0)
        await streams.append_batch(Batch("w", t, PATHS, (1.0, 2.0 * t, 3.0), bytes(3)))
        found = await asyncio.wait_for(waiting, 30)
        assert found.columns[b].python_values() == [2.0 * t]
    assert feed.is_followed
    await told.aclose()
    assert not feed.is_followed

"""What a stranger may hand to the library: each is either understood, or refused in words."""

import asyncio
import math

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import exceptions
from labmon.reading import ArrayBatch

SECOND = 1_000_000_000


@pytest.fixture
async def numbers(streams):
    return await streams.ensure_stream({"path": "n"}, {}, ["mean"], "raw")


async def raw(streams, stream):
    found = await streams.get_arrays(stream, "raw", 0, 2**62)
    return found["t"].tolist(), [None if v != v else v for v in found["v"].tolist()]


async def test_what_is_masked_is_null(streams, numbers):
    values = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    await streams.append_array(numbers, np.arange(3), values)
    integers = np.ma.array([4, 5], mask=[True, False])
    await streams.append_array(numbers, np.ma.array([3, 4]), integers)
    assert await raw(streams, numbers) == ([0, 1, 2, 3, 4], [1.0, None, 3.0, None, 5.0])


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.ma.array([1, 2], mask=[False, True]), "masked"),
        (np.array(["2020-01-01", "NaT"], "datetime64[s]"), "NaT is no time"),
        (["2020-01-01", "2020-01-02"], "int64 nanoseconds or datetime64"),
    ],
)
async def test_an_array_with_what_is_no_time_is_refused(streams, numbers, times, reason):
    with pytest.raises(exceptions.InvalidTimestamp, match=reason):
        await streams.append_array(numbers, times, [1.0, 2.0])


async def test_one_name_does_for_a_list_of_names(streams):
    stream = await streams.ensure_stream({"path": "a"}, {}, "mean", "raw")
    await streams.append(stream, 2.5, 0)
    assert (await streams.get_arrays(stream, "hours", 0, 1, "mean"))["mean"].tolist() == [2.5]
    told = streams.follow(stream, 0)
    await streams.append(stream, 3.5, 5)
    assert (await anext(told)).columns[stream].v.tolist() == [3.5]
    await told.aclose()


async def test_raw_datapoints_have_no_unknown_downsamplers(streams, numbers):
    for arguments in ({"value_downsamplers": ["men"]}, {"time_downsamplers": ["frist"]}):
        with pytest.raises(exceptions.UnsupportedDownsampler):
            await streams.get_data(numbers, "raw", 0, **arguments)
    await streams.get_data(numbers, "raw", 0, value_downsamplers=["mean"])


async def test_what_is_fetched_is_a_slice(streams, numbers):
    found = await streams.get_data(numbers, "raw", 0)
    with pytest.raises(TypeError, match="slice"):
        await found.fetch(5)


@pytest.mark.parametrize("selection", [[], {"path": "nobody"}, None])
async def test_following_nothing_ends_at_once(streams, selection):
    assert [told async for told in streams.follow(selection, 0)] == []


@pytest.mark.parametrize("points", [1, 3, 10, 77])
@pytest.mark.parametrize("first", [0, 1, 7])
async def test_a_graph_of_quick_datapoints_has_at_most_twice_its_points(
    streams, numbers, points, first
):
    await streams.append_array(numbers, 10**12 + np.arange(2000), np.arange(2000.0))
    for count in (200, 201, 999, 1990):
        start = 10**12 + first
        graph = await streams.get_graph(numbers, start, start + count, points)
        assert len(graph.columns["t"]) <= 2 * points


@pytest.mark.parametrize(
    ("times_ns", "reason"),
    [
        ([5, 4, 3], "timestamp 1, 4, is before the one in front of it"),
        ([-5, 1, 2], "-5 ns lies outside the years 1970 to 2262"),
        ([1, 2, 2**63 - 1], f"{2**63 - 1} ns lies outside the years 1970 to 2262"),
    ],
)
async def test_samples_out_of_order_or_range_are_refused_as_a_whole(
    streams, numbers, times_ns, reason
):
    samples = ArrayBatch("n", ("n",), np.array(times_ns), np.array([1.0, 2.0, 3.0]))
    (refused,) = await streams.append_batch(samples)
    assert refused.reason == reason
    assert await raw(streams, numbers) == ([], [])


async def test_a_graph_that_ends_behind_2262_has_each_nanosecond(streams, numbers):
    times = [1_700_000_000 * SECOND + i for i in (0, 1, 2, 300)]
    await streams.append_array(numbers, times, [1.0, 2.0, 3.0, 4.0])
    for start_ns in (times[1], times[2], times[3]):
        graph = await streams.get_graph(numbers, start_ns, 2**63 + 10**9, 100)
        assert graph.columns["t"].tolist() == [one for one in times if one >= start_ns]


async def test_a_graph_may_end_at_any_time_however_far(streams, numbers):
    await streams.append_array(numbers, np.arange(200) * SECOND, np.ones(200))
    graph = await asyncio.wait_for(streams.get_graph(numbers, -(10**30), 10**30, 3), 30)
    assert graph.columns["count"].sum() == 200


async def test_the_last_buckets_before_2262_end_are_told(streams, numbers):
    last_ns = 2**63 - 2
    times = [last_ns - 3 * SECOND, last_ns - 3 * SECOND // 2, last_ns]
    await streams.append_array(numbers, times, [1.0, 2.0, 3.0])
    starts = [one - one % SECOND for one in times]
    for start_ns, left in ((0, 3), (starts[1], 2), (starts[2], 1)):
        rows = await streams.get_arrays(numbers, "seconds", start_ns, 2**63 - 1, ["mean"])
        assert rows["t"].tolist() == starts[-left:]
        assert rows["mean"].tolist() == [1.0, 2.0, 3.0][-left:]


async def test_graphs_take_every_form_of_time(streams, numbers):
    await streams.append(numbers, 1.0, 5)
    graph = await streams.get_graph(
        numbers, np.datetime64("1970-01-01"), np.datetime64("1970-01-02"), 10
    )
    assert graph.columns["t"].tolist() == [5]
    with pytest.raises(TypeError):
        await streams.get_graph(numbers, 0, 10, 1.5)


async def test_json_that_is_too_deep_or_not_json_is_refused_in_words(streams):
    stream = await streams.ensure_stream({"path": "w"}, {}, [], "raw", value_type="nominal")
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, {1, 2}, {"a": 2**70}):
        with pytest.raises(exceptions.UnsupportedValueType, match="no JSON value"):
            await streams.append(stream, value)


async def test_options_and_arguments_that_are_no_dicts_are_refused_in_words(streams, numbers):
    with pytest.raises(exceptions.UnsupportedValueType, match="dict"):
        await streams.ensure_stream({"path": "a"}, {}, [], "raw", value_type_options=5)
    for arguments in (5, {"a": 10**400}, {"a": "1"}):
        with pytest.raises(exceptions.InvalidOperatorArguments):
            await streams.ensure_stream({"path": "a"}, {}, [], "raw", [numbers], "scale", arguments)


@pytest.mark.parametrize(
    "options",
    [
        {"commit_interval_s": -1},
        {"commit_interval_s": math.nan},
        {"commit_readings": 0},
        {"spool_bytes": 0},
        {"seal_datapoints": 0},
        {"seal_datapoints": 1.5},
    ],
)
def test_options_with_which_nothing_would_be_stored_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        datastream.open("memory:", **options)

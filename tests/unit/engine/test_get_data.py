"""Ranges, directions and shapes of `get_data`, against the plainest thing that can be written."""

import itertools

import numpy as np
import pytest

from labmon.datastream import Granularity, exceptions
from labmon.reading import Quality

SECOND = 1_000_000_000
TIMES = [0, 1, 999_999_999, SECOND, 5 * SECOND, 12 * SECOND, 12 * SECOND, 30 * SECOND, 61 * SECOND]


@pytest.fixture
async def stream(streams):
    stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean", "max"], "raw")
    for i, time_ns in enumerate(TIMES):
        await streams.append(stream, float(i), time_ns)
    return stream


def inside(start_key, start, end_key, end, granularity):
    """The times whose bucket start (raw: themselves) lie in the range, as the API words it."""
    step = granularity.duration_ns
    floor = granularity.round_timestamp
    first = floor(start) if start_key == "start" else floor(start) + max(step, 1)

    def is_in(at):
        if at < first:
            return False
        if end_key == "end":
            return at <= end
        return end_key is None or at < end

    return sorted({floor(t) for t in TIMES if is_in(floor(t))})


@pytest.mark.parametrize(
    "granularity", [Granularity.Raw, Granularity.Seconds, Granularity.Seconds10]
)
async def test_all_combinations_of_start_and_end(streams, stream, granularity):
    edges = [0, 1, SECOND - 1, SECOND, 10 * SECOND, 12 * SECOND, 12 * SECOND + 5, 70 * SECOND]
    for start_key, start, end_key, end in itertools.product(
        ["start", "start_exclusive"], edges, ["end", "end_exclusive", None], edges
    ):
        if end_key is None and end != 0:
            continue
        arguments = {start_key: start, **({end_key: end} if end_key else {})}
        expected = inside(start_key, start, end_key, end, granularity)
        found = await streams.get_data(stream, granularity, **arguments)
        points = await found.fetch()
        if granularity is Granularity.Raw:
            assert sorted({p["t"] for p in points}) == expected, arguments
        else:
            starts = [granularity.round_timestamp(p["t"]["a"]) for p in points]
            assert starts == expected, arguments
        assert await found.count() == len(points)
        back = await (
            await streams.get_data(stream, granularity, reverse=True, **arguments)
        ).fetch()
        assert back == points[::-1]


async def test_wrong_combinations_are_refused(streams, stream):
    for arguments in (
        {},
        {"start": 0, "start_exclusive": 0},
        {"start": 0, "end": 1, "end_exclusive": 1},
        {"start": -1},
        {"start": 1.5},
    ):
        with pytest.raises(ValueError, match=r"start|end|1970|no time"):
            await streams.get_data(stream, "raw", **arguments)
    with pytest.raises(exceptions.UnsupportedGranularity):
        await streams.get_data(stream, "years", 0)
    with pytest.raises(exceptions.UnsupportedGranularity):
        await streams.get_data(stream, None, 0)
    with pytest.raises(exceptions.UnsupportedDownsampler):
        await streams.get_data(stream, "days", 0, value_downsamplers=["min"])
    with pytest.raises(exceptions.UnsupportedDownsampler):
        await streams.get_data(stream, "days", 0, time_downsamplers=["median"])


async def test_downsampled_datapoints_have_keys(streams, stream):
    found = await (await streams.get_data(stream, "minutes", 0)).fetch()
    assert found[1] == {
        "t": {"m": 61 * SECOND, "a": 61 * SECOND, "z": 61 * SECOND},
        "v": {"m": 8.0, "s": 8.0, "u": 8.0, "c": 1},
    }
    found = await streams.get_data(
        stream, "minutes", 0, value_downsamplers=["max"], time_downsamplers=[]
    )
    assert await found.fetch() == [{"v": {"u": 7.0}}, {"v": {"u": 8.0}}]
    found = await streams.get_data(
        stream, "minutes", 0, value_downsamplers=[], time_downsamplers=["last"]
    )
    assert await found.fetch() == [{"t": {"z": 30 * SECOND}}, {"t": {"z": 61 * SECOND}}]


async def test_empty_buckets_are_told_when_asked_for(streams, stream):
    found = await streams.get_data(stream, "seconds10", 0, empty=True, value_downsamplers=["max"])
    points = await found.fetch()
    assert await found.count() == len(points) == 7
    assert [p["v"]["u"] for p in points] == [4.0, 6.0, None, 7.0, None, None, 8.0]
    assert points[2]["t"] == dict.fromkeys("maz", 25 * SECOND)
    back = await streams.get_data(
        stream, "seconds10", 0, empty=True, value_downsamplers=["max"], reverse=True
    )
    assert await back.fetch() == points[::-1]
    found = await streams.get_data(stream, "minutes", 0, end=300 * SECOND, empty=True)
    assert [p["v"]["c"] for p in await found.fetch()] == [8, 1, 0, 0, 0, 0]


async def test_the_bucket_that_is_filling_can_be_left_out(streams, stream, clock):
    clock.now_ns = 62 * SECOND
    found = await streams.get_data(stream, "minutes", 0, complete=True)
    assert [p["v"]["c"] for p in await found.fetch()] == [8]
    clock.now_ns = 120 * SECOND
    assert await found.count() == 2


async def test_a_highest_granularity_answers_for_all_finer_ones(streams):
    stream = await streams.ensure_stream({"path": "c"}, {}, ["mean"], Granularity.Minutes)
    await streams.append(stream, 1.0, 5)
    await streams.append(stream, 3.0, 6)
    for granularity in ("raw", "seconds", "minutes"):
        found = await (await streams.get_data(stream, granularity, 0)).fetch()
        assert found == [{"t": 5, "v": 1.0}, {"t": 6, "v": 3.0}]
    found = await (await streams.get_data(stream, "minutes10", 0)).fetch()
    assert found[0]["v"]["m"] == 2.0


async def test_a_stream_without_downsamplers_has_raw_only(streams):
    stream = await streams.ensure_stream({"path": "c"}, {}, [], "raw")
    await streams.append(stream, 1.0, 5)
    with pytest.raises(exceptions.UnsupportedGranularity, match="never downsampled"):
        await streams.get_data(stream, "hours", 0)
    graph = await streams.get_graph(stream, 0, 10**18, 1)
    assert graph.granularity is Granularity.Raw


async def test_only_what_is_asked_for_is_read(streams, backend):
    stream = await streams.ensure_stream({"path": "w/long"}, {}, ["mean"], "raw")
    await streams.append_array(stream, np.arange(64 * 100), np.arange(6400.0))
    await streams.append_array(stream, np.arange(6400, 6410), np.arange(10.0))
    streams._engine.blocks.clear()
    read = []
    original = backend.read_blocks

    async def counting(keys):
        read.extend(keys)
        return await original(keys)

    backend.read_blocks = counting
    found = await streams.get_data(stream, "raw", 0)
    assert [p["t"] for p in await found.fetch(slice(0, 3))] == [0, 1, 2]
    assert 0 < len(read) <= 16
    read.clear()
    assert await found.count() == 6410
    assert read == []
    back = await streams.get_data(stream, "raw", 0, reverse=True)
    assert [p["t"] for p in await back.fetch(slice(0, 3))] == [6409, 6408, 6407]
    assert [p["t"] for p in await back.fetch(slice(-2, None))] == [1, 0]
    assert [p["t"] for p in await found.fetch(slice(100, 110, 3))] == [100, 103, 106, 109]
    with pytest.raises(ValueError, match="positive"):
        await found.fetch(slice(None, None, -1))
    first = None
    async for point in found:
        first = point
        break
    assert first == {"t": 0, "v": 0.0}


async def test_arrays_are_columns(streams, stream):
    raw = await streams.get_arrays(stream, "raw", 0, 2 * SECOND)
    assert raw["t"].tolist() == TIMES[:4]
    assert raw["t"].dtype == np.int64
    assert raw["v"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert raw["quality"].dtype == np.uint8
    raw = await streams.get_arrays(stream, "raw", 0, 2 * SECOND, ["v"])
    assert list(raw) == ["t", "v"]
    rows = await streams.get_arrays(stream, "seconds", 0, 2 * SECOND, ["count", "t_mean"])
    assert rows["count"].tolist() == [3, 1]
    with pytest.raises(exceptions.UnsupportedDownsampler):
        await streams.get_arrays(stream, "seconds", 0, 2, ["median"])
    with pytest.raises(exceptions.UnsupportedDownsampler):
        await streams.get_arrays(stream, "raw", 0, 2, ["mean"])


async def test_integers_are_a_column_of_integers_where_all_are(streams):
    stream = await streams.ensure_stream({"path": "i"}, {}, [], "raw")
    await streams.append(stream, 2**62 + 1, 1)
    await streams.append(stream, 3, 2)
    found = await streams.get_arrays(stream, "raw", 0, 10)
    assert found["v"].dtype == np.int64
    assert found["v"].tolist() == [2**62 + 1, 3]
    await streams.append(stream, None, 3)
    found = await streams.get_arrays(stream, "raw", 0, 10)
    assert found["v"].dtype == np.float64
    assert np.isnan(found["v"][2])
    points = await (await streams.get_data(stream, "raw", 0)).fetch()
    assert [p["v"] for p in points] == [2**62 + 1, 3, None]


async def test_bad_readings_are_kept_but_not_counted(streams):
    stream = await streams.ensure_stream({"path": "q"}, {}, ["mean"], "raw")
    for i, quality in enumerate([0, Quality.LIMIT, Quality.FAULT, Quality.SIMULATED]):
        await streams.append(stream, float(i), i, quality=quality)
    graph = await streams.get_graph(stream, 0, 10, 1, granularity="seconds")
    assert graph.columns["mean"][0] == pytest.approx(4 / 3)
    assert graph.columns["bad"].tolist() == [1]
    assert graph.columns["flags"].tolist() == [Quality.SIMULATED]


async def test_a_graph_takes_raw_where_that_is_little(streams, stream):
    graph = await streams.get_graph(stream, 0, 100 * SECOND, 5)
    assert (graph.granularity, graph.bucket_ns) == (Granularity.Raw, 0)
    assert graph.columns["t"].tolist() == TIMES
    graph = await streams.get_graph(stream, 0, 100 * SECOND, 4)
    assert graph.bucket_ns > 0
    assert len(graph.columns["t"]) <= 8
    assert graph.columns["count"].sum() == len(TIMES)
    graph = await streams.get_graph(stream, 0, 100 * SECOND, 4, fields=["max"])
    assert list(graph.columns) == ["t", "max"]
    with pytest.raises(exceptions.UnsupportedDownsampler):
        await streams.get_graph(stream, 0, 100 * SECOND, 4, fields=["median"])
    with pytest.raises(ValueError, match="one point"):
        await streams.get_graph(stream, 0, 10, 0)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("empty", [False, True])
async def test_empty_and_complete_combine_with_every_range(
    streams, stream, clock, empty, complete, reverse
):
    step = 10 * SECOND
    edges = [0, 1, 5 * SECOND, step, step + 1, 60 * SECOND, 65 * SECOND, 95 * SECOND]
    for now, start_key, start, end_key, end in itertools.product(
        [0, 65 * SECOND, 70 * SECOND, 200 * SECOND],
        *(["start", "start_exclusive"], edges, ["end", "end_exclusive", None], edges),
    ):
        clock.now_ns = now
        arguments = {start_key: start, **({end_key: end} if end_key else {})}
        first = start // step * step + (step if start_key == "start_exclusive" else 0)
        behind = {"end": end + 1, "end_exclusive": end, None: 70 * SECOND}[end_key]
        if complete:  # the newest datapoint may be newer than the clock
            behind = min(behind, max(now, TIMES[-1]) // step * step)
        starts = list(range(first, behind, step))
        with_data = {t // step * step for t in TIMES}
        expected = [t for t in starts if empty or t in with_data][:: -1 if reverse else 1]
        found = await streams.get_data(
            stream, "seconds10", empty=empty, complete=complete, reverse=reverse, **arguments
        )
        points = await found.fetch()
        assert [p["t"]["m"] // step * step for p in points] == expected, arguments
        assert [p["v"]["c"] > 0 for p in points] == [t in with_data for t in expected]
        assert await found.count() == len(expected)
        assert [p async for p in found] == points
        for which in (slice(1, 3), slice(None, None, 2), slice(-2, None), slice(3, 1)):
            assert await found.fetch(which) == points[which]


async def test_a_bucket_without_datapoints_tells_what_one_of_gaps_tells(streams):
    every = ["mean", "sum", "min", "max", "sum_squares", "std_dev", "count"]
    stream = await streams.ensure_stream({"path": "w/gaps"}, {}, every, "raw")
    for time_ns, value in ((0, 1.0), (70 * SECOND, None), (130 * SECOND, 1.0)):
        await streams.append(stream, value, time_ns)
    gaps = await (await streams.get_data(stream, "minutes", 0)).fetch(slice(1, 2))
    nothing = await (await streams.get_data(stream, "seconds10", 0, empty=True)).fetch(slice(1, 2))
    assert gaps[0]["v"] == nothing[0]["v"]
    assert nothing[0]["v"] == {"m": None, "s": 0, "l": None, "u": None, "q": 0, "d": None, "c": 0}


async def test_billions_of_empty_buckets_are_made_up_as_far_as_they_are_asked_for(streams, stream):
    await streams.append(stream, 1.0, 50 * 365 * 86400 * SECOND)
    for reverse in (False, True):
        found = await streams.get_data(stream, "seconds", 0, empty=True, reverse=reverse)
        assert await found.count() == 50 * 365 * 86400 + 1
        points = await found.fetch(slice(70, 5000))
        assert len(points) == 4930
        assert {p["v"]["c"] for p in points} == {0}

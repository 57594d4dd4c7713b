"""Finished buckets are told once, when somebody asks for them."""

import warnings

import pytest

from labmon import datastream
from labmon.datastream import Retention
from labmon.datastream.exceptions import DownsampleConsistencyNotGuaranteed
from labmon.datastream.retained import DAY_NS

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND


async def filled(streams, path="w/a", count=125):
    stream = await streams.ensure_stream({"path": path}, {}, ["mean"], "Seconds10")
    for i in range(count):
        await streams.append(stream, float(i), START_NS - START_NS % (60 * SECOND) + i * SECOND)
    return stream


async def test_finished_buckets_are_told_once_also_across_restarts(streams, backend, clock):
    stream = await filled(streams)
    clock.step(3600)
    told = await streams.downsample_streams(return_datapoints=True)
    assert {one["stream_id"] for one in told} == {stream}
    minutes = [one["datapoint"] for one in told if one["granularity"].name == "Minutes"]
    assert [point["v"]["m"] for point in minutes] == [29.5, 89.5]
    assert {one["granularity"].name for one in told} == {"Minutes"}
    assert await streams.downsample_streams(return_datapoints=True) == []
    async with datastream.open(backend, clock=clock) as again:
        await again.append(stream, 7.0, clock())
        told = await again.downsample_streams(return_datapoints=True)
        minutes = [one["datapoint"] for one in told if one["granularity"].name == "Minutes"]
        assert [point["v"]["c"] for point in minutes] == [5]


async def test_only_selected_streams_and_times_take_part(streams, clock):
    one, other = await filled(streams), await filled(streams, "w/b")
    until = START_NS - START_NS % (60 * SECOND) + 60 * SECOND
    told = await streams.downsample_streams({"path": "w/a"}, until, return_datapoints=True)
    assert [point["datapoint"]["v"]["m"] for point in told] == [29.5]
    clock.step(3600)
    assert await streams.downsample_streams() == []
    assert await streams.downsample_streams(return_datapoints=True) == []
    three = await filled(streams, "w/c")
    told = await streams.downsample_streams(
        None, None, return_datapoints=True, filter_stream=lambda about: about["path"] != "w/c"
    )
    assert told == []
    told = await streams.downsample_streams(return_datapoints=True)
    assert {point["stream_id"] for point in told} == {three}
    assert len({one, other, three}) == 3
    await streams.delete_streams({})
    assert await streams._engine.backend.read_cursors("downsampled/") == {}


async def test_late_data_in_what_was_told_is_warned_of_once(streams, backend, clock):
    stream = await filled(streams)
    clock.step(3600)
    await streams.downsample_streams(return_datapoints=True)
    minute_ns = START_NS - START_NS % (60 * SECOND)
    late = {"timestamp": minute_ns + 15 * SECOND, "check_timestamp": False}
    await streams.append(stream, 7.0, **late)
    await streams.append(stream, 8.0, clock())
    assert await streams.downsample_streams() == []  # who wants none is told of none
    await streams.append(stream, 9.0, **late)
    await streams.commit()
    async with datastream.open(backend, clock=clock) as again:
        with pytest.warns(DownsampleConsistencyNotGuaranteed, match="^w/a: 1 datapoints came late"):
            await again.downsample_streams(return_datapoints=True)
        assert await again.downsample_streams(return_datapoints=True) == []


async def test_a_filter_that_makes_an_error_of_the_warning_loses_no_bucket(streams, clock):
    stream = await filled(streams)
    clock.step(300)
    await streams.downsample_streams(return_datapoints=True)
    await streams.append(stream, 7.0, START_NS, check_timestamp=False)
    await streams.append(stream, 8.0, clock() + 3600 * SECOND)
    clock.step(7200)
    with pytest.raises(DownsampleConsistencyNotGuaranteed):
        await streams.downsample_streams(return_datapoints=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = await streams.downsample_streams(return_datapoints=True)
    assert {one["granularity"].name for one in told} >= {"Hours", "Minutes"}


async def test_what_retention_removed_untold_is_warned_of_and_the_rest_is_told(clock):
    keep = Retention({"raw": "2d", "hours": "4d", "days": "forever"})
    options = {"clock": clock, "uptime_s": lambda: clock.now_ns / SECOND, "retention": [keep]}
    async with datastream.open("memory:", **options) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "Raw")
        first_ns = START_NS - START_NS % DAY_NS
        for i in range(12 * 24):
            await streams.append(stream, float(i), first_ns + i * 3600 * SECOND)
        clock.step(12 * 86400)
        for _ in range(9):
            await streams._engine.retainer.run()
        assert streams.describe(stream)["count"] < 4 * 24
        with pytest.warns(
            DownsampleConsistencyNotGuaranteed, match="removed by retention"
        ) as given:
            told = await streams.downsample_streams(return_datapoints=True)
        assert {str(one.message).split()[1] for one in given} >= {"Minutes", "Hours"}
        days = [one for one in told if one["granularity"].name == "Days"]
        assert len(days) == 11
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert await streams.downsample_streams(return_datapoints=True) == []

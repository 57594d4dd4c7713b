"""Finished buckets are told once, when somebody asks for them."""

from labmon import datastream

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

"""Aggregates of a range are what numpy gives for its datapoints, and read few of them."""

import numpy as np
import pytest

from labmon.datastream.exceptions import StreamNotFound, UnsupportedDownsampler

SECOND = 1_000_000_000


async def test_a_long_range_reads_datapoints_at_its_edges_only(streams, clock):
    stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean", "std_dev"], "raw")
    t = clock() + np.arange(20_000) * SECOND // 10
    v = np.random.default_rng(1).normal(632.991234, 8.8e-7, 20_000)
    await streams.append_array(stream, t, v)
    await streams.append(stream, 633.0, int(t[700]) + 5, check_timestamp=False)
    await streams._engine.sealer.idle()
    whole = await streams.aggregate(stream, 0, 2**62)
    assert whole["count"] == 20_001
    streams._engine.blocks.clear()
    start, end = int(t[501]) + 1, int(t[19_401])
    found = await streams.aggregate(stream, start, end)
    expected = np.append(v[502:19_401], 633.0)
    assert found["count"] == len(expected)
    assert (found["min"], found["max"]) == (expected.min(), 633.0)
    assert found["mean"] == pytest.approx(expected.mean(), rel=1e-14)
    assert found["std_dev"] == pytest.approx(expected.std(), rel=1e-9)
    raw_blocks = [key for key, _ in streams._engine.blocks._tables if key.granularity == "r"]
    assert 0 < len(raw_blocks) < 40  # of more than 300


async def test_streams_without_numbers_or_rollups_have_aggregates_too(streams, clock):
    words = await streams.ensure_stream(
        {"path": "n"}, {}, ["most_often"], "raw", value_type="nominal"
    )
    plain = await streams.ensure_stream({"path": "p"}, {}, [], "raw")
    for i in range(200):
        await streams.append(words, "on" if i % 3 else "off", clock.step(1))
        await streams.append(plain, i, clock())
    found = await streams.aggregate(words, 0, 2**62, ["count", "most_often"])
    assert found == {"count": 200, "most_often": "on"}
    found = await streams.aggregate(plain, 0, 2**62, ["sum", "count", "mean"])
    assert found == {"sum": 199 * 100.0, "count": 200, "mean": 99.5}


async def test_nothing_counted_is_none_and_what_is_not_there_is_refused(streams, clock):
    stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    nothing = {"mean": None, "std_dev": None, "min": None, "max": None, "count": 0}
    assert await streams.aggregate(stream, 0, 2**62) == nothing
    await streams.append(stream, None, clock())
    assert await streams.aggregate(stream, 0, 2**62) == nothing
    assert await streams.aggregate(stream, 5, 5, ["sum", "bad"]) == {"sum": 0.0, "bad": 0}
    with pytest.raises(UnsupportedDownsampler, match="most_often"):
        await streams.aggregate(stream, 0, 1, ["most_often"])
    with pytest.raises(StreamNotFound):
        await streams.aggregate("nowhere", 0, 1)


async def test_one_datapoint_is_in_a_range_from_its_time_on_and_in_none_up_to_it(streams, clock):
    stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    at_ns = clock()
    await streams.append(stream, 1.5, at_ns)
    assert (await streams.aggregate(stream, at_ns, at_ns + 1))["mean"] == 1.5
    assert (await streams.aggregate(stream, 0, at_ns))["count"] == 0
    assert (await streams.aggregate(stream, at_ns + 1, 2**62))["count"] == 0

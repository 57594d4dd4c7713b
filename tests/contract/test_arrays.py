"""Arrays of samples, as a fast digitiser gives them: on every backend, whole and exactly once."""

import asyncio

import numpy as np
import pytest

from labmon.datastream import Granularity, upkeep
from labmon.reading import ArrayBatch, Batch, Quality

PATH = ("adc/in",)
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000


def samples(seq, count=1000, first=None, values=None, qualities=None):
    first = seq - 1 if first is None else first
    times_ns = START_NS + np.arange(first, first + count) * STEP_NS
    values = np.sin(np.arange(first, first + count) / 50) if values is None else values
    return ArrayBatch("adc", PATH, times_ns, values, qualities, seq)


def poll(seq, value):
    return Batch("adc", START_NS + seq * STEP_NS, ("adc/t", "adc/u"), (value, None), b"\0\1", seq)


async def make(streams):
    for path in ("adc/in", "adc/t", "adc/u"):
        await streams.ensure_stream({"path": path}, {"unit": "V"}, ["mean"], Granularity.Raw)
    return streams.stream_id("adc/in")


async def raw(streams):
    return await streams.get_arrays(streams.stream_id("adc/in"), "raw", 0, 2**62)


async def test_arrays_between_polls_are_told_by_the_journal_as_they_came(opened):
    streams = await opened(seal_datapoints=4096)
    await make(streams)
    sent = [poll(1, 1.5), samples(3), poll(1003, 2.5), samples(1005, 10), samples(1015, 10)]
    for batch in sent:
        assert await streams.append_batch(batch) == ()
    await streams.commit()
    told = (await streams.journal_since(streams.epoch, 0)).batches
    assert [(type(each), each.seq, len(each)) for each in told] == [
        (type(each), each.seq, len(each)) for each in sent
    ]
    assert np.array_equal(told[1].times_ns, sent[1].times_ns)
    assert np.array_equal(told[1].values, sent[1].values)
    assert told[2].values == (2.5, None)
    assert told[2].qualities == b"\0\1"


async def test_an_array_comes_whole_also_after_a_number_inside_of_it(opened):
    streams = await opened()
    await make(streams)
    await streams.append_batch(samples(1, 100))
    await streams.commit()
    assert [len(each) for each in (await streams.journal_since(streams.epoch, 40)).batches] == [100]
    assert (await streams.journal_since(streams.epoch, 100)).batches == []


@pytest.mark.parametrize("seal_datapoints", [300, 4096])
async def test_committed_arrays_survive_a_kill_and_are_not_doubled(opened, seal_datapoints):
    streams = await opened(seal_datapoints=seal_datapoints)
    await make(streams)
    seq = 1
    expected = []
    for _ in range(4):
        for _ in range(3):
            batch = samples(1, 250, len(expected))
            expected += batch.values.tolist()
            await streams.append_batch(batch.numbered(seq))
            await streams.append_batch(poll(seq + 250, 7))
            seq += 252
        await streams.commit()
        await opened.kill()
        streams = await opened(seal_datapoints=seal_datapoints)
        columns = await raw(streams)
        assert columns["v"].tolist() == expected
        assert (np.diff(columns["t"]) == STEP_NS).all()
        seq = 1


async def test_qualities_integers_and_samples_without_a_value_are_kept(opened):
    streams = await opened()
    await make(streams)
    qualities = np.array([0, Quality.OVER_RANGE, 0], np.uint8)
    values = np.array([1.0, 2.0, np.nan])
    await streams.append_batch(samples(1, 3, values=values, qualities=qualities))
    await streams.append_batch(samples(4, 2, values=np.array([2**60 + 1, -7])))
    await streams.commit()
    told = (await streams.journal_since(streams.epoch, 0)).batches
    assert told[0].newest.value is None
    assert told[0].band == (1.0, 1.0, 1.0)
    assert told[1].values.tolist() == [2**60 + 1, -7]
    await opened.kill()
    columns = await raw(await opened())
    assert columns["quality"].tolist() == [0, Quality.OVER_RANGE, 0, 0, 0]
    assert list(columns["v"])[3:] == [2**60 + 1, -7]


async def test_samples_from_before_the_newest_are_flagged_late_and_sorted_in(opened):
    streams = await opened()
    await make(streams)
    await streams.append_batch(samples(1, 10, first=5))
    await streams.append_batch(samples(11, 10, first=0))
    for _ in range(2):
        columns = await raw(streams)
        assert (np.diff(columns["t"]) >= 0).all()
        late = columns["quality"] & Quality.LATE > 0
        assert int(late.sum()) == 10
        assert streams.latest(streams.stream_id("adc/in"))[0] == START_NS + 14 * STEP_NS
        await streams.commit()
        await opened.kill()
        streams = await opened()


async def test_an_array_for_a_stream_that_is_not_there_is_refused_as_a_whole(opened):
    streams = await opened()
    (rejection,) = await streams.append_batch(samples(1, 10))
    assert "there is no stream" in rejection.reason


async def test_rollups_of_arrays_are_those_of_their_samples(opened):
    streams = await opened(seal_datapoints=256)
    stream = await make(streams)
    expected = []
    for i in range(30):
        batch = samples(1 + 1000 * i)
        expected.append(batch.values)
        await streams.append_batch(batch)
    found = await streams.aggregate(stream, START_NS, START_NS + 3 * 10**9, ["mean", "count"])
    assert found["count"] == 30_000
    assert found["mean"] == pytest.approx(float(np.concatenate(expected).mean()))


async def test_a_short_graph_of_a_fast_stream_is_finer_than_the_finest_level(opened):
    streams = await opened(seal_datapoints=4096)
    stream = await make(streams)
    values = np.random.default_rng(1).normal(size=100_000)
    for i in range(10):
        part = slice(10_000 * i, 10_000 * (i + 1))
        await streams.append_batch(samples(1 + part.start, 10_000, values=values[part]))
    graph = await streams.get_graph(stream, START_NS, START_NS + 10 * 10**9, 500)
    assert graph.granularity is Granularity.Raw
    assert graph.bucket_ns == 10_000_000
    buckets = values.reshape(1000, 100)
    assert np.array_equal(graph.columns["t"], START_NS + np.arange(1000) * 10_000_000)
    assert np.array_equal(graph.columns["min"], buckets.min(axis=1))
    assert np.array_equal(graph.columns["max"], buckets.max(axis=1))
    assert graph.columns["mean"] == pytest.approx(buckets.mean(axis=1))
    short = await streams.get_graph(stream, START_NS, START_NS + 50_000_000, 500)
    assert short.bucket_ns == 0
    assert len(short.columns["t"]) == 500


async def test_a_journal_that_arrays_fill_is_trimmed_before_its_time(opened, clock, monkeypatch):
    monkeypatch.setattr(upkeep, "LOOK_S", 0.01)
    monkeypatch.setattr(upkeep, "LONG_BYTES", 1)
    streams = await opened(seal_datapoints=4096)
    stream = await make(streams)
    count = 0
    async with asyncio.timeout(30):
        # what the last 5 minutes wrote, what is carried, and what came since the last look
        while count < 60 or streams.journal_entries >= 20:
            await streams.append_batch(samples(1 + 1000 * count))
            await streams.commit()
            clock.step(60)
            count += 1
            await asyncio.sleep(0.05 if count > 60 else 0)
    await opened.kill()
    streams = await opened(seal_datapoints=4096)
    columns = await raw(streams)
    assert len(columns["t"]) == 1000 * count
    assert (np.diff(columns["t"]) == STEP_NS).all()
    assert streams.stream_id("adc/in") == stream

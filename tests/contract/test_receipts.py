"""Receipts of pushes: durable with the readings, so that a retry adds what is missing."""

from labmon.datastream import Granularity
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch, Receipt


def batch(clock, first, count, key="who run 7", digest="d1"):
    paths = tuple(f"room/{i}" for i in range(count))
    receipt = Receipt(key, digest, first, first + count)
    clock.step(0.1)
    return Batch("append", clock.now_ns, paths, (1.0,) * count, bytes(count), 0, receipt)


async def make(streams, count=3):
    for i in range(count):
        await streams.ensure_stream({"path": f"room/{i}"}, {}, [], Granularity.Raw)


async def test_a_receipt_is_there_after_a_kill_where_its_readings_are(opened, clock):
    streams = await opened(commit_interval_s=3600, commit_readings=10**6)
    await make(streams)
    await streams.append_batch(batch(clock, 0, 3))
    await streams.append_batch(batch(clock, 3, 2))
    await streams.commit()
    await streams.append_batch(batch(clock, 5, 3))  # never durable
    assert streams.received("who run 7").ranges == [(0, 8)]
    await opened.kill()
    streams = await opened()
    received = streams.received("who run 7")
    assert (received.digest, received.ranges) == ("d1", [(0, 5)])
    assert [received.has(place) for place in (0, 4, 5)] == [True, True, False]
    assert len((await streams.get_arrays(streams.stream_id("room/0"), "raw", 0, 2**62))["t"]) == 2
    assert streams.received("another") is None


async def test_a_hole_stays_a_hole_and_another_body_begins_anew(opened, clock):
    streams = await opened()
    await make(streams)
    await streams.append_batch(batch(clock, 0, 2))
    await streams.append_batch(batch(clock, 6, 2))
    received = streams.received("who run 7")
    assert received.ranges == [(0, 2), (6, 8)]
    assert not received.has(3)
    await streams.append_batch(batch(clock, 0, 1, digest="d2"))
    assert streams.received("who run 7").ranges == [(0, 1)]


async def test_receipts_outlive_a_trim_of_what_is_older_than_the_journal_keeps(opened, clock):
    streams = await opened()
    await make(streams)
    await streams.append_batch(batch(clock, 0, 3, key="old"))
    await streams.commit()
    clock.step(400)
    await streams.append_batch(batch(clock, 0, 3, key="new"))
    await streams.commit()
    await upkeep(streams._engine)
    await opened.kill()
    streams = await opened()
    assert streams.received("old") is None
    assert streams.received("new") is not None

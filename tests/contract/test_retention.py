"""Retention on every backend: what goes is gone, what stands in is right, whatever happens."""

import numpy as np
import pytest

from labmon.datastream import Granularity, Retention
from labmon.datastream.backends.base import BlockRow, Change
from labmon.datastream.exceptions import InvalidTimestamp
from labmon.datastream.retained import DAY_NS
from labmon.reading import Batch

BEGIN_NS = 19_700 * DAY_NS
STEP_NS = 1800 * 1_000_000_000
T = BEGIN_NS + np.arange(20 * DAY_NS // STEP_NS) * STEP_NS
V = np.round(np.sin(np.arange(len(T))), 3)
PATHS = ("w/a", "w/b")
KEEP = [Retention({"raw": "5d", "hours": "12d", "days": "forever"})]
RAW_NS, HOURS_NS = BEGIN_NS + 14 * DAY_NS, BEGIN_NS + 7 * DAY_NS


async def reopened(opened, clock, retention=KEEP):
    clock.now_ns = int(T[-1])
    streams = await opened(retention=retention)
    ids = [
        await streams.ensure_stream({"path": path}, {}, {"mean", "min"}, Granularity.Raw)
        for path in PATHS
    ]
    return streams, ids


async def filled(opened, clock):
    """Two channels of one poll, whose blocks share their time columns."""
    streams, _ = await reopened(opened, clock, [])
    for time_ns, value in zip(T.tolist(), V.tolist(), strict=True):
        await streams.append_batch(Batch("w", time_ns, PATHS, (value, -value), b"\0\0"))
    await streams.commit()
    await streams._engine.sealer.idle()
    return await reopened(opened, clock)


async def enforce(streams):
    for _ in range(4):
        await streams._engine.retainer.run()


async def check(streams, ids):
    for one, sign in zip(ids, (1, -1), strict=True):
        raw = await streams.get_arrays(one, "raw", RAW_NS, 2**62)
        np.testing.assert_array_equal(raw["t"], T[T >= RAW_NS])
        np.testing.assert_array_equal(raw["v"], sign * V[T >= RAW_NS])
        for word, start_ns in (("hours", HOURS_NS), ("days", BEGIN_NS)):
            granularity = Granularity.find(word)
            rows = await streams.get_arrays(one, word, start_ns, 2**62)
            assert rows.granularity is granularity
            left = sign * V[start_ns <= T]
            buckets = left.reshape(-1, granularity.duration_ns // STEP_NS)
            np.testing.assert_allclose(rows["mean"], buckets.mean(axis=1), atol=1e-12)
            np.testing.assert_array_equal(rows["min"], buckets.min(axis=1))
        assert streams.describe(one)["count"] == (T >= RAW_NS).sum()
        assert (await streams.aggregate(one, 0, 2**62))["count"] == len(T)


async def test_what_is_left_is_the_same_after_a_restart_and_a_kill(opened, clock):
    streams, ids = await filled(opened, clock)
    await enforce(streams)
    await check(streams, ids)
    await check(*await reopened(opened, clock))
    await opened.kill()
    await check(*await reopened(opened, clock))


async def test_removed_blocks_and_their_time_columns_are_gone(opened, clock):
    streams, ids = await filled(opened, clock)
    backend = streams._engine.backend
    before = await backend.read_outlines(1, "r")
    await enforce(streams)
    left = await backend.read_outlines(1, "r")
    assert min(outline.to_ns for outline in left) >= RAW_NS
    gone = [outline for outline in before if outline not in left]
    assert await backend.read_blocks([outline.key for outline in gone]) == {}
    assert any(outline.times is not None for outline in before)
    needed = {outline.times for outline in left}
    unneeded = {outline.times for outline in gone} - needed - {None}
    if hasattr(backend, "collect_times"):  # these are collected after a day's grace
        await backend.collect_times(grace_s=-1)
    assert await backend.read_times(sorted(unneeded)) == {}
    await check(streams, ids)


async def test_removed_blocks_that_are_there_again_are_not_shown_and_go(opened, clock):
    """A crash may leave them, and so may a file that was set aside."""
    streams, _ = await filled(opened, clock)
    backend = streams._engine.backend
    before = await backend.read_outlines(1, "r")
    bodies = await backend.read_blocks([outline.key for outline in before])
    addresses = sorted({outline.times for outline in before} - {None})
    times = await backend.read_times(addresses)
    await enforce(streams)
    left = await backend.read_outlines(1, "r")
    back = [BlockRow(one, bodies[one.key]) for one in before if one not in left]
    await backend.apply(Change(times=times, blocks=back))
    streams, ids = await reopened(opened, clock, [])
    backend = streams._engine.backend
    assert await backend.read_outlines(1, "r") == before
    await check(streams, ids)
    await streams._engine.retainer.run()
    assert await backend.read_outlines(1, "r") == left
    await check(streams, ids)


async def test_late_datapoints_beyond_the_limit_are_refused(opened, clock):
    streams, ids = await filled(opened, clock)
    await enforce(streams)
    with pytest.raises(InvalidTimestamp, match="retention has removed"):
        await streams.append(ids[0], 1.0, RAW_NS - 1, check_timestamp=False)
    (refused,) = await streams.append_batch(Batch("w", RAW_NS - 1, PATHS[:1], (1.0,), b"\0"))
    assert "retention has removed" in refused.reason
    await check(streams, ids)

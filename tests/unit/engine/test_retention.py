"""Retention: what goes and what stays, whatever comes late, the clock says or a crash cuts."""

import asyncio

import numpy as np
import pytest

from labmon.datastream import Granularity, Retention
from labmon.datastream.backends.base import Change
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import InvalidTimestamp
from labmon.datastream.retained import DAY_NS
from labmon.reading import Batch
from tests.unit.engine.retention_lab import ALL, BEGIN_NS, PER_DAY, TEN_DAYS, Lab


async def test_without_a_policy_everything_stays(lab):
    await lab.open()
    await lab.record(50)
    await lab.enforce()
    assert lab.floors == {}
    await lab.check()


async def test_each_level_goes_when_its_time_has_come_and_leaves_the_next_one(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    today_ns = BEGIN_NS + 60 * DAY_NS - DAY_NS  # the last datapoint is of the day before
    assert lab.floors[Granularity.Raw] == today_ns - 10 * DAY_NS
    assert lab.floors[Granularity.Minutes10] == today_ns - 10 * DAY_NS
    assert lab.floors[Granularity.Hours] == today_ns - 30 * DAY_NS
    assert lab.floors[Granularity.Hours6] == today_ns - 30 * DAY_NS
    assert Granularity.Days not in lab.floors
    await lab.check()
    await lab.open(TEN_DAYS)
    await lab.check()


async def test_blocks_that_lie_before_the_limit_are_gone_from_the_store(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    before = await lab.backend.size_bytes()
    await lab.enforce()
    left = await lab.backend.read_outlines(1, "r")
    assert min(outline.to_ns for outline in left) >= lab.floors[Granularity.Raw]
    assert await lab.backend.size_bytes() < before * 0.6


async def test_what_was_removed_is_found_out_from_the_blocks_where_the_state_is_damaged(
    lab, caplog
):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    floors = lab.floors
    await lab.streams.close()
    lab.backend._states[1] = b"nonsense"
    lab.streams = None
    await lab.open()
    assert set(lab.floors) == set(floors)
    assert all(floors[key] <= lab.floors[key] < floors[key] + 8 * DAY_NS for key in floors)
    for granularity in (Granularity.Hours, Granularity.Days):
        floor_ns = lab.floors.get(granularity, 0)
        found = await lab.streams.get_arrays(lab.id, granularity, floor_ns, 2**62)
        starts, means = lab.means(granularity.duration_ns, floor_ns)
        np.testing.assert_array_equal(found["t"], starts)
        np.testing.assert_allclose(found["mean"], means)
    caplog.clear()


async def test_a_run_says_in_one_line_what_it_removed(lab, caplog):
    await lab.open(TEN_DAYS)
    await lab.record(14)
    with caplog.at_level("INFO", "labmon.datastream.retainer"):
        await lab.enforce(runs=3)
    (line,) = caplog.messages
    assert line.startswith(f"retention: {3 * PER_DAY} datapoints of 1 streams are removed, ")


async def test_what_was_removed_and_how_far_it_is_behind_is_counted(lab):
    await lab.open(Retention({"raw": "10d", "hours": "20d", "days": "forever"}))
    assert lab.streams.retention_progress.ran_ns is None
    await lab.record(40)
    behind = []
    for _ in range(6):
        await lab.enforce(runs=1)
        behind.append(lab.streams.retention_progress.behind_ns // DAY_NS)
    assert behind == [22, 15, 8, 1, 0, 0]  # a run removes at most seven days
    found = lab.streams.retention_progress
    assert found.ran_ns == lab.time.now_ns
    assert found.removed.datapoints["r"] == len(lab.t) - lab.stream.count == 29 * PER_DAY
    assert found.removed.blocks["r"] == 29 * PER_DAY // 64
    assert found.removed.removed_bytes["r"] > 64 * found.removed.blocks["r"]
    await lab.record(20)
    await lab.enforce()
    found = lab.streams.retention_progress
    assert found.removed.datapoints["r"] == len(lab.t) - lab.stream.count
    assert found.removed.blocks["h"] > 0
    assert 0 < found.removed.datapoints["h"] <= 20 * 24
    await lab.check()


# Time


async def test_a_clock_that_jumps_ahead_for_a_day_removes_nothing_more(lab):
    await lab.open(TEN_DAYS)
    await lab.record(12)
    await lab.enforce()
    before = lab.floors
    lab.time.now_ns += 365 * DAY_NS
    await lab.record(0.5)  # devices believe the clock, too
    await lab.enforce(100)
    lab.time.now_ns -= 365 * DAY_NS
    await lab.enforce(100)
    (floor_ns,) = {*lab.floors.values()}
    # within half a day of uptime a store grows older by a day at most
    assert floor_ns - next(iter(before.values())) <= DAY_NS
    await lab.check()


async def test_a_clock_that_is_wrong_at_the_start_removes_nothing_either(lab):
    await lab.open(TEN_DAYS)
    await lab.record(12)
    await lab.enforce()
    before = lab.floors
    lab.time.now_ns += 365 * DAY_NS
    lab.time.uptime = 17.0  # the machine has just started
    await lab.open(TEN_DAYS)
    await lab.record(0.5)
    await lab.enforce(100)
    assert all(ns - before[key] <= DAY_NS for key, ns in lab.floors.items())
    await lab.check()


async def test_a_clock_that_fell_back_does_not_make_the_store_young_again(lab):
    await lab.open(TEN_DAYS)
    await lab.record(40)
    await lab.enforce()
    before = lab.floors
    lab.time.now_ns -= 19_000 * DAY_NS
    await lab.enforce()
    assert lab.floors == before
    lab.time.now_ns += 19_000 * DAY_NS
    await lab.record(1)
    await lab.enforce()
    assert lab.floors[Granularity.Raw] == before[Granularity.Raw] + DAY_NS


async def test_one_run_removes_a_week_of_a_stream_at_most(lab):
    await lab.open()
    await lab.record(60)
    await lab.open(TEN_DAYS)
    await lab.enforce(runs=1)
    assert lab.floors[Granularity.Raw] == BEGIN_NS + 7 * DAY_NS
    await lab.enforce(runs=1)
    assert lab.floors[Granularity.Raw] == BEGIN_NS + 14 * DAY_NS


async def test_the_last_day_of_a_stream_stays(lab):
    await lab.open(Retention({"raw": "1d", "days": "1d"}))
    await lab.record(3)
    other = await lab.streams.ensure_stream({"path": "c"}, {}, ALL, Granularity.Raw)
    for _ in range(30):
        lab.time.days(1)
        await lab.streams.append(other, 1.0)
    await lab.enforce()
    assert lab.streams.latest(lab.id)[0] == lab.t[-1]
    assert lab.stream.count == PER_DAY
    await lab.check()


# What comes late


async def test_late_datapoints_of_a_time_that_was_removed_are_refused(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    floor_ns = lab.floors[Granularity.Raw]
    with pytest.raises(InvalidTimestamp, match="retention has removed the datapoints of a/b"):
        await lab.streams.append(lab.id, 1.0, floor_ns - 1, check_timestamp=False)
    batch = Batch("x", floor_ns - 1, ("a/b",), (1.0,), b"\0")
    (refused,) = await lab.streams.append_batch(batch)
    assert refused.path == "a/b"
    assert "is too long ago" in refused.reason
    await lab.streams.append(lab.id, 1.0, floor_ns, check_timestamp=False)
    lab.t, lab.v = np.append(lab.t, floor_ns), np.append(lab.v, 1.0)
    order = np.argsort(lab.t, kind="stable")
    lab.t, lab.v = lab.t[order], lab.v[order]
    await lab.check()


# Crashes


class TornBackend(MemoryBackend):
    """An engine without transactions that is killed in the middle of the change of a number."""

    parts = ("times", "blocks", "states", "cursors", "removed_blocks")

    def __init__(self):
        super().__init__()
        self.changes = 0
        self.last_change = None
        self.parts_written = 0

    async def apply(self, change):
        self.changes += 1
        if self.last_change is None or self.changes < self.last_change:
            await super().apply(change)
            return
        if self.changes == self.last_change:
            whole = {name: getattr(change, name) for name in self.parts[: self.parts_written]}
            if "removed_blocks" in whole:
                whole["removed_blocks"] = whole["removed_blocks"][::2]
            await super().apply(Change(**whole))
        await asyncio.Event().wait()  # it is dead


async def kill(streams):
    engine = streams._engine
    tasks = (engine._upkeep, engine.deriver._task, engine.sealer._task, engine.journal._task)
    for task in tasks:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("parts_written", [0, 2, 3, 5])
async def test_a_crash_leaves_both_or_the_coarser_level_never_nothing(parts_written, until):
    late_ns = BEGIN_NS + 20 * DAY_NS
    for change in range(1, 9):
        lab = Lab(TornBackend())
        await lab.open()
        await lab.record(24)
        await lab.open(TEN_DAYS)
        lab.backend.last_change = lab.backend.changes + change
        lab.backend.parts_written = parts_written
        run = asyncio.create_task(lab.enforce(2))
        await until(lambda: run.done() or lab.backend.changes >= lab.backend.last_change)  # noqa: B023
        run.cancel()
        await kill(lab.streams)
        lab.backend.last_change = None
        lab.streams = None
        await lab.open(TEN_DAYS)
        await lab.check()
        await lab.streams.append(lab.id, 7.0, late_ns, check_timestamp=False)
        at = int(np.searchsorted(lab.t, late_ns, "right"))
        lab.t, lab.v = np.insert(lab.t, at, late_ns), np.insert(lab.v, at, 7.0)
        await lab.check()
        await lab.enforce()
        await lab.check()
        left = await lab.backend.read_outlines(1, "r")
        assert min(outline.to_ns for outline in left) >= lab.floors[Granularity.Raw]
        await lab.streams.close()

"""Retention: what goes, what stands in for it, and what every question then answers."""

import asyncio

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import Granularity, Retention
from labmon.datastream.backends.base import Change
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import DatastreamException, InvalidTimestamp
from labmon.datastream.retained import DAY_NS
from labmon.reading import Batch
from labmon.upkeep.verifying import verify

SECOND_NS = 1_000_000_000
BEGIN_NS = 19_700 * DAY_NS  # a midnight
STEP_NS = 600 * SECOND_NS
PER_DAY = DAY_NS // STEP_NS
ALL = {"mean", "min", "max", "std_dev"}


class Time:
    """A clock and an uptime that go on together, until the clock is set."""

    def __init__(self):
        self.now_ns = BEGIN_NS
        self.uptime = 0.0

    def days(self, count):
        self.now_ns += round(count * DAY_NS)
        self.uptime += count * 86400


class Lab:
    """A store that is opened again and again, with one stream of a value every ten minutes."""

    def __init__(self, backend=None):
        self.backend = MemoryBackend() if backend is None else backend
        self.time = Time()
        self.streams = None
        self.t = np.empty(0, np.int64)
        self.v = np.empty(0)

    async def open(self, *retention, **options):
        if self.streams is not None:
            await self.streams.close()
        self.streams = datastream.open(
            self.backend,
            clock=lambda: self.time.now_ns,
            uptime_s=lambda: self.time.uptime,
            seal_datapoints=64,
            retention=retention,
            **options,
        )
        await self.streams.start()
        self.id = await self.streams.ensure_stream({"path": "a/b"}, {}, ALL, Granularity.Raw)
        return self.streams

    async def record(self, days):
        t = self.time.now_ns + np.arange(round(days * PER_DAY)) * STEP_NS
        v = np.round(np.random.default_rng(len(self.t)).normal(20, 3, len(t)), 2)
        await self.streams.append_array(self.id, t, v)
        await self.streams.commit()
        self.t, self.v = np.append(self.t, t), np.append(self.v, v)
        self.time.days(days)

    async def enforce(self, runs=20):
        for _ in range(runs):
            await self.streams._engine.retainer.run()

    @property
    def stream(self):
        return self.streams._engine.catalogue.get(self.id)

    @property
    def floors(self):
        return {Granularity.find(key): ns for key, ns in self.stream.state.floors.items()}

    def means(self, step_ns, start_ns=0):
        """(starts, means) of the buckets of all that was ever recorded."""
        buckets = self.t - self.t % step_ns
        starts, which, counts = np.unique(buckets, return_inverse=True, return_counts=True)
        means = np.bincount(which, self.v) / counts
        return starts[starts >= start_ns], means[starts >= start_ns]

    async def check(self):
        """Everything that is asked equals numpy over what must remain."""
        for granularity in Granularity.values:
            floor_ns = self.floors.get(granularity, 0)
            found = await self.streams.get_arrays(
                self.id,
                granularity,
                floor_ns,
                2**62,
                None if not granularity.duration_ns else ["mean", "count"],
            )
            assert found.granularity is granularity
            if granularity is Granularity.Raw:
                is_left = self.t >= floor_ns
                np.testing.assert_array_equal(found["t"], self.t[is_left])
                np.testing.assert_array_equal(found["v"], self.v[is_left])
                assert self.stream.count == is_left.sum()
            else:
                starts, means = self.means(granularity.duration_ns, floor_ns)
                np.testing.assert_array_equal(found["t"], starts)
                np.testing.assert_allclose(found["mean"], means, rtol=1e-12)
        await self.streams.commit()
        assert (await verify(self.backend)).findings == []


@pytest.fixture
async def lab():
    made = Lab()
    yield made
    if made.streams is not None:
        await made.streams.close()


TEN_DAYS = Retention({"raw": "10d", "hours": "30d", "days": "forever"})


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


# What is asked


async def test_a_range_that_begins_before_the_limit_is_answered_by_the_finest_level_left(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    hours_from_ns = lab.floors[Granularity.Hours]
    starts, means = lab.means(3600 * SECOND_NS, hours_from_ns)
    told = await lab.streams.get_data(lab.id, "raw", start=hours_from_ns)
    assert told.granularity is Granularity.Hours
    points = await told.fetch()
    assert await told.count() == len(points) == len(starts)
    np.testing.assert_allclose([point["v"]["m"] for point in points], means)
    arrays = await lab.streams.get_arrays(lab.id, "minutes", hours_from_ns, 2**62)
    assert arrays.granularity is Granularity.Hours
    np.testing.assert_allclose(arrays["mean"], means)
    assert set(arrays) == {"t", "mean", "sum", "min", "max", "std_dev", "count"}
    raw = await lab.streams.get_arrays(lab.id, "raw", hours_from_ns, 2**62, ["v"])
    assert set(raw) == set(arrays)
    whole = await lab.streams.get_data(lab.id, "raw", start=0)
    assert whole.granularity is Granularity.Days
    assert await whole.count() == 60
    newest = await lab.streams.get_data(lab.id, "raw", start=lab.floors[Granularity.Raw])
    assert newest.granularity is Granularity.Raw


async def test_a_graph_takes_the_level_that_is_left(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    start_ns = BEGIN_NS + 35 * DAY_NS
    for granularity in (None, "raw", "minutes"):
        graph = await lab.streams.get_graph(
            lab.id, start_ns, start_ns + 3600 * 5 * SECOND_NS, 1000, ["mean"], granularity
        )
        assert (graph.granularity, graph.bucket_ns) == (Granularity.Hours, 3600 * SECOND_NS)
        assert len(graph.columns["t"]) == 5


async def test_aggregates_take_whole_buckets_where_no_datapoints_are_left(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    hour_ns = 3600 * SECOND_NS
    start_ns, end_ns = BEGIN_NS + 35 * DAY_NS + hour_ns // 2, BEGIN_NS + 55 * DAY_NS + 77
    found = await lab.streams.aggregate(lab.id, start_ns, end_ns, ["mean", "count"])
    assert (found.start_ns, found.end_ns) == (start_ns - hour_ns // 2, end_ns)
    is_inside = (lab.t >= found.start_ns) & (lab.t < found.end_ns)
    assert found["count"] == is_inside.sum()
    np.testing.assert_allclose(found["mean"], lab.v[is_inside].mean())
    exact = await lab.streams.aggregate(lab.id, end_ns - DAY_NS, end_ns)
    assert (exact.start_ns, exact.end_ns) == (end_ns - DAY_NS, end_ns)


async def test_a_descriptor_says_what_was_removed(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    told = lab.streams.describe(lab.id)
    assert told["removed_until"]["Raw"] == lab.floors[Granularity.Raw]
    assert told["earliest_datapoint"] == BEGIN_NS
    assert told["count"] == 11 * PER_DAY


async def test_what_nothing_tells_of_any_more_has_never_been(lab):
    await lab.open(Retention({"raw": "5d", "hours": "10d", "days": "20d"}))
    await lab.record(60)
    await lab.enforce()
    assert lab.streams.describe(lab.id)["earliest_datapoint"] == BEGIN_NS + 39 * DAY_NS
    found = await lab.streams.get_data(lab.id, "raw", start=0)
    assert await found.count() == 21
    assert (await lab.streams.aggregate(lab.id, 0, 2**62))["count"] == 21 * PER_DAY
    await lab.check()


async def test_a_stream_begins_with_its_head_where_all_that_was_sealed_is_removed(lab):
    keep = Retention({"raw": "5d", "hours": "10d", "days": "20d"})
    await lab.open(keep)
    await lab.record(64 / PER_DAY)
    lab.time.days(30)
    await lab.record(3 / PER_DAY)
    await lab.enforce()
    left_ns = lab.t[-3:].tolist()
    for _ in range(2):
        assert lab.streams.describe(lab.id)["earliest_datapoint"] == left_ns[0]
        for granularity, count in (("raw", 3), ("hours", 2), ("days", 1)):
            found = await lab.streams.get_data(lab.id, granularity, start=0)
            assert found.granularity is Granularity.find(granularity)
            assert await found.count() == len(await found.fetch()) == count
        graph = await lab.streams.get_graph(lab.id, 0, 2**62, 10)
        assert graph.columns["t"].tolist() == left_ns
        await lab.open(keep)
    await lab.record(2)
    await lab.check()


async def test_a_range_from_1970_on_is_cut_where_there_is_something(lab):
    """A cut for each day since then would hold up everybody for seconds."""
    await lab.open(Retention({"raw": "5d", "hours": "10d", "days": "20d"}))
    await lab.record(60)
    await lab.enforce()
    for end_ns in (lab.floors[Granularity.Raw], 2**62):
        cuts = await lab.streams._engine.raw.cuts(lab.stream, 0, end_ns)
        assert cuts[0] >= BEGIN_NS + 39 * DAY_NS
        assert len(cuts) < 30


async def test_words_are_kept_as_long_as_the_coarsest_level(lab):
    await lab.open(Retention({"raw": "2d", "days": "20d"}), Retention({"raw": "forever"}, "c"))
    words = await lab.streams.ensure_stream({"path": "w"}, {}, [], "raw", value_type="nominal")
    times = []
    for day in range(50):
        lab.time.days(1)
        times.append(lab.time.now_ns)
        await lab.streams.append(words, f"day {day}")
    await lab.enforce()
    found = await lab.streams.get_arrays(words, "raw", 0, 2**62)
    assert found["t"].tolist() == times[-21:]
    assert lab.streams.describe(words)["earliest_datapoint"] == times[-21]


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


# Who follows


async def test_following_begins_at_what_there_is_and_says_so(lab):
    await lab.open(TEN_DAYS)
    await lab.record(60)
    await lab.enforce()
    floor_ns = lab.floors[Granularity.Raw]
    told, count, cursor = [], 0, ""
    async for one in lab.streams.follow([lab.id], BEGIN_NS + 5 * DAY_NS):
        told += one.removed
        count += sum(map(len, one.columns.values()))
        cursor = one.cursor
        if count == (lab.t >= floor_ns).sum():
            break
    (removed,) = told
    assert (removed.stream, removed.start_ns) == (lab.id, BEGIN_NS + 5 * DAY_NS + 1)
    assert removed.end_ns == floor_ns
    await lab.record(0.1)
    async for one in lab.streams.follow([lab.id], cursor):
        assert one.removed == ()
        assert one.columns[lab.id].t.tolist() == lab.t[-len(one.columns[lab.id]) :].tolist()
        break


async def test_who_was_away_for_too_long_is_told_what_is_missing(lab):
    await lab.open(TEN_DAYS)
    await lab.record(12)
    one = await anext(lab.streams.follow([lab.id], 0))
    told_ns = int(one.columns[lab.id].t[-1])
    await lab.record(48)
    await lab.enforce()
    one = await anext(lab.streams.follow([lab.id], one.cursor))
    assert [(each.start_ns, each.end_ns) for each in one.removed] == [
        (told_ns + 1, lab.floors[Granularity.Raw])
    ]


async def test_what_came_late_and_is_removed_again_is_no_part_of_what_is_revised(lab):
    await lab.open()
    await lab.record(30)
    async for one in lab.streams.follow([lab.id], 0):
        if one.until_ns > lab.t[-1]:
            break
    late_ns = [BEGIN_NS + day * DAY_NS + 1 for day in (3, 25, 27)]
    for time_ns in late_ns:
        await lab.streams.append(lab.id, 1.0, time_ns, check_timestamp=False)
    await lab.open(TEN_DAYS)
    await lab.enforce()
    assert late_ns[0] < lab.floors[Granularity.Raw] < late_ns[1]
    told = await anext(lab.streams.follow([lab.id], one.cursor))
    (span,) = told.revised
    assert (span.start_ns, span.end_ns) == (late_ns[1], late_ns[2] + 1)
    now = await lab.streams.get_arrays(lab.id, "raw", span.start_ns, span.end_ns)
    assert now.granularity is Granularity.Raw


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


# What goes on at the same time


async def test_questions_that_are_asked_while_something_goes_are_answered_rightly(lab):
    await lab.open()
    await lab.record(40)
    await lab.open(Retention({"raw": "3d", "minutes10": "6d", "days": "forever"}))
    run = asyncio.create_task(lab.enforce())
    answers = 0
    while not run.done():
        for start_ns in (BEGIN_NS + 3 * DAY_NS, BEGIN_NS + 20 * DAY_NS):
            found = await lab.streams.get_arrays(lab.id, "raw", start_ns, 2**62)
            if found.granularity is Granularity.Raw:
                np.testing.assert_array_equal(found["v"], lab.v[lab.t >= start_ns])
            else:
                starts, means = lab.means(found.granularity.duration_ns, start_ns)
                np.testing.assert_array_equal(found["t"], starts)
                np.testing.assert_allclose(found["mean"], means)
            total = await lab.streams.aggregate(lab.id, start_ns, 2**62)
            assert total["count"] == (lab.t >= total.start_ns).sum()
            graph = await lab.streams.get_graph(lab.id, start_ns, 2**62, 2, ["count"])
            if graph.bucket_ns:
                is_inside = lab.t >= graph.columns["t"][0]
                assert graph.columns["count"].sum() == is_inside.sum()
            answers += 1
        await asyncio.sleep(0)
    assert answers > 20
    await lab.check()


async def test_a_list_that_is_read_too_slowly_says_that_the_rest_is_gone(lab):
    await lab.open()
    await lab.record(40)
    await lab.open(TEN_DAYS)
    backwards = await lab.streams.get_data(lab.id, "raw", start=BEGIN_NS, reverse=True)
    read = []

    async def read_slowly():
        async for point in backwards:
            read.append(point["t"])
            if len(read) == 1:
                await lab.enforce()

    with pytest.raises(DatastreamException, match="retention has just removed"):
        await read_slowly()
    assert np.array_equal(read, lab.t[::-1][: len(read)])
    assert len(read) > 5 * PER_DAY


async def test_a_graph_of_less_than_a_second_a_point_takes_seconds_where_these_are_left(lab):
    await lab.open(Retention({"raw": "2d", "seconds": "forever"}))
    t = BEGIN_NS + np.arange(300_000) * (SECOND_NS // 50)
    await lab.streams.append_array(lab.id, t, np.sin(np.arange(len(t))))
    lab.time.days(5)
    await lab.streams.append(lab.id, 1.0)
    await lab.enforce()
    assert lab.floors == {Granularity.Raw: BEGIN_NS + 3 * DAY_NS}
    graph = await lab.streams.get_graph(lab.id, BEGIN_NS, BEGIN_NS + 5 * SECOND_NS, 200)
    assert graph.granularity is Granularity.Seconds
    assert graph.columns["count"].tolist() == [50] * 5

"""What questions are answered where something was removed, and while something goes."""

import asyncio

import numpy as np
import pytest

from labmon.datastream import Granularity, Retention
from labmon.datastream.exceptions import DatastreamException
from labmon.datastream.retained import DAY_NS
from tests.unit.engine.retention_lab import BEGIN_NS, PER_DAY, SECOND_NS, TEN_DAYS

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

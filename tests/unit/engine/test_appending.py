"""What is taken, what is refused and why, and what happens while the store is away."""

import asyncio
import datetime
from decimal import Decimal

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import Granularity, exceptions
from labmon.reading import Batch, Quality

PATHS = ("w/a", "w/b", "w/_state")


@pytest.fixture
async def ids(streams):
    made = [await streams.ensure_stream({"path": p}, {}, ["mean"], "raw") for p in PATHS[:2]]
    made.append(
        await streams.ensure_stream({"path": PATHS[2]}, {}, [], "raw", value_type="nominal")
    )
    return made


async def points(streams, stream):
    return await (await streams.get_data(stream, "raw", 0)).fetch()


async def test_append_returns_the_datapoint(streams, ids, clock):
    told = await streams.append(ids[0], 1.5)
    assert told == {
        "stream_id": ids[0],
        "granularity": Granularity.Raw,
        "datapoint": {"t": clock(), "v": 1.5},
    }
    told = await streams.append(ids[0], 2, clock() + 1, quality=Quality.LIMIT)
    assert told["datapoint"] == {"t": clock() + 1, "v": 2, "quality": Quality.LIMIT}


@pytest.mark.parametrize(
    ("timestamp", "time_ns"),
    [
        (0, 0),
        (np.int64(17), 17),
        (2**63 - 2, 2**63 - 2),
        (datetime.datetime(1970, 1, 1, 0, 0, 1), 10**9),  # noqa: DTZ001 - naive means UTC
        (datetime.datetime(2262, 1, 1, tzinfo=datetime.UTC), 9214646400 * 10**9),
        (np.datetime64("1970-01-02"), 86400 * 10**9),
        (np.datetime64("2023-11-14T22:13:20.123456789"), 1_700_000_000_123_456_789),
    ],
)
async def test_times_are_taken_in_three_forms(streams, ids, timestamp, time_ns):
    told = await streams.append(ids[0], 1.0, timestamp)
    assert told["datapoint"]["t"] == time_ns


@pytest.mark.parametrize(
    "timestamp",
    [
        *(-1, 2**63 - 1, 2**63, 1e30, 1.5, True, "now"),
        *(np.datetime64("NaT"), np.datetime64("2300-01-01"), np.datetime64(99999999, "Y")),
    ],
)
async def test_odd_times_are_refused(streams, ids, timestamp):
    with pytest.raises(exceptions.InvalidTimestamp):
        await streams.append(ids[0], 1.0, timestamp)
    assert await points(streams, ids[0]) == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "no number"),
        ("1.5", "no number"),
        ([1], "no number"),
        (2**63, "64 bits"),
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        pytest.param(10**5000, "64 bits", id="5001 digits"),
        (1j, "no number"),
        (np.bool_(True), "no number"),
    ],
)
async def test_what_is_no_number_is_refused_with_a_reason(streams, ids, value, reason):
    with pytest.raises((exceptions.UnsupportedValueType, ValueError), match=reason):
        await streams.append(ids[0], value)
    rejected = await streams.append_batch(Batch("w", 5, PATHS[:2], (value, 2.0), bytes(2)))
    assert [(r.index, r.path) for r in rejected] == [(0, "w/a")]
    assert reason in rejected[0].reason
    assert [p["v"] for p in await points(streams, ids[1])] == [2.0]


async def test_numpy_numbers_are_numbers(streams, ids):
    for value in (np.float32(0.5), np.float64(1.5), np.int32(2), np.uint64(3)):
        await streams.append(ids[0], value)
    found = [p["v"] for p in await points(streams, ids[0])]
    assert found == [0.5, 1.5, 2, 3]
    assert [type(v) for v in found] == [float, float, int, int]


async def test_a_batch_takes_what_it_can(streams, ids):
    batch = Batch(
        "w", 7, (*PATHS, "w/none"), (1, float("nan"), {"x": [1]}, 3.0), b"\x00\x10\x00\x00"
    )
    rejected = await streams.append_batch(batch)
    assert rejected == ((3, "w/none", "there is no stream 'w/none'"),)
    assert await points(streams, ids[0]) == [{"t": 7, "v": 1}]
    assert await points(streams, ids[1]) == [{"t": 7, "v": None, "quality": 16}]
    assert streams.latest(ids[1]) == (7, None, 16)
    assert streams.latest(ids[2]) == (7, {"x": [1]}, 0)


async def test_a_nominal_value_is_frozen_when_it_is_appended(streams, ids):
    value = {"list": [1]}
    await streams.append(ids[2], value)
    value["list"].append(2)
    assert (await points(streams, ids[2]))[0]["v"] == {"list": [1]}
    with pytest.raises(exceptions.UnsupportedValueType, match="no JSON"):
        await streams.append(ids[2], object())


async def test_equal_times_are_all_kept_in_order(streams, ids):
    for value in (3.0, 1.0, 2.0):
        await streams.append(ids[0], value, 5)
    assert [p["v"] for p in await points(streams, ids[0])] == [3.0, 1.0, 2.0]


async def test_a_late_value_is_refused_unless_it_is_wanted(streams, ids):
    await streams.append(ids[0], 1.0, 10)
    with pytest.raises(exceptions.InvalidTimestamp):
        await streams.append(ids[0], 0.0, 9)
    told = await streams.append(ids[0], 0.0, 9, check_timestamp=False)
    assert told["datapoint"]["quality"] == Quality.LATE
    assert [p["v"] for p in await points(streams, ids[0])] == [0.0, 1.0]
    assert streams.latest(ids[0]) == (10, 1.0, 0)
    assert streams.describe(ids[0])["earliest_datapoint"] == 9


async def test_only_the_late_readings_of_a_batch_are_flagged(streams, ids):
    await streams.append(ids[0], 1.0, 10)
    await streams.append_batch(Batch("w", 8, PATHS[:2], (2.0, 3.0), bytes(2)))
    assert [p.get("quality") for p in await points(streams, ids[0])] == [Quality.LATE, None]
    assert await points(streams, ids[1]) == [{"t": 8, "v": 3.0}]


@pytest.mark.parametrize("value", [2.0, 2])  # the quick way, and the careful one
async def test_what_has_the_time_of_the_newest_is_not_late(streams, ids, value):
    await streams.append_batch(Batch("w", 10, PATHS[:1], (1.0,), bytes(1)))
    await streams.append_batch(Batch("w", 10, PATHS[:1], (value,), bytes(1)))
    assert [p.get("quality") for p in await points(streams, ids[0])] == [None, None]


async def test_a_batch_is_for_the_streams_that_there_are_now(streams, ids):
    poll = Batch("w", 10, ("w/a", "w/new"), (1.0, 2.0), bytes(2))
    assert [one.path for one in await streams.append_batch(poll)] == ["w/new"]
    new = await streams.ensure_stream({"path": "w/new"}, {}, ["mean"], "raw")
    assert await streams.append_batch(poll) == ()
    assert streams.latest(new) == (10, 2.0, 0)
    await streams.delete_streams({"path": "w/new"})
    assert [one.path for one in await streams.append_batch(poll)] == ["w/new"]


async def test_arrays_are_checked(streams, ids):
    t = np.arange(5)
    await streams.append_array(ids[0], t, [1, 2, 3, 4, 5], np.array([0, 0, 1, 0, 0], np.uint8))
    found = await points(streams, ids[0])
    assert [p["v"] for p in found] == [1, 2, 3, 4, 5]
    assert found[2]["quality"] == 1
    await streams.append_array(ids[0], (t + 1).astype("datetime64[s]"), np.arange(5.0))
    for times, values, error in [
        ([20 * 10**9, 1], [1.0, 2.0], exceptions.InvalidTimestamp),
        ([1], [1.0], exceptions.InvalidTimestamp),
        ([1.5], [1.0], exceptions.InvalidTimestamp),
        ([10**18], [1.0, 2.0], ValueError),
        ([10**18], [True], exceptions.UnsupportedValueType),
        ([10**18], ["x"], exceptions.UnsupportedValueType),
    ]:
        with pytest.raises(error):
            await streams.append_array(ids[0], times, values)
    assert len(await points(streams, ids[0])) == 10


async def test_a_malformed_id_is_not_found(streams):
    for wrong in ("", "nobody", None, 7, b"id"):
        with pytest.raises(exceptions.StreamNotFound):
            await streams.append(wrong, 1.0)
        with pytest.raises(exceptions.StreamNotFound):
            await streams.get_data(wrong, "raw", 0)


async def test_decimals_are_exact(streams):
    stream = await streams.ensure_stream(
        {"path": "d"}, {}, ["mean"], "raw", value_type_options={"high_accuracy": True}
    )
    text = "384.2304844680123456789012345678901"
    for value in (text, Decimal(text), 2, 0.1, None):
        await streams.append(stream, value)
    found = [p["v"] for p in await points(streams, stream)]
    assert found == [Decimal(text), Decimal(text), Decimal(2), Decimal("0.1"), None]
    rows = await streams.get_arrays(stream, "days", 0, 2**62, ["mean"])
    assert rows["mean"][0] == pytest.approx(192.640242234)
    with pytest.raises(exceptions.UnsupportedValueType):
        await streams.append(stream, "one")


async def test_a_group_of_appends_is_one_entry(streams, ids, backend):
    await streams.commit()
    backend.asked.clear()
    for i in range(50):
        await streams.append_batch(Batch("w", i, PATHS[:2], (1.0, 2.0), bytes(2)))
    await streams.commit()
    assert [len(change.entries) for change in backend.asked] == [1]
    assert streams.durable_seq == 100


async def test_a_failed_commit_is_tried_again_with_the_same_entry(
    streams, ids, backend, until, caplog
):
    await streams.commit()
    backend.refuse = True
    await streams.append(ids[0], 1.0, 1)
    backend.asked.clear()
    await until(lambda: len(backend.asked) >= 2)
    assert not streams.is_healthy
    assert "disk is full" in streams.last_error
    assert streams.pending_bytes > 0
    await streams.append(ids[0], 2.0, 2)
    assert [p["v"] for p in await points(streams, ids[0])] == [1.0, 2.0]
    backend.refuse = False
    await streams.commit()
    assert backend.asked[0] is backend.asked[1]
    assert streams.is_healthy
    assert streams.last_error is None
    assert streams.pending_bytes == 0
    assert streams.durable_seq == 2
    messages = [record.message for record in caplog.records if record.name.startswith("labmon")]
    assert len(messages) == 2, "it is said once, and its end once"


async def test_what_there_is_no_room_for_is_refused_until_there_is(backend, clock):
    from labmon import datastream

    async with datastream.open(backend, clock=clock, spool_bytes=2000) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.commit()
        backend.refuse = True
        taken = 0
        while streams.pending_bytes < 2000:
            await streams.append_batch(Batch("w", taken, ("w/a",), (1.5,), bytes(1)))
            taken += 1
        assert 20 < taken < 40
        with pytest.raises(exceptions.StreamAppendFailed):
            await streams.append_batch(Batch("w", taken, ("w/a",), (1.5,), bytes(1)))
        with pytest.raises(exceptions.StreamAppendFailed):
            await streams.append(stream, 1.0, 100)
        assert len(await points(streams, stream)) == taken
        backend.refuse = False
        while streams.pending_bytes:
            await streams.progress()
        await streams.append_batch(Batch("w", 100, ("w/a",), (7.0,), bytes(1)))
        assert (await points(streams, stream))[-1] == {"t": 100, "v": 7.0}


@pytest.mark.parametrize("quality", [-1, 256, 1.5, "ok", True, 10**30])
async def test_what_is_no_quality_is_refused_and_nothing_is_half_there(streams, ids, quality):
    with pytest.raises(ValueError, match="quality"):
        await streams.append(ids[0], 1.0, 5, quality=quality)
    with pytest.raises(ValueError, match="quality"):
        await streams.append_multiple(
            [
                {"stream_id": ids[1], "value": 1.0, "timestamp": 5},
                {"stream_id": ids[0], "value": 1.0, "timestamp": 5, "quality": quality},
            ]
        )
    with pytest.raises(ValueError, match="qualit"):
        await streams.append_array(ids[0], [5, 6], [1.0, 2.0], [quality, quality])
    assert await points(streams, ids[0]) == await points(streams, ids[1]) == []
    await streams.append(ids[0], 1.0, 5, quality=np.uint8(3))
    assert await points(streams, ids[0]) == [{"t": 5, "v": 1.0, "quality": 3}]
    await streams.commit()


async def test_a_slip_of_the_pen_in_a_datapoint_is_refused(streams, ids):
    """`time` for `timestamp` would store it as of now."""
    good = {"stream_id": ids[0], "value": 1.0}
    for wrong in ({**good, "time": 5}, {"stream_id": ids[0]}, {"value": 1.0}, {}):
        with pytest.raises(ValueError, match="a datapoint is"):
            await streams.append_multiple([good, wrong])
    assert await points(streams, ids[0]) == []


async def test_arrays_of_times_beyond_the_years_do_not_wrap_around(streams, ids):
    for wrong in (
        np.array(["2600-01-01"], "datetime64[s]"),  # 2015 in the lower 64 bits
        np.array(["NaT"], "datetime64[ns]"),
        np.array([99999999], "datetime64[Y]"),
        np.array([2**64 - 5], np.uint64),
        np.array([2**63 - 1]),
        np.array([-1]),
        [1.5],
        np.array([1], "datetime64[ps]"),
    ):
        with pytest.raises(exceptions.InvalidTimestamp):
            await streams.append_array(ids[0], wrong, [1.0])
    assert await points(streams, ids[0]) == []
    days = np.array(["1970-01-02", "2262-04-10"], "datetime64[D]")
    await streams.append_array(ids[0], days, [1.0, 2.0])
    assert [p["t"] for p in await points(streams, ids[0])] == [86400 * 10**9, 9223200000 * 10**9]


async def test_the_last_nanosecond_of_2262_is_the_end_of_every_range(streams, ids):
    """Half-open ranges need one nanosecond behind the last datapoint."""
    last = 2**63 - 2
    with pytest.raises(exceptions.InvalidTimestamp):
        await streams.append(ids[0], 1.0, last + 1)
    for t in (5, last - 1, last):
        await streams.append(ids[0], 1.0, t)
    for end in ({}, {"end": last}, {"end": last + 1}, {"end_exclusive": last + 1}):
        found = await streams.get_data(ids[0], "raw", 0, **end)
        assert [p["t"] for p in await found.fetch()] == [5, last - 1, last]
        assert await found.count() == 3
        days = await streams.get_data(ids[0], "days", 0, reverse=True, **end)
        assert [p["v"]["c"] for p in await days.fetch()] == [2, 1]


async def test_a_batch_of_another_time_is_refused_as_a_whole(streams, ids):
    for time_ns in (-1, 2**63 - 1, 2**80):
        refused = await streams.append_batch(Batch("w", time_ns, PATHS[:2], (1.0, 2.0), bytes(2)))
        assert [r.path for r in refused] == list(PATHS[:2])
        assert "1970" in refused[0].reason
    assert await points(streams, ids[0]) == []


async def test_a_clock_that_is_off_is_refused_as_a_time(streams, ids, clock):
    for now_ns in (-5, 2**63):
        clock.now_ns = now_ns
        with pytest.raises(exceptions.InvalidTimestamp):
            await streams.append(ids[0], 1.0)
        with pytest.raises(exceptions.InvalidTimestamp):
            await streams.append_multiple([{"stream_id": ids[0], "value": 1.0}])
        clock.now_ns = 7
    await streams.append(ids[0], 1.0)
    assert [p["t"] for p in await points(streams, ids[0])] == [7]


async def test_an_array_is_checked_as_single_values_are(streams, ids):
    graph = await streams.ensure_stream({"path": "g"}, {}, [], "raw", value_type="graph")
    exact = await streams.ensure_stream(
        {"path": "d"}, {}, [], "raw", value_type_options={"high_accuracy": True}
    )
    with pytest.raises(exceptions.UnsupportedValueType):
        await streams.append_array(graph, [1], [1])
    with pytest.raises(exceptions.UnsupportedValueType):
        await streams.append_array(ids[0], [1], [True])
    await streams.append_array(ids[2], [1, 2], [0.5, 1.5])
    await streams.append_array(exact, [1, 2], [1, 2])
    await streams.append_array(exact, [3], [0.1])
    assert [p["v"] for p in await points(streams, ids[2])] == [0.5, 1.5]
    assert [p["v"] for p in await points(streams, exact)] == [
        Decimal(1),
        Decimal(2),
        Decimal("0.1"),
    ]


async def test_what_would_lose_digits_is_refused_with_the_way_out(streams, ids):
    with pytest.raises(exceptions.UnsupportedValueType, match="high_accuracy"):
        await streams.append(ids[0], Decimal("0.1"))


async def test_who_waits_for_a_commit_is_told_that_the_store_was_closed_before(backend, clock):
    """And not cancelled, as if it were his own doing."""
    opened = datastream.open(backend, clock=clock, seal_datapoints=64)
    await opened.start()
    stream = await opened.ensure_stream({"path": "w/a"}, {}, [], "raw")
    await opened.commit()
    backend.refuse = True
    await opened.append(stream, 1.0, 1)
    committing = asyncio.create_task(opened.commit())
    importing = asyncio.create_task(opened.append_array(stream, range(2, 102), [1.0] * 100))
    await asyncio.sleep(0.01)
    await opened._engine.close(0.05)
    for waiting in (committing, importing):
        with pytest.raises(exceptions.StreamAppendFailed, match="closed before"):
            await asyncio.wait_for(waiting, 30)

"""Which derived streams can be made, and which are refused with a reason."""

import logging
import warnings

import pytest

from labmon import datastream
from labmon.datastream import Granularity, exceptions
from labmon.datastream.derive_mark import Mark, thinned
from labmon.datastream.derived import StoredMark
from labmon.reading import Batch


async def make(streams, path="w/a", downsamplers=("mean",), granularity="raw", **options):
    return await streams.ensure_stream({"path": path}, {}, downsamplers, granularity, **options)


async def derive(streams, sources, op, args=None, path="d/x", **options):
    return await make(streams, path, derive_from=sources, derive_op=op, derive_args=args, **options)


@pytest.mark.parametrize(
    ("op", "args", "options", "error"),
    [
        ("cube", None, {}, exceptions.UnsupportedDeriveOperator),
        (None, None, {}, exceptions.UnsupportedDeriveOperator),
        ("scale", None, {}, exceptions.InvalidOperatorArguments),
        ("scale", {"a": 1, "c": 2}, {}, exceptions.InvalidOperatorArguments),
        ("scale", {"a": 1}, {"value_type": "nominal"}, exceptions.IncompatibleTypes),
        ("derivative", None, {"value_type_options": {"high_accuracy": True}}, TypeError),
        ("ratio", None, {}, exceptions.InvalidOperatorArguments),
    ],
)
async def test_what_makes_no_sense_is_refused(streams, op, args, options, error):
    source = await make(streams)
    with pytest.raises(error):
        await derive(streams, [source], op, args, **options)
    assert streams.paths() == ["w/a"]
    assert streams.describe(source)["contributes_to"] == []


async def test_sources_are_checked(streams):
    source = await make(streams)
    words = await make(streams, "w/state", ["count"], value_type="nominal")
    slow = await make(streams, "w/slow", granularity="minutes")
    plain = await make(streams, "w/plain", [])
    with pytest.raises(exceptions.StreamNotFound):
        await derive(streams, ["nobody"], "derivative")
    with pytest.raises(exceptions.InvalidOperatorArguments):
        await derive(streams, [{"stream": source, "unit": "V"}], "derivative")
    with pytest.raises(exceptions.InvalidOperatorArguments):
        await derive(streams, source, "derivative")
    with pytest.raises(exceptions.InvalidOperatorArguments):
        await derive(streams, None, "derivative")
    with pytest.raises(exceptions.InvalidOperatorArguments):
        await make(streams, "d/x", derive_args={"a": 1})
    with pytest.raises(exceptions.IncompatibleTypes):
        await derive(streams, [words], "derivative")
    with pytest.raises(exceptions.IncompatibleGranularities, match="Minutes"):
        await derive(streams, [slow], "derivative")
    with pytest.raises(exceptions.IncompatibleGranularities, match="never downsampled"):
        await derive(streams, [plain], "derivative", granularity="hours")
    assert await derive(streams, [slow, source], "sum", granularity="hours")


async def test_raw_sources_of_several_devices_need_to_be_held(streams):
    one, other = await make(streams), await make(streams, "x/b")
    with pytest.raises(exceptions.InvalidOperatorArguments, match="hold_s"):
        await derive(streams, [one, other], "sum")
    assert await derive(streams, [one, other], "sum", {"align": {"hold_s": 2}})
    assert await derive(streams, [one, other], "sum", path="d/min", granularity="minutes")


async def test_a_derivation_is_never_changed(streams):
    source = await make(streams)
    derived = await derive(streams, [source], "scale", {"a": 2})
    assert await derive(streams, [source], "scale", {"a": 2}) == derived
    for sources, op, args in [
        ([source], "scale", {"a": 3}),
        ([source], "derivative", None),
        ([derived], "scale", {"a": 2}),
        (None, None, None),
    ]:
        with pytest.raises(exceptions.InconsistentStreamConfiguration):
            await derive(streams, sources, op, args)


async def test_nobody_appends_to_a_derived_stream(streams):
    derived = await derive(streams, [await make(streams)], "derivative")
    with pytest.raises(exceptions.AppendToDerivedStreamNotAllowed):
        await streams.append(derived, 1.0)
    with pytest.raises(exceptions.AppendToDerivedStreamNotAllowed):
        await streams.append_array(derived, [1], [1.0])
    with pytest.raises(exceptions.AppendToDerivedStreamNotAllowed):
        await streams.append_multiple([{"stream_id": derived, "value": 1.0}])
    assert len(await streams.append_batch(Batch("d", 1, ("d/x",), (1.0,), bytes(1)))) == 1


async def test_the_type_follows_the_operator(streams):
    source = await make(streams)
    resets = await derive(streams, [source], "counter_reset", downsamplers=["count"])
    assert streams.describe(resets)["value_type"] == "nominal"
    rate = await derive(
        streams, [{"name": "reset", "stream": resets}, {"stream": source}], "counter_derivative",
        path="d/rate",
    )  # fmt: skip
    for i, value in enumerate([1.0, 3.0, 0.0, 2.0]):
        await streams.append(source, value, i * 10**9)
    await streams.backprocess_streams()
    assert (await streams.get_arrays(rate, "raw", 0, 10**12))["v"].tolist() == [2.0, 2.0]
    assert streams.describe(resets)["contributes_to"] == [rate]


async def test_buckets_of_a_derived_stream_are_those_that_are_finished(streams, clock):
    one, other = await make(streams), await make(streams, "x/b")
    total = await derive(streams, [one, other], "sum", granularity=Granularity.Seconds10)
    for i in range(25):
        await streams.append(one, float(i), i * 10**9)
        await streams.append(other, 100.0, i * 10**9)
    await streams.backprocess_streams()
    found = await streams.get_arrays(total, "Seconds10", 0, 10**12)
    assert found["t"].tolist() == [0, 10 * 10**9]
    assert found["v"].tolist() == [104.5, 114.5]


async def test_what_has_no_value_is_said_once_and_left_out(streams, caplog):
    source = await make(streams)
    slope = await derive(streams, [source], "derivative")
    for time_ns in (0, 0, 10**9, 10**9, 2 * 10**9):
        await streams.append(source, 1.0 * time_ns, time_ns)
    with caplog.at_level(logging.WARNING):
        await streams.backprocess_streams()
    assert (await streams.get_arrays(slope, "raw", 0, 10**12))["v"].tolist() == [1e9, 1e9]
    assert len(caplog.records) == 1
    caplog.clear()


def test_points_are_dense_where_they_are_new_and_sparse_where_they_are_old():
    points = []
    for number in range(5000):
        points = thinned([*points, StoredMark(number, number, 0)])
        for age in (0, 1, 3, 10, 100, 1000):
            wanted = number - age
            if wanted >= 0:
                nearest = max(p.number for p in points if p.number <= wanted)
                assert wanted - nearest <= max(age, 4)
    assert len(points) < 60
    assert points[0].number == 0


def test_a_damaged_mark_is_never_believed():
    from labmon.datastream.columns import Columns

    mark = Mark(1, 2, 0, 3, Columns.from_values([1, 2], [1.0, None]), {"x": 1.5}, {})
    record = mark.encode()
    again = Mark.decode(record)
    assert again.head.python_values() == [1.0, None]
    assert again.state == {"x": 1.5}
    for at in range(len(record)):
        with pytest.raises(exceptions.DamagedBlock):
            Mark.decode(record[:at] + bytes((record[at] ^ 1,)) + record[at + 1 :])


SECOND_NS = 1_000_000_000


async def twice_at_one_time(streams, source, now_ns):
    """Datapoints of which some have no derivative, worked in one after the other."""
    for i, second in enumerate((0, 1, 1, 2, 2, 3)):
        await streams.append(source, float(i), now_ns + second * SECOND_NS)
        await streams.backprocess_streams()


async def test_where_there_is_no_value_the_user_is_warned_once_for_a_stream(streams, clock):
    source, other = await make(streams), await make(streams, "w/b")
    derived = await derive(streams, [source], "derivative")
    await derive(streams, [other], "derivative", path="d/y")
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        await twice_at_one_time(streams, source, clock())
        await twice_at_one_time(streams, other, clock())
    assert [(one.category, str(one.message).partition(":")[0]) for one in given] == [
        (exceptions.InvalidValueWarning, "d/x"),
        (exceptions.InvalidValueWarning, "d/y"),
    ]
    assert "derivative has no value for 1 datapoints" in str(given[0].message)
    points = await (await streams.get_data(derived, "raw", start=0)).fetch(slice(None))
    assert [point["v"] for point in points] == [1.0, 1.0, 1.0]


async def test_a_filter_that_makes_errors_of_warnings_stops_no_derived_stream(
    streams, clock, caplog
):
    source = await make(streams)
    derived = await derive(streams, [source], "derivative")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await twice_at_one_time(streams, source, clock())
    points = await (await streams.get_data(derived, "raw", start=0)).fetch(slice(None))
    assert [point["v"] for point in points] == [1.0, 1.0, 1.0]
    (line,) = caplog.records
    assert line.getMessage().startswith("d/x: derivative has no value")


async def test_a_warning_from_another_thread_leaves_the_filters_alone(streams, clock, monkeypatch):
    monkeypatch.setattr("labmon.datastream.derive_state.INLINE", 0)
    source = await make(streams)
    await derive(streams, [source], "derivative")
    before = list(warnings.filters)
    with pytest.warns(exceptions.InvalidValueWarning, match="^d/x: derivative"):
        await twice_at_one_time(streams, source, clock())
    assert warnings.filters == before


async def test_a_mark_that_fails_at_the_end_costs_no_readings(
    backend, streams, monkeypatch, caplog
):
    """Nor does it leave the store open."""
    source = await make(streams)
    await streams.commit()

    async def fail():
        raise RuntimeError("a bug")

    monkeypatch.setattr(streams._engine.deriver, "mark", fail)
    streams.append_batch_now(Batch("w", 5, ("w/a",), (1.5,), b"\0", 1))
    await streams.close()
    assert "derived streams go on from an earlier mark" in caplog.text
    assert streams._engine.journal.pending_readings == 0
    async with datastream.open(backend) as again:
        assert (await again.get_arrays(source, "raw", 0, 10))["v"].tolist() == [1.5]

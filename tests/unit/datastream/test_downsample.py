"""Every statistic against exact fractions, for random data, buckets and merges."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labmon.datastream.columns import Columns
from labmon.datastream.downsample import (
    coarsen,
    downsampled_times,
    downsampled_values,
    roll_up,
    total,
)
from labmon.datastream.exceptions import UnsupportedDownsampler
from labmon.datastream.granularity import Granularity
from labmon.datastream.rollups import FIELDS, Rollups
from labmon.reading import Quality

QUALITIES = (
    Quality.OK,
    Quality.LIMIT | Quality.SIMULATED,
    Quality.FAULT | Quality.LATE,
    Quality.NO_SIGNAL,
    Quality.CLOCK_STEP,
)
UNDERFLOW = Fraction(1, 10**300)
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda n: n / 1000),
    st.floats(-1e9, 1e9),
    st.integers(-(2**53), 2**53),
    st.sampled_from([None, math.inf, -math.inf, 0.1, -0.0]),
)
ROWS = st.lists(
    st.tuples(st.integers(0, 2000), NUMBERS, st.sampled_from(QUALITIES)), min_size=1, max_size=80
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


def columns_of(rows):
    times, values, qualities = zip(*rows, strict=True)
    return Columns.from_values(times, values, qualities)


def exactly(rows, bucket_ns):
    """Rollups in exact fractions, by the definition: a list of dicts, one for each bucket."""
    buckets = {}
    for row in rows:
        buckets.setdefault(row[0] - row[0] % bucket_ns, []).append(row)
    return [exact_bucket(start, inside) for start, inside in buckets.items()]


def exact_bucket(start, rows) -> dict[str, Any]:
    def is_usable(quality):
        return quality & Quality.CODE_MASK in (Quality.OK, Quality.LIMIT)

    counted = [
        (t, Fraction(v))
        for t, v, q in rows
        if v is not None and not (isinstance(v, float) and math.isinf(v)) and is_usable(q)
    ]
    values = [v for _, v in counted]
    times = [t for t, _ in counted] or [t for t, _, _ in rows]
    mean = sum(values, Fraction(0)) / len(values) if values else Fraction(0)
    is_inf = [isinstance(v, float) and math.isinf(v) for _, v, _ in rows]
    flags = 0
    for _, _, quality in rows:
        flags |= quality & Quality.FLAG_MASK
    return {
        "t": start,
        "t_first": times[0],
        "t_last": times[-1],
        "t_mean": sum(times) // len(times) if values else (times[0] + times[-1]) // 2,
        "count": len(values),
        "bad": sum(not is_usable(q) or inf for (_, _, q), inf in zip(rows, is_inf, strict=True)),
        "flags": flags,
        "sum": sum(values),
        "mean": mean if values else None,
        "m2": sum((v - mean) ** 2 for v in values) if values else 0,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "first": values[0] if values else None,
        "last": values[-1] if values else None,
    }


def assert_close(rollups, expected, ulps=4):
    """Equal where that can be asked, else as close as the largest number involved allows."""
    assert len(rollups) == len(expected)
    for i, bucket in enumerate(expected):
        largest = max(abs(bucket["min"] or 0), abs(bucket["max"] or 0))
        count = max(bucket["count"], 1)
        resolution = Fraction(2) ** -52 * largest * ulps
        spread = (bucket["max"] or 0) - (bucket["min"] or 0)
        allowed = {
            "t_mean": 3,
            "sum": resolution * count,
            "mean": resolution,
            # (x + e)^2 = x^2 + 2xe + e^2, and rounding of the squares themselves
            "m2": count
            * (2 * spread * resolution + resolution**2 + spread**2 * Fraction(1, 2**48)),
        }
        assert rollups.t[i] == bucket["t"]
        for name in FIELDS:
            found, right = rollups[name][i], bucket[name]
            if right is None:
                assert math.isnan(found), name
            elif name in allowed:
                assert abs(Fraction(found.item()) - right) <= allowed[name] + UNDERFLOW, (
                    name,
                    found,
                    right,
                )
            else:
                assert found == (right if isinstance(right, int) else float(right)), name


@given(ROWS, st.sampled_from([1, 7, 100, 1000, 10_000]))
def test_rollups_are_what_exact_fractions_give(rows, bucket_ns):
    assert_close(roll_up(columns_of(rows), bucket_ns), exactly(rows, bucket_ns))


@given(ROWS)
def test_rolling_up_level_by_level_gives_what_rolling_up_at_once_gives(rows):
    rollups = roll_up(columns_of(rows), 10)
    for bucket_ns in (50, 100, 1000):
        rollups = coarsen(rollups, bucket_ns)
        assert_close(rollups, exactly(rows, bucket_ns), ulps=16)


@given(ROWS)
def test_the_total_is_one_bucket_of_everything(rows):
    (expected,) = exactly(rows, 10**6)
    whole = total(roll_up(columns_of(rows), 10))
    expected["t"] = rows[0][0] - rows[0][0] % 10
    assert_close(whole, [expected], ulps=16)


@given(ROWS, st.integers(0, 80))
def test_the_parts_of_a_bucket_join_wherever_they_are_cut(rows, cut):
    parts = [columns_of(part) for part in (rows[:cut], rows[cut:]) if part]
    joined = Rollups.concatenate([roll_up(part, 100) for part in parts])
    assert_close(coarsen(joined, 100), exactly(rows, 100), ulps=16)


@given(ROWS, st.data())
def test_late_data_that_overlaps_in_time_joins_too(rows, data):
    is_late = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    parts = [
        [row for row, late in zip(rows, is_late, strict=True) if late is wanted]
        for wanted in (False, True)
    ]
    rollups = [roll_up(columns_of(part), 100) for part in parts if part]
    joined = Rollups.concatenate(rollups)
    joined = coarsen(joined.rows(np.argsort(joined.t, kind="stable")), 100)
    in_arrival = sorted([*parts[0], *parts[1]], key=lambda row: row[0])
    assert_close(joined, exactly(in_arrival, 100), ulps=16)


def test_a_laser_that_scatters_by_less_than_a_megahertz_keeps_its_deviation():
    offsets = np.resize([8.8e-7, -8.8e-7], 60)
    columns = Columns(np.arange(60) * 10**9, 632.991234 + offsets)
    rollups = roll_up(columns, Granularity.Minutes.duration_ns)
    deviation = downsampled_values(rollups, "std_dev")[0]
    assert deviation == pytest.approx(8.8e-7, rel=1e-6)  # 632.99 as a float has steps of 1e-13


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_a_deviation_of_one_survives_on_a_million_billions(dtype):
    values = (10**15 + np.resize([1, -1], 86_400)).astype(dtype)
    columns = Columns(np.arange(86_400) * 10**9, values)
    rollups = roll_up(columns, Granularity.Seconds10.duration_ns)
    for granularity in Granularity.values[2:]:
        rollups = coarsen(rollups, granularity.duration_ns)
        np.testing.assert_allclose(downsampled_values(rollups, "std_dev"), 1.0, rtol=1e-9)


def test_counters_beyond_a_float_keep_their_deviation():
    columns = Columns.from_values(range(4), [2**62, 2**62 + 2, 2**62, 2**62 + 2])
    # the sum would overflow, so floats are taken: their steps are 1024 there, and no worse
    assert downsampled_values(roll_up(columns, 10), "std_dev")[0] <= 1024
    columns = Columns.from_values(range(4), [2**59, 2**59 + 2, 2**59, 2**59 + 2])
    assert downsampled_values(roll_up(columns, 10), "std_dev")[0] == 1.0


def test_the_sum_of_decimals_is_the_decimal_that_a_person_expects():
    rollups = roll_up(Columns.from_values(range(10), [0.1] * 10), 10)
    assert rollups["sum"].tolist() == [1.0]
    assert rollups["mean"].tolist() == [0.1]
    assert rollups["m2"].tolist() == [0.0]


def test_extremes_of_the_floats_overflow_to_infinity_and_never_to_nan():
    columns = Columns.from_values(range(4), [1.7e308, -1.7e308, 1.7e308, 1.7e308])
    rollups = roll_up(columns, 10)
    assert rollups["mean"].tolist() == [0.85e308]
    assert rollups["m2"].tolist() == [math.inf]
    merged = coarsen(roll_up(columns, 1), 10)
    assert merged["mean"].tolist() == pytest.approx([0.85e308])
    assert merged["m2"].tolist() == [math.inf]
    assert rollups["max"].tolist() == merged["max"].tolist() == [1.7e308]


@pytest.mark.parametrize("values", [[1e200, 1e160, -3e200], [1e155] * 3 + [-1e155], [1e300, 1.0]])
def test_squares_of_large_numbers_overflow_to_infinity_and_never_to_nan(values):
    columns = Columns.from_values(range(len(values)), values)
    for rollups in (roll_up(columns, 10), coarsen(roll_up(columns, 2), 10)):
        assert rollups["m2"].tolist() == [math.inf]
        assert downsampled_values(rollups, "std_dev").tolist() == [math.inf]
        assert rollups["mean"].tolist() == pytest.approx([math.fsum(values) / len(values)])


def test_buckets_of_gaps_only_are_there_and_count_nothing():
    columns = Columns.from_values([5, 15, 16], [None, 1.0, None], [0, Quality.FAULT, 0])
    rollups = roll_up(columns, 10)
    assert rollups["count"].tolist() == [0, 0]
    assert rollups["bad"].tolist() == [0, 1]
    assert np.isnan(rollups["mean"]).all()
    for name in ("mean", "min", "max", "std_dev"):
        assert np.isnan(downsampled_values(rollups, name)).all()
    for name in ("sum", "sum_squares", "count"):
        assert downsampled_values(rollups, name).tolist() == [0, 0]
    merged = coarsen(rollups, 100)
    assert merged["count"].tolist() == [0]
    assert np.isnan(merged["mean"]).all()
    assert (merged["t_first"][0], merged["t_last"][0]) == (5, 16)


def test_only_the_fields_that_are_there_are_merged():
    rollups = roll_up(Columns.from_values(range(40), [float(i) for i in range(40)]), 10)
    few = Rollups(rollups.t, {name: rollups[name] for name in ("count", "min", "last")})
    merged = coarsen(few, 20)
    assert set(merged.columns) == {"count", "min", "last"}
    assert merged["last"].tolist() == [19.0, 39.0]
    with pytest.raises(KeyError):
        merged["mean"]


def test_nothing_gives_nothing():
    assert len(roll_up(Columns.empty(), 10)) == 0
    assert len(coarsen(Rollups.empty(), 10)) == len(total(Rollups.empty())) == 0
    assert set(Rollups.empty().columns) == set(FIELDS)


def test_times_are_downsampled_by_mean_first_and_last():
    rollups = roll_up(Columns.from_values([10, 11, 15], [1.0, 2.0, 3.0]), 10)
    found = {name: downsampled_times(rollups, name).tolist() for name in ("mean", "first", "last")}
    assert found == {"mean": [12], "first": [10], "last": [15]}
    with pytest.raises(UnsupportedDownsampler, match="mean, first, last"):
        downsampled_times(rollups, "median")


def test_an_unknown_downsampler_is_refused_with_what_there_is():
    with pytest.raises(UnsupportedDownsampler, match="std_dev"):
        downsampled_values(Rollups.empty(), "median")
    with pytest.raises(UnsupportedDownsampler):
        downsampled_values(Rollups.empty(), "most_often")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
@example([0.1, 0.2, 0.3])
def test_answers_equal_numpy(values):
    column = np.array(values)
    rollups = roll_up(Columns(np.arange(len(values)), column), 10**6)
    for name, expected in (
        ("std_dev", column.std()),
        ("mean", column.mean()),
        ("sum_squares", (column**2).sum()),
    ):
        found = downsampled_values(rollups, name)[0]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), name

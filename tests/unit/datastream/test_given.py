import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.columns import Columns
from labmon.datastream.downsample import coarsen, downsampled_values, roll_up
from labmon.reading import Quality

NAMES = ("count", "sum", "mean", "std_dev", "min", "max", "sum_squares")


def told(rollups, names):
    """The rollups as datapoints that somebody appends already downsampled."""
    columns = {name: downsampled_values(rollups, name).tolist() for name in names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    "names", [NAMES, ("count", "mean", "std_dev", "min", "max"), ("count", "sum", "sum_squares")]
)
@given(st.lists(st.integers(-1000, 1000).map(lambda n: n / 10), min_size=1, max_size=60))
def test_downsampled_datapoints_merge_into_what_their_values_give(names, values):
    raw = Columns.from_values(range(len(values)), values)
    fine = roll_up(raw, 7)
    found = roll_up(Columns.from_values(fine.t, told(fine, names)), 21)
    expected = coarsen(fine, 21)
    assert found.t.tolist() == expected.t.tolist()
    for name in {"count", "sum", "mean", "std_dev"} | {*names}:
        close = pytest.approx(downsampled_values(expected, name).tolist(), rel=1e-9, abs=2e-4)
        assert downsampled_values(found, name).tolist() == close, name


def test_numbers_and_gaps_may_stand_beside_them():
    values = [{"mean": 2.0, "count": 3, "min": 1.0, "max": 4.0}, 6, None, "10"]
    rollups = roll_up(Columns.from_values(range(4), values), 10)
    assert rollups["count"].tolist() == [5]
    assert rollups["mean"].tolist() == [4.4]
    assert (rollups["min"][0], rollups["max"][0]) == (1.0, 10.0)
    assert (rollups["first"][0], rollups["last"][0]) == (2.0, 10.0)


def test_bad_ones_and_empty_ones_are_not_counted():
    values = [{"mean": 2.0, "count": 3}, {"count": 0}, {"mean": math.inf, "count": 2}, {"mean": 1}]
    rollups = roll_up(Columns.from_values(range(4), values, [Quality.FAULT, 0, 0, 0]), 10)
    assert rollups["count"].tolist() == [1]
    assert rollups["bad"].tolist() == [5]
    assert rollups["mean"].tolist() == [1.0]
    assert math.isnan(rollups["min"][0])


def test_a_gap_alone_is_a_bucket_that_counts_nothing():
    rollups = roll_up(Columns.from_values([1], [{"mean": None, "count": 0}]), 10)
    assert rollups["count"].tolist() == [0]
    assert math.isnan(rollups["mean"][0])
    assert rollups["m2"].tolist() == [0.0]

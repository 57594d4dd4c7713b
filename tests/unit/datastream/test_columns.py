import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.columns import Columns

INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False))),
    st.lists(st.one_of(st.none(), INT64)),
    st.lists(st.one_of(st.none(), INT64, st.floats(allow_nan=False))),
    st.lists(st.one_of(st.none(), st.text(), st.booleans(), st.lists(st.integers()))),
)


def columns_of(values, start=0, qualities=None):
    return Columns.from_values(range(start, start + len(values)), values, qualities)


def same(one, other):
    """Equal in value and type, -0.0 unlike 0.0."""
    return list(map(repr, one)) == list(map(repr, other))


@given(VALUES)
def test_every_value_comes_back_as_what_it_was(values):
    columns = columns_of(values)
    assert same(columns.python_values(), values)
    assert columns.is_null.tolist() == [value is None for value in values]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1.5, None], np.float64),
        ([None, None], np.float64),
        ([1, 2], np.int64),
        ([1, None], np.int64),
        ([1, 2.5], object),
        ([2**63], object),
        ([True], object),
        ([[1, 2], [3, 4]], object),
    ],
)
def test_the_narrowest_type_is_taken(values, dtype):
    assert columns_of(values).v.dtype == dtype


def test_nan_counts_as_null():
    assert columns_of([1.0, math.nan]).python_values() == [1.0, None]
    assert columns_of([1, 1.0, math.nan]).python_values() == [1, 1.0, None]


@given(st.lists(VALUES))
def test_joined_runs_hold_the_values_of_all(runs):
    joined = Columns.concatenate([columns_of(values) for values in runs])
    assert same(joined.python_values(), [value for values in runs for value in values])


def test_nulls_before_ints_do_not_make_them_floats():
    joined = Columns.concatenate([columns_of([None]), columns_of([2**60 + 1]), columns_of([3])])
    assert joined.v.dtype == np.int64
    assert joined.python_values() == [None, 2**60 + 1, 3]


def test_qualities_are_absent_where_all_are_ok():
    assert columns_of([1.0, 2.0], qualities=b"\0\0").quality is None
    joined = Columns.concatenate([columns_of([1.0]), columns_of([2.0], qualities=b"\x11")])
    assert joined.qualities().tolist() == [0, 0x11]


@given(
    st.lists(st.integers(0, 9)).map(sorted),
    st.lists(st.integers(0, 9)),
)
def test_late_data_is_sorted_in_behind_equal_times_in_its_order(times, late):
    early = Columns.from_values(times, [f"early{i}" for i in range(len(times))])
    merged = early.merged(Columns.from_values(late, [f"late{i}" for i in range(len(late))]))
    arrivals = [*zip(times, early.python_values(), strict=True)]
    arrivals += [(t, f"late{i}") for i, t in enumerate(late)]
    expected = sorted(arrivals, key=lambda arrival: arrival[0])  # stable
    assert [*zip(merged.t.tolist(), merged.python_values(), strict=True)] == expected


def test_a_part_is_half_open_and_shares_memory():
    columns = Columns.from_values([1, 2, 2, 3, 5], [1, None, 3, 4, 5], [0, 1, 2, 3, 4])
    part = columns.between(2, 5)
    assert part.t.tolist() == [2, 2, 3]
    assert part.python_values() == [None, 3, 4]
    assert part.qualities().tolist() == [1, 2, 3]
    assert np.shares_memory(part.v, columns.v)
    assert len(columns.between(6, 9)) == len(columns.between(3, 3)) == 0


def test_rows_are_taken_by_mask_and_by_index():
    columns = Columns.from_values([1, 2, 3], [1, None, 3], b"\1\0\3")
    taken = columns.take(np.array([2, 1]))
    assert taken.python_values() == [3, None]
    assert taken.qualities().tolist() == [3, 0]
    assert columns.take(np.array([True, False, True])).t.tolist() == [1, 3]


def test_numbers_are_floats_with_nan_for_null():
    for values in ([1, None, 3], [1, None, 3.0], ["1", None, "3"]):
        numbers = columns_of(values).numbers()
        assert numbers.dtype == np.float64
        np.testing.assert_array_equal(numbers, [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(columns_of([10**400, -(10**400)]).numbers(), [np.inf, -np.inf])


def test_words_are_no_numbers():
    with pytest.raises(ValueError, match="offline"):
        columns_of(["offline"]).numbers()


def test_the_decimal_step_is_looked_for_once():
    columns = columns_of([0.1, 0.25])
    scaled = columns.scaled()
    assert scaled is not None
    assert scaled.exponent == 2
    assert columns.scaled() is scaled
    assert columns_of([1, 2]).scaled() is None


def test_memory_is_counted():
    assert columns_of([1.0, 2.0], qualities=b"\1\1").nbytes == 2 * (8 + 8 + 1)
    assert Columns.empty().nbytes == 0

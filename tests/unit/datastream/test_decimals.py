import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.decimals import find_scale


def bits(values):
    return values.view(np.int64).tolist()


@given(
    st.integers(0, 22).flatmap(
        lambda digits: st.lists(
            st.integers(-(2**53), 2**53).map(lambda n: n / 10**digits), min_size=1
        )
    )
)
def test_every_decimal_comes_back_bit_for_bit(values):
    column = np.array(values)
    scaled = find_scale(column)
    if scaled is not None:
        floats = scaled.floats()
        floats[scaled.patches] = column[scaled.patches]
        assert bits(floats) == bits(column)


@given(st.lists(st.floats(), min_size=1))
def test_any_float_is_a_decimal_bit_for_bit_or_a_patch(values):
    column = np.array(values)
    scaled = find_scale(column)
    if scaled is not None:
        exact = np.ones(len(column), bool)
        exact[scaled.patches] = False
        assert bits(scaled.floats()[exact]) == bits(column[exact])


@pytest.mark.parametrize(
    ("values", "exponent"),
    [
        ([384.2304845, 384.2304845, 384.23], 7),
        ([1.23e-10, 4.5e-9, 1e-8], 12),
        ([1.0, 2.0, -3.0], 0),
        ([0.0, 0.0], 0),
        ([21.5, 21.55, 21.0], 2),
        ([1e15, 1e15 + 1], 0),
    ],
)
def test_the_exponent_is_the_digits_that_the_instrument_wrote(values, exponent):
    scaled = find_scale(np.array(values))
    assert scaled is not None
    assert scaled.exponent == exponent
    assert len(scaled.patches) == 0


@pytest.mark.parametrize(
    "values", [[0.1 + 0.2, 1.1 + 2.2], [1e300, 1e299], [math.nan] * 3, [-0.0] * 3, [5e-324], []]
)
def test_noise_is_no_decimal(values):
    assert find_scale(np.array(values, np.float64)) is None


def test_what_is_no_decimal_becomes_a_patch_with_the_integer_of_its_neighbour():
    column = np.array([math.nan, 0.5, math.inf, -0.0, 1.5, *[2.5] * 40])
    scaled = find_scale(column)
    assert scaled is not None
    assert scaled.patches.tolist() == [0, 2, 3]
    assert scaled.integers[:5].tolist() == [5, 5, 5, 5, 15]


def test_nulls_may_be_many_but_other_patches_only_few():
    assert find_scale(np.array([0.5, *[math.nan] * 99])) is not None
    assert find_scale(np.array([0.5, 0.25, 0.1 + 0.2, 1.1 + 2.2])) is None


def test_a_digit_that_the_sample_missed_is_found():
    column = np.full(4096, 0.5)
    column[1::2] = 0.125
    column[3::16] = 0.0625
    scaled = find_scale(column)
    assert scaled is not None
    assert scaled.exponent == 4

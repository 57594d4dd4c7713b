"""Cells of plain decimals are the very numbers that Python reads, or left to somebody else."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labmon.transfer.plain_numbers import plain_numbers

PLAIN = st.from_regex(r"\A[+-]?(?:[0-9]{1,15}|[0-9]{0,7}\.[0-9]{1,8}|[0-9]{1,8}\.)\Z")


@given(st.lists(PLAIN, min_size=1))
@example(["-0", "+0", "0"])
@example(["-0.0", "-.0", "0.1", "999999999999999", "-1."])
@example(["0.00000000000001", "-123456789.012345"])
def test_plain_decimals_are_bit_for_bit_what_python_reads(texts):
    found = plain_numbers(np.array([text.encode() for text in texts]))
    assert found is not None
    numbers, is_int = found
    assert is_int.tolist() == ["." not in text for text in texts]
    if is_int.all():
        assert numbers.dtype == np.int64
        assert numbers.tolist() == [int(text) for text in texts]
    else:
        expected = np.array([float(text) for text in texts])
        assert numbers[~is_int].tobytes() == expected[~is_int].tobytes()


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "+", ".", "-.", "--1", "1-", "1.2.3", "1e5", "inf", "nan", "1,5", " 1", "1 "),
        *("0x1", "1_0", "\u0661", "1234567890123456", "0.1234567890123456", "1" * 30),
    ],
)
def test_anything_else_is_left_to_the_slow_way(text):
    assert plain_numbers(np.array([b"1.5", text.encode()])) is None


@given(st.lists(st.text("0123456789.+-e ", max_size=9), min_size=1, max_size=5))
def test_it_never_takes_what_python_does_not(texts):
    found = plain_numbers(np.array([text.encode() for text in texts]))
    if found is not None:
        assert found[0].tolist() == [float(text) for text in texts]

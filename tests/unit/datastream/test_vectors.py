import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream import vectors
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.vectors import Reader

INT64 = st.integers(-(2**63), 2**63 - 1)
INTS = st.one_of(
    st.lists(INT64, min_size=1),
    st.lists(st.integers(-5, 5), min_size=1, max_size=400),
    st.tuples(INT64, st.integers(1, 400)).map(lambda pair: [pair[0]] * pair[1]),
)


def column(values, dtype: Any = np.int64) -> Any:
    return np.array(values, dtype)


def decoded(decode, data, count):
    reader = Reader(data, "test")
    values = decode(reader, count)
    reader.finish()
    return values


@given(INTS)
def test_ints_come_back(values):
    data = vectors.encode_ints(column(values))
    assert decoded(vectors.decode_ints, data, len(values)).tolist() == values


@given(
    st.integers(-(2**63), 2**63 - 1 - 2**32),
    st.sampled_from([(1, 5), (2**16 - 1, 5), (2**16, 5), (2**32 - 1, 5), (2**32, 1)]),
    st.integers(0, 2**32),
)
def test_ints_that_lie_near_one_another_are_narrow(base, spanned, seed):
    span, form = spanned
    between = np.random.default_rng(seed).integers(0, span, 70).tolist()
    values = [base + span, *(base + above for above in between), base]
    encoded = vectors.encode_ints(column(values))
    assert encoded[0] == form
    assert decoded(vectors.decode_ints, encoded, len(values)).tolist() == values


def test_a_width_that_is_none_is_damage():
    encoded = bytearray(vectors.encode_ints(np.arange(100) % 7))
    assert encoded[13] == 2
    for width in (0, 1, 3, 4, 8, 255):
        encoded[13] = width
        with pytest.raises(DamagedBlock):
            vectors.decode_ints(Reader(encoded, "test"), 100)


@given(
    st.integers(0, 2**62),
    st.sampled_from([1, 1000, 10**6, 10**9, 10**12]),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=300),
)
def test_times_come_back_whatever_their_resolution(start, step, gaps):
    times = start + np.cumsum(column(gaps)) * step % 2**61
    data = vectors.encode_times_vector(times)
    assert decoded(vectors.decode_ints, data, len(gaps)).tolist() == times.tolist()


@pytest.mark.parametrize("extreme", [[0, 2**63 - 1], [-(2**63), 2**63 - 1, 5], [2**63 - 1] * 3])
def test_times_that_span_everything_come_back(extreme):
    data = vectors.encode_times_vector(column(extreme))
    assert decoded(vectors.decode_ints, data, len(extreme)).tolist() == extreme


@given(st.lists(st.floats(width=64), min_size=1))
def test_floats_come_back_bit_for_bit(values):
    values = column(values, np.float64)
    data = vectors.encode_floats(values)
    found = decoded(vectors.decode_floats, data, len(values))
    assert found.tobytes() == values.tobytes()


@given(st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from([None, -0.0, np.nan, np.inf]))))
def test_decimals_with_patches_come_back_bit_for_bit(rows):
    values = column([0.5, *(n / 10**5 if odd is None else odd for n, odd in rows)], np.float64)
    data = vectors.encode_floats(values)
    assert decoded(vectors.decode_floats, data, len(values)).tobytes() == values.tobytes()


def test_a_nan_keeps_its_payload():
    values = column([0x7FF8_0000_DEAD_BEEF, 0], np.int64).view(np.float64)
    data = vectors.encode_floats(values)
    assert decoded(vectors.decode_floats, data, 2).tobytes() == values.tobytes()


@given(st.binary())
def test_bytes_come_back(values):
    assert vectors.decode_bytes(Reader(vectors.encode_bytes(values), "test")) == values


def test_what_is_constant_takes_thirteen_bytes_however_long():
    assert len(vectors.encode_ints(np.full(10_000, 7))) == 13
    assert len(vectors.encode_floats(np.full(10_000, np.nan))) == 13


def test_regular_times_take_hardly_any_room():
    assert len(vectors.encode_times_vector(np.arange(4096) * 10**8 + 17 * 10**17)) < 100


def test_mean_times_are_told_in_steps_of_ten_or_a_hundred_nanoseconds():
    """Those of a hundred datapoints at whole microseconds are multiples of ten."""
    spread = np.random.default_rng(1).normal(0, 1e4, 4096).astype(np.int64)
    one, ten = (len(vectors.encode_times_vector(spread * step + 7)) for step in (1, 10))
    assert ten < one + 10  # not three bits more for each


def test_jittered_times_cost_their_jitter_only():
    jitter = np.random.default_rng(1).normal(0, 1e6, 4096).astype(np.int64) // 1000 * 1000
    times = np.arange(4096) * 10**8 + 17 * 10**17 + jitter
    bits = np.log2(1000 * np.sqrt(2 * np.pi * np.e))  # entropy of a deviation of 1000 steps
    assert len(vectors.encode_times_vector(times)) * 8 / 4096 < bits * 1.03


@pytest.mark.parametrize("decode", [vectors.decode_ints, vectors.decode_floats])
@given(data=st.binary(max_size=80), count=st.integers(1, 5000))
def test_any_bytes_are_numbers_or_damaged(decode, data, count):
    with suppress(DamagedBlock):
        assert len(decode(Reader(data, "test"), count)) == count


@pytest.mark.parametrize("tag", [0, 1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("decode", [vectors.decode_ints, vectors.decode_floats])
@given(body=st.binary(max_size=80), count=st.integers(1, 300))
def test_any_body_of_a_known_form_is_numbers_or_damaged(tag, decode, body, count):
    data = struct.pack("<BI", tag, len(body)) + body
    with suppress(DamagedBlock):
        assert len(decode(Reader(data, "test"), count)) == count


def test_bytes_that_tell_of_gigabytes_are_refused_before_memory_is_taken():
    body = struct.pack("<I", 2**32 - 1)
    with pytest.raises(DamagedBlock, match="unknown form"):
        vectors.decode_bytes(Reader(struct.pack("<BI", 4, len(body)) + body, "test"))
    bomb = bytearray(vectors.encode_bytes(bytes(10**6)))
    bomb[5:9] = struct.pack("<I", 10)
    with pytest.raises(DamagedBlock, match="length"):
        vectors.decode_bytes(Reader(bytes(bomb), "test"))

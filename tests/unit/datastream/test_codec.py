import math
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream import codec, rollup_codec, vectors
from labmon.datastream.codec import (
    decode_block,
    decode_raw,
    decode_rollups,
    decode_times,
    encode_block,
    encode_times,
    read_header,
    time_address,
)
from labmon.datastream.columns import Columns
from labmon.datastream.downsample import roll_up, roll_up_nominal
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.granularity import Granularity
from labmon.datastream.rollups import FIELDS, NominalRollups, Rollups

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), INT64, FLOATS, st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


def values_of(*elements):
    return st.lists(st.one_of(*elements), min_size=1, max_size=60)


VALUES = st.one_of(
    values_of(FLOATS, st.none()),
    values_of(INT64, st.none()),
    values_of(st.integers(0, 10**6).map(lambda n: n / 1000), st.none()),
    values_of(FLOATS, INT64, st.none()),
    values_of(st.lists(FLOATS, max_size=5), st.none()),
    values_of(st.lists(INT64, max_size=5), st.none()),
    values_of(JSON),
)


@st.composite
def tables(draw):
    """Datapoints of any type, with qualities or without."""
    values = draw(VALUES)
    times = sorted(
        draw(st.lists(st.integers(0, 2**62), min_size=len(values), max_size=len(values)))
    )
    qualities = draw(
        st.none() | st.lists(st.integers(0, 255), min_size=len(values), max_size=len(values))
    )
    return Columns.from_values(times, values, qualities)


@st.composite
def rollups(draw):
    """Rollups of either kind."""
    table = draw(tables())
    roll = roll_up if table.is_numeric else roll_up_nominal
    return roll(table, draw(st.sampled_from([10**9, 10**15, 10**18])))


def assert_same(found, table):
    """Equal to the bit, and in the types of the values."""
    assert type(found) is type(table)
    assert found.t.tolist() == table.t.tolist()
    if isinstance(table, Columns):
        assert list(map(repr, found.python_values())) == list(map(repr, table.python_values()))
        assert found.v.dtype == table.v.dtype
        assert found.qualities().tolist() == table.qualities().tolist()
        return
    assert set(found.columns) == set(table.columns)
    for name, column in table.columns.items():
        if column.dtype == object:
            assert list(map(repr, found[name])) == list(map(repr, column)), name
        else:
            assert found[name].tobytes() == column.tobytes(), name


@given(st.one_of(tables(), rollups()), st.sampled_from(Granularity.values))
def test_every_table_comes_back_with_its_times_inside(table, granularity):
    data = encode_block(table, granularity)
    assert_same(decode_block(data), table)
    header = read_header(data)
    assert header.granularity is granularity
    assert header.address is None
    assert (header.count, header.first_ns, header.last_ns) == (
        len(table),
        table.t[0],
        table.t[-1],
    )


@given(st.one_of(tables(), rollups()))
def test_every_table_comes_back_with_its_times_apart(table):
    address = time_address(table)
    data = encode_block(table, Granularity.Raw, address)
    assert read_header(data).address == address
    assert len(address) == 16
    times = decode_times(encode_times(table), address=address)
    assert_same(decode_block(data, times), table)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.1, 0.25, None], "decimal"),
        ([math.pi, 0.1 + 0.2], "f8"),
        ([1, 2, None], "i8"),
        ([1, 2.5, None], "mixed"),
        ([2**64, 2.5], "json"),
        ([[1.5, 2.5], None], "array"),
        ([[1, 2], []], "array"),
        ([[1, 2.5]], "json"),
        ([[]], "json"),
        (["online"], "json"),
        ([True], "json"),
        ([{"v": [{"i": "a"}], "e": []}], "json"),
    ],
)
def test_the_header_tells_the_kind_of_values(values, kind):
    table = Columns.from_values(range(len(values)), values)
    data = encode_block(table, Granularity.Raw)
    assert read_header(data).kind == kind
    assert_same(decode_raw(data), table)


def test_surrogates_and_odd_numbers_in_json_come_back():
    table = Columns.from_values([1, 2], ["\ud800", {"a": math.inf, "b": 10**30}])
    assert_same(decode_raw(encode_block(table, Granularity.Raw)), table)


def test_streams_with_equal_times_share_one_time_column():
    one = Columns.from_values([1, 2, 3], [0.1, 0.2, 0.3])
    other = Columns.from_values([1, 2, 3], ["a", "b", "c"])
    assert time_address(one) == time_address(other)
    assert encode_times(one) == encode_times(other)
    assert time_address(one) != time_address(one[:2])
    assert time_address(roll_up(one, 10)) == time_address(roll_up_nominal(other, 10))


def test_only_the_fields_that_are_asked_for_are_decoded():
    table = roll_up(Columns.from_values(range(100), [i / 10 for i in range(100)]), 10)
    data = encode_block(table, Granularity.Seconds, time_address(table))
    times = decode_times(encode_times(table), fields=())
    assert set(times) == {"t"}
    for wanted in ({"min"}, {"mean"}, {"m2"}, {"count", "last", "flags"}, set()):
        found = decode_rollups(data, times, fields=wanted)
        assert wanted <= set(found.columns)
        assert set(found.columns) - wanted <= {"sum", "count"}
        for name in wanted:
            assert found[name].tolist() == table[name].tolist()
    everything = decode_rollups(encode_block(table, Granularity.Seconds))
    assert set(everything.columns) == set(FIELDS)


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 12),
    st.lists(st.one_of(st.integers(-500, 500), st.none()), min_size=1, max_size=200),
    st.integers(1, 200),
)
def test_deviations_of_decimals_come_back_from_every_other_multiple_of_the_count(
    middle, digits, steps, bucket_ns
):
    values = [None if step is None else (middle + step) / 10**digits for step in steps]
    table = roll_up(Columns.from_values(range(len(values)), values), bucket_ns)
    assert_same(decode_block(encode_block(table, Granularity.Seconds)), table)


def test_deviations_of_decimals_take_less_room_than_the_integers_that_they_came_from():
    values = np.round(np.random.default_rng(1).normal(384.2, 3e-6, 100_000), 7)
    table = roll_up(Columns(np.arange(100_000), values), 100)
    encoded = rollup_codec._encode_m2(table)
    assert encoded[:2] == bytes([2, 7])
    k = np.rint(table["m2"] * 100 * 1e14).astype(np.int64)
    assert len(encoded) < len(vectors.encode_ints(k)) - 1000 * np.log2(200) / 8 + 100


@given(st.lists(FLOATS, min_size=1, max_size=40), st.integers(0, 3))
def test_deviations_that_nothing_explains_come_back_too(m2, digits):
    t = np.arange(len(m2))
    table = roll_up(Columns.from_values(t.tolist(), (t / 10**digits).tolist()), 1)
    table = Rollups(table.t, {**table.columns, "m2": np.array(m2)})
    assert_same(decode_block(encode_block(table, Granularity.Seconds)), table)


def test_nominal_fields_are_decoded_alone_too():
    table = roll_up_nominal(Columns.from_values(range(9), list("aabbccabc")), 3)
    found = decode_rollups(encode_block(table, Granularity.Seconds), fields={"last"})
    assert isinstance(found, NominalRollups)
    assert set(found.columns) == {"last"}
    assert found["last"].tolist() == ["b", "c", "c"]


def test_an_empty_or_enormous_table_is_refused():
    with pytest.raises(ValueError, match="1 to 1048576 rows, not 0"):
        encode_block(Columns.empty(), Granularity.Raw)
    with pytest.raises(ValueError, match="rows"):
        encode_times(Rollups.empty())
    many = Columns(np.arange(codec.MAX_ROWS + 1), np.zeros(codec.MAX_ROWS + 1))
    with pytest.raises(ValueError, match="1048577"):
        encode_block(many, Granularity.Raw)


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError):
        encode_block(Columns.from_values([1], [object()]), Granularity.Raw)


def test_a_block_without_its_times_asks_for_them():
    table = Columns.from_values([1, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="time columns"):
        decode_block(encode_block(table, Granularity.Raw, time_address(table)))


def test_the_wrong_times_are_damage():
    table = Columns.from_values([1, 2], [0.1, 0.2])
    data = encode_block(table, Granularity.Raw, time_address(table))
    for other in ([1, 3], [0, 2], [1, 2, 2]):
        with pytest.raises(DamagedBlock, match="block 7: does not belong"):
            decode_block(data, {"t": np.array(other)}, which="block 7")
    with pytest.raises(DamagedBlock, match="another address"):
        decode_times(encode_times(table), address=bytes(15) + b"x")


def test_rollups_are_no_datapoints_and_the_other_way_round():
    raw = Columns.from_values([1, 2], [0.1, 0.2])
    with pytest.raises(DamagedBlock):
        decode_rollups(encode_block(raw, Granularity.Raw))
    with pytest.raises(DamagedBlock):
        decode_raw(encode_block(roll_up(raw, 10), Granularity.Seconds))


def some_block():
    table = Columns.from_values(
        range(0, 3000, 10), [1.5, None, 0.25] * 100, bytes([0, 1, 16] * 100)
    )
    return encode_block(table, Granularity.Raw)


def resealed(data):
    """The same bytes with a checksum that fits: damage that only the decoder can find."""
    data = bytes(data)
    if len(data) < 16:
        return data
    crc = zlib.crc32(data[16:], zlib.crc32(data[:12]))
    return data[:12] + struct.pack("<I", crc) + data[16:]


@given(st.integers(0, len(some_block()) - 1), st.integers(1, 255))
def test_one_wrong_byte_anywhere_is_damage(at, change):
    data = bytearray(some_block())
    data[at] ^= change
    with pytest.raises(DamagedBlock, match="ch1"):
        decode_block(bytes(data), which="ch1")


@given(st.integers(0, len(some_block()) - 1))
def test_a_torn_block_is_damage(length):
    for data in (some_block()[:length], resealed(some_block()[:length])):
        with pytest.raises(DamagedBlock):
            decode_block(data)


def test_more_bytes_than_there_should_be_are_damage():
    with pytest.raises(DamagedBlock, match="3 bytes too many"):
        decode_block(resealed(some_block() + b"abc"))


@given(
    st.one_of(tables(), rollups()),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damage_behind_a_fitting_checksum_gives_a_table_or_damage_and_nothing_else(table, changes):
    for data, decode in (
        (bytearray(encode_block(table, Granularity.Raw)), decode_block),
        (bytearray(encode_times(table)), decode_times),
    ):
        for at, value in changes:
            data[at % len(data)] = value
        if decode is decode_block:
            data[48] |= 1  # times that stand apart would be asked for, not found damaged
        with suppress(DamagedBlock):
            decode(resealed(data))


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_damage(data):
    for decode in (decode_block, decode_times, read_header):
        for magic in (b"", b"LMBK\1\1fr", b"LMTC\1\1\1\0"):
            with pytest.raises(DamagedBlock):
                decode(resealed(magic + data))


def test_a_later_version_is_told_apart_from_damage():
    data = bytearray(some_block())
    data[4] = 2
    with pytest.raises(DamagedBlock, match="version 2"):
        read_header(bytes(data))

import math
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.entry import JournalEntry, decode_entry, encode_entry
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.journal_values import JournalValues

INT64 = st.integers(-(2**63), 2**63 - 1)
JSON = st.one_of(st.booleans(), st.text(), st.lists(INT64), st.dictionaries(st.text(), INT64))
VALUES = st.lists(
    st.one_of(st.none(), st.floats(allow_nan=False), INT64, st.just(2**70), JSON), max_size=40
)


def same(one, other):
    return list(map(repr, one)) == list(map(repr, other))


@st.composite
def entries(draw):
    values = draw(st.one_of(VALUES, st.lists(st.floats(allow_nan=False))))
    count = len(values)

    def numbers(low, high):
        return draw(st.lists(st.integers(low, high), min_size=count, max_size=count))

    first = draw(st.integers(0, 2**40))
    consecutive = list(range(first, first + count))
    return JournalEntry(
        epoch=draw(st.integers(0, 2**62)),
        seq=np.array(draw(st.just(consecutive) | st.just(numbers(0, 2**62))), np.int64),
        streams=np.array(numbers(0, draw(st.sampled_from([3, 2**16 - 1, 2**32 - 1]))), np.uint32),
        t=np.array(numbers(0, draw(st.sampled_from([1, 2**62]))), np.int64),
        values=JournalValues.pack(values),
        quality=draw(st.none() | st.just(np.array(numbers(0, 255), np.uint8))),
        note=draw(st.none() | JSON),
    )


@given(VALUES)
def test_values_of_any_type_come_back_as_what_they_were(values):
    assert same(JournalValues.pack(values).unpack(), values)


def test_nan_is_null_and_floats_alone_need_no_kinds():
    packed = JournalValues.pack([1.5, None, math.nan])
    assert packed.kinds is None
    assert packed.unpack() == [1.5, None, None]


def test_an_int_whose_bits_are_those_of_nan_is_that_int():
    (bits,) = struct.unpack("<q", struct.pack("<d", math.nan))
    assert JournalValues.pack([bits, None]).unpack() == [bits, None]


@given(entries())
def test_every_entry_comes_back(entry):
    found = decode_entry(encode_entry(entry))
    assert (found.epoch, len(found)) == (entry.epoch, len(entry))
    for name in ("seq", "streams", "t"):
        assert getattr(found, name).tolist() == getattr(entry, name).tolist(), name
        assert getattr(found, name).dtype == getattr(entry, name).dtype, name
    assert same(found.values.unpack(), entry.values.unpack())
    if entry.quality is None or not entry.quality.any():
        assert found.quality is None
    else:
        assert found.quality is not None
        assert found.quality.tolist() == entry.quality.tolist()
    assert found.note == entry.note


def some_entry(count=20):
    return JournalEntry(
        epoch=3,
        seq=np.arange(100, 100 + count),
        streams=np.arange(count, dtype=np.uint32) % 5,
        t=np.repeat(np.arange(count // 5) * 10**8, 5),
        values=JournalValues.pack([0.5] * (count - 2) + [7, "seven"]),
        quality=np.full(count, 16, np.uint8),
        note={"blocks": ["a"]},
    )


def resealed(data):
    return data[:8] + struct.pack("<I", zlib.crc32(data[12:], zlib.crc32(data[:8]))) + data[12:]


def test_a_poll_of_five_channels_takes_fourteen_bytes_a_datapoint():
    entry = some_entry(1000)
    entry.values = JournalValues.pack([0.5] * 1000)
    assert len(encode_entry(entry)) / 1000 < 14  # value 8, stream 2, quality 1, a fifth of a run


@given(st.integers(0, len(encode_entry(some_entry())) - 1), st.integers(1, 255))
def test_one_wrong_byte_anywhere_is_damage(at, change):
    data = bytearray(encode_entry(some_entry()))
    data[at] ^= change
    with pytest.raises(DamagedBlock, match="entry 9"):
        decode_entry(bytes(data), which="entry 9")


@given(st.integers(0, len(encode_entry(some_entry())) - 1))
def test_a_torn_entry_is_damage(length):
    data = encode_entry(some_entry())[:length]
    for torn in (data, resealed(data), data.ljust(len(data) + 100, b"\0")):
        with pytest.raises(DamagedBlock):
            decode_entry(torn)


@given(
    entries(),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damage_behind_a_fitting_checksum_gives_an_entry_or_damage_and_nothing_else(entry, changes):
    data = bytearray(encode_entry(entry))
    for at, value in changes:
        data[at % len(data)] = value
    with suppress(DamagedBlock):
        decode_entry(resealed(bytes(data)))


@pytest.mark.parametrize(
    "arrays",
    [[[0, 99]], [[0, 2]], [[-1, 1]], [[0, 0]], [[1, 1], [0, 1]], [["a", 1]], [3], 7, [[0]]],
)
def test_a_note_whose_arrays_are_none_is_damage(arrays):
    entry = some_entry()
    entry.streams[:] = range(len(entry))
    entry.note = {"arrays": arrays}
    with pytest.raises(DamagedBlock, match="array"):
        decode_entry(encode_entry(entry))


def test_rows_of_an_array_are_told_from_the_others():
    entry = some_entry()
    entry.streams[:] = 7
    entry.note = {"arrays": [[1, 2]]}
    decoded = decode_entry(encode_entry(entry))
    rest = [(3, len(entry), False)] if len(entry) > 3 else []
    assert list(decoded.segments()) == [(0, 1, False), (1, 3, True), *rest]


@given(st.binary(max_size=120))
def test_any_bytes_at_all_are_damage(data):
    for magic in (b"", b"LMJE\1\0\0\0"):
        with pytest.raises(DamagedBlock):
            decode_entry(magic + data)

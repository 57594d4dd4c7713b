"""Blocks share a time column where their times are the same, and only there."""

import numpy as np

from labmon.datastream import codec
from labmon.datastream.blockmaking import Sealing, encode_raw, split
from labmon.datastream.columns import Columns
from labmon.datastream.seal_state import SealState


def sealed(*columns_of_times, size=100):
    """(rows of all streams, shared time columns) of streams with these times."""
    sealings = [
        Sealing(number, Columns(t, t.astype(np.float64)), SealState(), has_levels=False)
        for number, t in enumerate(columns_of_times, 1)
    ]
    for sealing in sealings:
        split(sealing, size)
    shared = encode_raw(sealings)
    return [row for sealing in sealings for row in sealing.rows], shared


def times_of(row, shared):
    address = row.outline.times
    times = None if address is None else codec.decode_times(shared[address], address=address)
    return codec.decode_raw(row.body, times).t.tolist()


def test_channels_of_one_device_share_each_of_their_time_columns():
    t = np.arange(300) ** 2
    rows, shared = sealed(t, t.copy(), t.copy())
    assert len(rows) == 9
    assert len(shared) == 3
    for row in rows:
        ordinal = row.outline.key.ordinal
        assert times_of(row, shared) == t[ordinal : ordinal + 100].tolist()


def test_times_with_the_same_ends_alone_are_not_mixed_up():
    one, other = np.arange(0, 200, 2), np.arange(0, 200, 2)
    other[50] += 1
    alone = np.arange(0, 200, 2)
    alone[51] += 1
    rows, shared = sealed(one, other, one.copy(), alone, other.copy())
    assert len(shared) == 2
    expected = [one, other, one, alone, other]
    assert [times_of(row, shared) for row in rows] == [t.tolist() for t in expected]
    assert rows[3].outline.times is None

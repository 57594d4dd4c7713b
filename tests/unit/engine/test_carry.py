"""The entry that carries on what is not sealed: all kinds of values, and little memory."""

import tracemalloc

import numpy as np

from labmon.datastream.columns import Columns
from labmon.datastream.entry import decode_entry
from labmon.datastream.upkeep import encode_carry

T = 1_700_000_000_000_000_000
VALUES = (
    [1.5, None, -0.0, 5e-324],
    [1, 2**62, -(2**63)],
    [1, None, 3],
    [2**63, 1.5, None],
    ["on", {"mode": [1, None]}, None, True, 7],
    [],
)


def test_values_of_all_kinds_are_carried_as_they_are():
    heads = [
        (number, 10 * number, Columns.from_values(range(T, T + len(row)), row, [0] * len(row)))
        for number, row in enumerate(VALUES)
    ]
    entry = decode_entry(encode_carry(3, heads))
    assert entry.values.unpack() == [value for row in VALUES for value in row]
    kinds = [type(value) for value in entry.values.unpack()]
    assert kinds == [type(value) for row in VALUES for value in row]
    assert entry.streams.tolist() == [n for n, row in enumerate(VALUES) for _ in row]
    assert entry.note["ordinals"] == [0, 10, 20, 30, 40, 50]


def test_nothing_is_carried_where_there_is_nothing():
    assert len(decode_entry(encode_carry(3, []))) == 0


def test_carrying_makes_no_object_for_each_reading():
    streams, count = 50, 2000
    t = T + np.arange(count)
    heads = [(n, 0, Columns(t, np.random.default_rng(n).random(count))) for n in range(streams)]
    heads.append((streams, 0, Columns.from_values([T], ["a state of a device"], [0])))
    tracemalloc.start()
    try:
        encode_carry(1, heads)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 130 * streams * count

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.spool_record import SpoolRecord, decode_record, encode_record, rest_of
from labmon.reading import ArrayBatch, Batch, Receipt


def same(batch):
    """What tells a batch from another one, NaN as null."""
    if isinstance(batch, ArrayBatch):
        quality = batch.qualities if batch.qualities is not None else np.zeros(len(batch), np.uint8)
        columns = (batch.times_ns.tobytes(), batch.values.tobytes(), quality.tobytes())
        return (batch.source, batch.paths, batch.values.dtype, *columns, batch.seq)
    values = [
        None if value is None or value != value else (type(value), value) for value in batch.values
    ]
    columns = (values, batch.qualities, batch.seq, batch.time_ns)
    return (batch.source, batch.paths, *columns, batch.receipt)


def there_and_back(batches, streams=None):
    record = SpoolRecord("n1", 7, batches, streams or {})
    found = decode_record(encode_record(record))
    assert (found.node, found.epoch, found.streams) == ("n1", 7, streams or {})
    assert list(map(same, found.batches)) == list(map(same, batches))
    return found


def test_batches_of_all_kinds_come_back_as_they_went():
    samples = np.array([1.5, math.nan, -0.0])
    integers = np.array([1, 2**62, -3])
    t = np.array([10, 11, 12], np.int64)
    there_and_back(
        [
            Batch("laser", 5, ("laser/a", "laser/b"), (1.5, None), b"\0\3", 1),
            Batch("laser", 5, ("laser/b",), (math.inf,), b"\0", 3),
            ArrayBatch("adc", ("adc/x",), t, samples, None, 10),
            ArrayBatch("adc", ("adc/x",), t, integers, np.array([0, 1, 0], "u1"), 13),
            Batch("append", 4, ("word", "big", "nested"), ("a\ud800", 2**70, {"k": [1, True]}),
                  bytes(3), 20, Receipt("key", "digest", 0, 3)),
            Batch("append", 4, ("word",), (2**63 - 1,), b"\0", 23, Receipt("key", "digest", 3, 4)),
            Batch("laser", 6, ("laser/a", "laser/b"), (2, True), b"\0\0", 24),
        ],
        {"laser/a": ("numeric", {"unit": "THz", "limits": [None, 1.5]})},
    )  # fmt: skip


numbers = st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=3), st.booleans())
polls = st.lists(
    st.tuples(st.integers(0, 2**62), st.lists(numbers, min_size=1, max_size=3)), min_size=1
)


@given(polls)
@settings(max_examples=50, deadline=None)
def test_any_polls_come_back_as_they_went(polls):
    batches, seq = [], 1
    for time_ns, values in polls:
        paths = tuple(f"d/{i}" for i in range(len(values)))
        batches.append(Batch("d", time_ns, paths, tuple(values), bytes(len(values)), seq))
        seq += len(values) + time_ns % 2
    there_and_back(batches)


def test_a_damaged_record_is_told():
    body = encode_record(SpoolRecord("n", 1, [Batch("d", 1, ("d/a",), (1.5,), b"\0", 1)]))
    for at in range(len(body)):
        with pytest.raises(DamagedBlock):
            decode_record(body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :])
    with pytest.raises(DamagedBlock):
        decode_record(body[:-1])


def test_a_journal_entry_is_no_record():
    from labmon.datastream.upkeep import encode_carry

    with pytest.raises(DamagedBlock, match="nothing of batches"):
        decode_record(encode_carry(1, []))


def test_the_rest_of_a_batch_keeps_its_numbers():
    batch = Batch("d", 1, ("d/a", "d/b", "d/c"), (1, 2, 3), b"\0\1\2", 10)
    assert rest_of(batch, 9) is batch
    assert rest_of(batch, 12) is None
    assert rest_of(batch, 10) == Batch("d", 1, ("d/b", "d/c"), (2, 3), b"\1\2", 11)
    array = ArrayBatch("d", ("d/a",), np.arange(3), np.arange(3.0), None, 10)
    assert rest_of(array, 11) is array
    assert rest_of(array, 12) is None

"""What is entered in turns, polls, single values and columns, stands in the journal as it came."""

import asyncio
import math

import numpy as np
import pytest

from labmon.datastream import exceptions
from labmon.datastream.columns import Columns
from labmon.datastream.entry import JournalValues, decode_entry
from labmon.datastream.open_entry import OpenEntry
from labmon.reading import Batch, Quality

PATHS = ("w/a", "w/b", "w/c")


@pytest.fixture
async def ids(streams):
    return [await streams.ensure_stream({"path": path}, {}, ["mean"], "raw") for path in PATHS]


def numbers(*streams):
    return np.array(streams, np.uint32).tobytes()


def floats(*values):
    return np.array(values, np.float64).tobytes()


def rows(columns):
    """(seq, stream, t, value, quality) of each reading."""
    quality = [0] * len(columns.t) if columns.quality is None else columns.quality.tolist()
    parts = (columns.seq.tolist(), columns.streams.tolist(), columns.t.tolist())
    return list(zip(*parts, columns.values.unpack(), quality, strict=True))


async def last_entry(streams):
    row = (await streams._engine.backend.read_entries((0, 0)))[-1]
    return decode_entry(row.body)


def test_polls_and_columns_alternate_in_the_order_of_arrival():
    entry = OpenEntry()
    entry.add_poll(numbers(1, 2), 10, floats(1.5, math.nan), bytes((0, 3)), 7)
    entry.add_mixed(numbers(3), 11, JournalValues.pack(["word"]), bytes(1), 0, 4)
    entry.add_array(4, Columns(np.array([12, 13]), np.array([5, 6])), 20, is_noted=True)
    entry.add_poll(numbers(1), 14, floats(2.5), bytes(1), 22)
    entry.add_mixed(numbers(2, 3), 15, JournalValues.pack([None, 2**62]), bytes(2), 23, 0)
    assert entry.count == 8
    assert rows(entry.columns()) == [
        (7, 1, 10, 1.5, 0),
        (8, 2, 10, None, 3),
        (0, 3, 11, "word", 0),
        (20, 4, 12, 5, 0),
        (21, 4, 13, 6, 0),
        (22, 1, 14, 2.5, 0),
        (23, 2, 15, None, 0),
        (24, 3, 15, 2**62, 0),
    ]
    assert entry.note() == {"arrays": [(3, 2)]}


async def test_readings_behind_a_refused_one_keep_their_numbers(streams, ids):
    paths = ("w/a", "nobody/x", "w/b", "w/c")
    batch = Batch("w", 5, paths, (1.0, 2.0, "no number", 4), bytes((0, 0, 0, 1)), 30)
    assert [one.index for one in await streams.append_batch(batch)] == [1, 2]
    await streams.commit()
    entry = await last_entry(streams)
    assert rows(entry) == [(30, 1, 5, 1.0, 0), (33, 3, 5, 4, 1)]
    assert entry.note["ordinals"] == [0, 0]
    assert streams.durable_seq == 33


async def test_what_has_no_number_of_the_hub_gets_none_beside_polls_that_have(streams, ids):
    await streams.append_batch(Batch("w", 5, PATHS, (1.0, 2.0, 3.0), bytes(3), 9))
    await streams.append(ids[0], 4.0, 6)
    await streams.append_multiple([{"stream_id": ids[1], "value": 5.0, "timestamp": 6}])
    await streams.append_batch(Batch("w", 7, PATHS[:1], (6.0,), bytes(1), 12))
    await streams.commit()
    assert (await last_entry(streams)).seq.tolist() == [9, 10, 11, 0, 0, 12]


async def test_who_gives_up_waiting_for_a_commit_stops_nobody_else(streams, ids):
    await streams.append(ids[0], 1.0)
    first, second = (asyncio.ensure_future(streams.commit()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert streams.durable_seq == 1


async def test_several_of_all_kinds_come_back_stream_by_stream(streams, ids, clock):
    words = await streams.ensure_stream({"path": "w/_state"}, {}, [], "raw", value_type="nominal")
    now = clock()
    await streams.append_multiple(
        [
            {"stream_id": ids[1], "value": 1.0, "timestamp": now - 2},
            {"stream_id": words, "value": {"on": True}},
            {"stream_id": ids[0], "value": 2**53 + 1, "quality": Quality.LIMIT},
            {"stream_id": ids[1], "value": None, "timestamp": np.datetime64(now - 2, "ns")},
            {"stream_id": ids[1], "value": float("nan"), "timestamp": None},
        ]
    )
    found = {}
    for stream in (*ids, words):
        points = await (await streams.get_data(stream, "raw", 0)).fetch()
        found[stream] = [(p["t"] - now, p["v"], p.get("quality", 0)) for p in points]
    assert found == {
        ids[0]: [(0, 2**53 + 1, Quality.LIMIT)],
        ids[1]: [(-2, 1.0, 0), (-2, None, 0), (0, None, 0)],
        ids[2]: [],
        words: [(0, {"on": True}, 0)],
    }
    assert streams.latest(ids[1]) == (now, None, 0)
    await streams.commit()
    assert (await last_entry(streams)).seq.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"stream_id": ["a", "list"], "value": 1.0},
        {"stream_id": None, "value": 1.0},
        {"stream_id": 0, "value": 1.0, "timestamp": -1},
        {"stream_id": 0, "value": 1.0, "timestamp": 2**70},
        {"stream_id": 0, "value": 1.0, "timestamp": 1.5},
        {"stream_id": 0, "value": 1.0, "timestamp": 4},
        {"stream_id": 1, "value": 1.0, "timestamp": 2},
        {"stream_id": 0, "value": 1.0, "quality": 256},
        {"stream_id": 0, "value": True},
        {"stream_id": 0},
        {"stream_id": 0, "value": 1.0, "time": 5},
    ],
    ids=str,
)
async def test_one_wrong_datapoint_of_several_leaves_nothing(streams, ids, wrong):
    await streams.append(ids[1], 0.0, 3)
    of = wrong["stream_id"]
    wrong = {**wrong, "stream_id": ids[of] if isinstance(of, int) else of}
    good = [{"stream_id": ids[0], "value": float(t), "timestamp": t} for t in (4, 5)]
    with pytest.raises((exceptions.DatastreamException, ValueError)):
        await streams.append_multiple([*good, wrong])
    assert streams.latest(ids[0]) is None
    assert streams.latest(ids[1]) == (3, 0.0, 0)


async def test_thousands_of_small_groups_take_no_more_memory_than_their_numbers(streams, ids):
    head = streams._engine.catalogue.get(ids[0]).head
    for t in range(2000):
        await streams.append_multiple([{"stream_id": ids[0], "value": float(t), "timestamp": t}])
    assert len(head._parts) <= 33
    found = await streams.get_arrays(ids[0], "raw", 0, 2**62)
    assert found["v"].tolist() == list(map(float, range(2000)))

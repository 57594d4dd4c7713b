"""What is entered in turns, polls, single values and columns, stands in the journal as it came."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream import exceptions
from labmon.datastream.columns import Columns
from labmon.datastream.entry import decode_entry
from labmon.datastream.journal_values import JournalValues
from labmon.datastream.open_entry import OpenEntry, Reach
from labmon.datastream.polls import StreamNumbers
from labmon.reading import Batch, Quality

PATHS = ("w/a", "w/b", "w/c")
VALUES = st.sampled_from([1.5, None, math.inf, 7, -(2**63), 2**64, "word", {"on": True}, [1, None]])


@pytest.fixture
async def ids(streams):
    return [await streams.ensure_stream({"path": path}, {}, ["mean"], "raw") for path in PATHS]


def add_floats(entry, streams, time_ns, values, qualities, first_seq):
    packed = np.array(values, np.float64).tobytes()
    entry.add_poll((StreamNumbers(streams), time_ns, packed, qualities, first_seq))


def add_mixed(entry, streams, time_ns, values, first_seq):
    packed = JournalValues.pack(values)
    of = StreamNumbers(streams), time_ns, packed.v.tobytes(), bytes(len(values)), first_seq
    entry.add_mixed(of, packed, 0)


def rows(columns):
    """(seq, stream, t, value, quality) of each reading."""
    quality = [0] * len(columns.t) if columns.quality is None else columns.quality.tolist()
    parts = (columns.seq.tolist(), columns.streams.tolist(), columns.t.tolist())
    return list(zip(*parts, columns.values.unpack(), quality, strict=True))


async def last_entry(streams):
    engine = streams._engine
    *_, row = engine.journal.entries
    (body,) = await engine.backend.read_entries([row.key])
    return decode_entry(body)


def test_polls_and_columns_alternate_in_the_order_of_arrival():
    entry = OpenEntry()
    add_floats(entry, (1, 2), 10, (1.5, math.nan), bytes((0, 3)), 7)
    add_mixed(entry, (3,), 11, ["word"], 0)
    entry.add_array(4, Columns(np.array([12, 13]), np.array([5, 6])), 20, is_noted=True)
    add_floats(entry, (1,), 14, (2.5,), bytes(1), 22)
    add_mixed(entry, (2, 3), 15, [None, 2**62], 23)
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
    closed = entry.closed(5, lambda streams: Reach([10 * stream for stream in streams], [3]))
    assert closed[1:] == ([3], 7, 24)
    stored = decode_entry(closed.body)
    assert rows(stored) == rows(entry.columns())
    assert stored.epoch == 5
    assert stored.note == {
        "streams": [1, 2, 3, 4],
        "ordinals": [8, 18, 28, 38],
        "arrays": [[3, 2]],
    }


@st.composite
def polls(draw):
    """(streams, time, values, qualities, first number) one behind the other."""
    found = []
    seq = draw(st.sampled_from([0, 1, 2**40]))
    for _ in range(draw(st.integers(1, 6))):
        streams = draw(st.lists(st.integers(1, draw(st.sampled_from([5, 2**32 - 1]))), min_size=1))
        count = len(streams)
        values = draw(st.lists(VALUES, min_size=count, max_size=count))
        qualities = draw(st.sampled_from([bytes(count), bytes(range(count))]))
        found.append((streams, draw(st.integers(0, 3)), values, qualities, seq))
        seq += (count if seq else 0) + draw(st.sampled_from([0, 0, 0, 4]))
    return found


@given(polls())
def test_an_entry_of_polls_alone_is_the_one_that_their_columns_would_make(polls):
    entry, again = OpenEntry(), OpenEntry()
    for streams, time_ns, values, qualities, seq in polls:
        packed = JournalValues.pack(values)
        of = (StreamNumbers(streams), time_ns, packed.v.tobytes(), qualities, seq)
        for each in (entry, again):
            each.add_mixed(of, packed, 0)
    closed = entry.closed(3, lambda streams: Reach([1000] * len(streams), []))
    columns = again.columns()
    expected = rows(columns)
    stored = decode_entry(closed.body)
    assert list(map(repr, rows(stored))) == list(map(repr, expected))
    assert stored.note["streams"] == sorted({row[1] for row in expected})
    totals = [1000 - ordinal for ordinal in stored.note["ordinals"]]
    assert sum(totals) == len(expected) == entry.count
    numbered = [row[0] for row in expected if row[0]] or [0]
    assert (closed.first_seq, closed.last_seq) == (numbered[0], numbered[-1])


def test_polls_of_one_device_cost_their_values_and_little_more():
    entry = OpenEntry()
    streams = StreamNumbers(range(1, 11))
    for i in range(100):
        entry.add_poll((streams, i, bytes(80), bytes(10), 1 + 10 * i))
    assert len(entry.closed(1, lambda streams: Reach([100] * len(streams), [])).body) < 1000 * 11.6


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

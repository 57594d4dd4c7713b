import csv
import io
import json

import msgpack
import numpy as np
import pytest

from labmon.web.cursor import Cursor

SECOND = 10**9
START = 1_700_000_000 * SECOND


@pytest.fixture
async def filled(node):
    """A stream at 1 Hz with ten minutes, a hole of a minute, and an offline time."""
    datastream = node.datastream
    stream_id = await datastream.ensure_stream(
        {"path": "lab/a"},
        {"unit": "K", "period_s": 1.0},
        ["mean", "min", "max", "std_dev"],
        "raw",
    )
    t = START + np.arange(600, dtype=np.int64) * SECOND
    t = t[(np.arange(600) < 100) | (np.arange(600) >= 160)]
    v = np.sin(np.arange(len(t)) / 20.0)
    await datastream.append_array(stream_id, t, v)
    await datastream.append(stream_id, None, START + 600 * SECOND)
    await datastream.commit()
    node.t, node.v = t, v
    return node


def query(**params):
    span = {"start": START / SECOND, "end": START / SECOND + 700}
    return "/api/v1/data?" + "&".join(f"{k}={v}" for k, v in (span | params).items())


async def test_raw_columns_have_null_rows_in_gaps(filled):
    answer = await filled.get(query(stream="lab/a"))
    curve = answer["streams"][0]
    assert (curve["path"], curve["unit"]) == ("lab/a", "K")
    assert (curve["granularity"], curve["bucket_s"]) == ("raw", 0)
    assert len(curve["t"]) == len(curve["v"]) == len(curve["quality"]) == 540 + 1 + 1
    nulls = [i for i, value in enumerate(curve["v"]) if value is None]
    assert nulls == [100, 541]
    assert curve["t"][100] == curve["t"][99] + 1
    assert curve["t"] == sorted(curve["t"])
    values = [v for v in curve["v"] if v is not None]
    np.testing.assert_array_equal(values, filled.v)


async def test_a_channel_that_is_read_at_every_tenth_poll_has_no_gaps(filled):
    stream_id = await filled.datastream.ensure_stream(
        {"path": "lab/slow"}, {"period_s": 0.1}, ["mean"], "raw"
    )
    t = START + np.arange(100, dtype=np.int64) * SECOND
    await filled.datastream.append_array(stream_id, np.delete(t, range(50, 60)), np.ones(90))
    for level in ("raw", "seconds"):
        curve = (await filled.get(query(stream="lab/slow", granularity=level)))["streams"][0]
        column = curve["v"] if level == "raw" else curve["mean"]
        assert [i for i, value in enumerate(column) if value is None] == [50]


@pytest.mark.parametrize("period_s", [1e300, 1e12, -1, 0, True, "x", 1e-300])
async def test_a_period_that_is_none_spoils_no_graph(filled, period_s):
    stream_id = filled.datastream.stream_id("lab/a")
    await filled.datastream.update_tags(stream_id, {"period_s": period_s})
    for level in ("raw", "seconds"):
        curve = (await filled.get(query(stream="lab/a", granularity=level)))["streams"][0]
        assert len(curve["t"]) >= 540


async def test_whole_numbers_beyond_the_floats_are_exact_beside_nulls_and_floats(node):
    exact = [2**60 + 1, None, -(2**63), 2**63 - 1]
    mixed = [2**60 + 1, 1.5, None]
    for path, values in (("lab/exact", exact), ("lab/mixed", mixed)):
        readings = [
            {"stream": path, "value": value, "time": 1_700_000_000 + i}
            for i, value in enumerate(values)
        ]
        assert (await node.append(*readings))[0] == 200
        for headers in ({}, {"Accept": "application/msgpack"}):
            response = await node.fetch(query(stream=path), headers=headers)
            answer = (msgpack.unpackb if headers else json.loads)(response.body)
            assert answer["streams"][0]["v"] == values
        table = (await node.fetch(query(stream=path, format="csv"))).body.decode()
        assert [row[2] for row in csv.reader(io.StringIO(table))][1:] == [
            "" if value is None else str(value) for value in values
        ]


async def test_who_goes_on_from_the_last_row_of_a_table_misses_and_repeats_nothing(node):
    stream_id = await node.datastream.ensure_stream({"path": "lab/fast"}, {}, [], "raw")
    times = START + 123_456_789 + np.arange(40, dtype=np.int64) * 100_003
    await node.datastream.append_array(stream_id, times, np.arange(40.0))
    start, found = START // SECOND, []
    while start is not None:
        table = (await node.fetch(query(stream="lab/fast", format="csv", start=start))).body
        rows = list(csv.reader(io.StringIO(table.decode())))[1:]
        found += rows[:10]
        start = rows[10][1] if len(rows) > 10 else None
    assert [float(row[2]) for row in found] == list(range(40))


async def test_rollups_are_equal_to_numpy_and_have_gaps(filled):
    answer = await filled.get(query(stream="lab/a", granularity="seconds10"))
    curve = answer["streams"][0]
    assert (curve["granularity"], curve["bucket_s"]) == ("seconds10", 10)
    assert set(curve) == {"path", "unit", "granularity", "bucket_s", "t", "mean", "min", "max"}
    buckets = filled.t // (10 * SECOND)
    means = [filled.v[buckets == b].mean() for b in np.unique(buckets)]
    found = [mean for mean in curve["mean"] if mean is not None]
    np.testing.assert_allclose(found, means, rtol=1e-12)
    gap = curve["mean"].index(None)
    assert curve["t"][gap] - curve["t"][gap - 1] == 10
    assert curve["t"][gap + 1] - curve["t"][gap] == 60


async def test_the_finest_level_that_fits_is_chosen(filled):
    for points in (5, 20, 50, 1000):
        curve = (await filled.get(query(stream="lab/a", points=points)))["streams"][0]
        assert len(curve["t"]) <= 2 * points + 2
    fields = await filled.get(query(stream="lab/a", points=5, fields="mean,count"))
    assert sum(fields["streams"][0]["count"]) == 540
    assert "min" not in fields["streams"][0]


async def test_columns_in_msgpack_are_arrays_of_numbers(filled):
    headers = {"Accept": "application/msgpack"}
    response = await filled.fetch(query(stream="lab/a"), headers=headers)
    answer = msgpack.unpackb(response.body)
    curve = answer["streams"][0]
    assert curve["t"].code == curve["v"].code == 1
    assert curve["t"].data[:1] == b"q"
    assert curve["v"].data[:1] == b"d"
    t = np.frombuffer(curve["t"].data, "<i8", offset=1)
    assert t[0] == START
    assert answer["start"] == START
    assert np.isnan(np.frombuffer(curve["v"].data, "<f8", offset=1)[100])
    cursor = Cursor.parse(answer["cursor"])
    assert cursor.start_id == filled.hub.start_id


async def test_json_and_msgpack_say_the_same(filled):
    headers = {"Accept": "application/msgpack"}
    url = query(stream="lab/a", points=50)
    packed = msgpack.unpackb((await filled.fetch(url, headers=headers)).body)["streams"][0]
    plain = (await filled.get(url))["streams"][0]
    for name in ("t", "mean", "min", "max"):
        dtype = "<" + {b"q": "i8", b"d": "f8"}[packed[name].data[:1]]
        column = np.frombuffer(packed[name].data, dtype, offset=1)
        if name == "t":
            column = column.astype(float) / 1e9
        np.testing.assert_array_equal(
            column, [np.nan if value is None else value for value in plain[name]]
        )


async def test_csv_has_one_time_column_and_text_that_is_no_formula(filled):
    filled.publish(("lab/note", "=HYPERLINK(1)"), time_ns=START)
    filled.publish(("lab/note", 'a,"b"\n'), time_ns=START + SECOND)
    await filled.recorder.flush()
    response = await filled.fetch(query(stream="lab/*", format="csv"))
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    rows = list(csv.reader(io.StringIO(response.body.decode())))
    assert rows[0] == [
        "time",
        "unix_s",
        "lab/a (K)",
        "lab/a quality",
        "lab/note",
        "lab/note quality",
    ]
    assert len(rows) == 1 + 542
    assert rows[1][:3] == ["2023-11-14T22:13:20Z", "1700000000.000000000", "0.0"]
    assert rows[1][4] == "'=HYPERLINK(1)"
    assert rows[2][4] == 'a,"b"\n'
    assert rows[3][4] == ""
    numbers = [float(row[2]) for row in rows[1:] if row[2]]
    np.testing.assert_array_equal(numbers, filled.v)


async def test_records_are_flat(filled):
    filled.publish(("lab/b", 7), time_ns=START)
    await filled.recorder.flush()
    records = await filled.get(query(stream="lab/*", format="records"))
    assert records[0] == {"time": START / 1e6, "lab/a": 0.0, "lab/b": 7}
    assert "lab/b" not in records[1]
    assert len(records) == 542
    assert records[100]["lab/a"] is None


async def test_flot_series_have_null_in_gaps(filled):
    series = await filled.get(query(stream="lab/a", format="flot", points=20))
    assert series[0]["label"] == "lab/a (K)"
    assert any(value is None for _, value in series[0]["data"])
    assert series[0]["data"][0][0] == START / 1e6


async def test_empty_and_unknown_streams(filled):
    answer = await filled.get(query(stream="oven/temperature"))
    assert answer["streams"][0]["t"] == []
    for shape in ("records", "flot", "csv"):
        response = await filled.fetch(query(stream="oven/temperature", format=shape))
        assert response.code == 200, response.body
    assert json.loads((await filled.fetch(query(stream="x*", format="records"))).body) == []
    assert (await filled.get(query(stream="nothing/*")))["streams"] == []
    assert "lab/z" in (await filled.refused(query(stream="lab/z"), 404))["message"]
    assert "at least one" in (await filled.refused("/api/v1/data", 400))["message"]


async def test_nominal_streams_give_their_values(filled):
    filled.publish(("lab/state", {"on": True}), time_ns=START)
    filled.publish(("lab/state", None), time_ns=START + SECOND)
    await filled.recorder.flush()
    curve = (await filled.get(query(stream="lab/state")))["streams"][0]
    assert curve["v"] == [{"on": True}, None]


async def test_exact_integers_stay_exact(filled):
    big = 2**60 + 1
    await filled.append({"stream": "lab/n", "value": big}, {"stream": "lab/n", "value": big + 1})
    curve = (await filled.get("/api/v1/data?stream=lab/n"))["streams"][0]
    assert curve["v"] == [big, big + 1]
    headers = {"Accept": "application/msgpack"}
    response = await filled.fetch("/api/v1/data?stream=lab/n", headers=headers)
    column = msgpack.unpackb(response.body)["streams"][0]["v"]
    assert column.data[:1] == b"q"


async def test_too_many_points_are_refused_with_their_number(make_node):
    node = await make_node(limits={"points": 100, "packed_points": 400})
    stream_id = await node.datastream.ensure_stream({"path": "lab/a"}, {}, ["mean"], "raw")
    t = START + np.arange(500, dtype=np.int64) * SECOND
    await node.datastream.append_array(stream_id, t, np.arange(500.0))
    error = await node.refused(query(stream="lab/a", granularity="raw"), 413)
    assert error["details"] == {"stream": "lab/a", "points": 500, "limit": 100}
    assert "500 points" in error["message"]
    packed = {"Accept": "application/msgpack"}
    long = query(stream="lab/a", granularity="raw", end=START / SECOND + 400)
    assert (await node.fetch(long, headers=packed)).code == 200
    assert (await node.fetch(long)).code == 413
    response = await node.fetch(query(stream="lab/a", granularity="raw"), headers=packed)
    assert response.code == 413
    assert (await node.fetch(query(stream="lab/a", granularity="minutes"))).code == 200
    short = query(stream="lab/a", granularity="raw", end=START / SECOND + 90)
    assert len((await node.get(short))["streams"][0]["t"]) == 90


async def test_too_many_streams_are_refused_with_their_number(make_node):
    node = await make_node(limits={"streams": 5})
    node.publish(*((f"lab/{number}", 1.0) for number in range(7)))
    await node.recorder.flush()
    error = await node.refused(query(stream="lab/*"), 413)
    assert error["details"] == {"streams": 7, "limit": 5}


async def test_the_cursor_goes_on_into_live_without_a_seam(node):
    """Readings are published all the while; history and live together are each of them once."""
    sent = 0
    for _ in range(20):
        for _ in range(5):
            node.publish(("lab/a", sent))
            sent += 1
        answer = await node.get("/api/v1/data?stream=lab/a&points=10000")
        seen = answer["streams"][0]["v"] if answer["streams"] else []
        socket = await node.socket()
        node.publish(("lab/a", sent))
        sent += 1
        await socket.subscribe("lab/*", after=answer["cursor"])
        node.publish(("lab/a", sent))
        sent += 1
        live = await socket.values(sent - len(seen))
        assert [*seen, *(value for _, value in live)] == list(range(sent))
        socket.close()

"""Odd times and odd numbers, pushed as JSON and msgpack and returned by a driver."""

import math
import struct
import urllib.error
import urllib.request
from contextlib import closing

import msgpack
import numpy as np
import orjson
import pytest

from tests.conftest import PATIENCE_S, ServerProcess, until

CONFIG = """\
devices:
  odd: {driver: "tests.faults.odd_drivers:Odd", period_s: 0.05}
"""
SECOND = 1_000_000_000
FORMATS = ["json", "msgpack"]


class Node:
    """One server for all tests of this file; each test has streams of its own."""

    def __init__(self, server):
        self.server = server
        self.now_ns = round(self.server.get("/api/v1/latest")["now"] * 1e9)

    def send(self, body, form="json", headers=None):
        """(status, answer) of readings whose times are in nanoseconds."""
        if form == "json":
            for reading in body:
                if type(reading.get("time")) is int:
                    reading["time"] /= 1e9
            data = orjson.dumps(body)
        else:
            data = msgpack.packb(body)
        return self.send_bytes(data, form, headers)

    def send_bytes(self, data, form="json", headers=None):
        assert data is not None
        request = urllib.request.Request(
            f"{self.server.address}/api/v1/append",
            data,
            {"Content-Type": f"application/{form}", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
                return reply.status, orjson.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, orjson.loads(error.read())

    def data(self, stream, rest="granularity=raw", form="json"):
        request = urllib.request.Request(
            f"{self.server.address}/api/v1/data?stream={stream}&start=0&end=%2B1d&{rest}",
            headers={"Accept": f"application/{form}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            body = reply.read()
        if form == "json":
            return orjson.loads(body)["streams"][0]
        return msgpack.unpackb(body, ext_hook=column)["streams"][0]


def column(code, data):
    assert code == 1
    kinds = {b"d": "<f8", b"q": "<i8", b"B": "u1", b"i": "<i4", b"I": "<u4"}
    return np.frombuffer(data, kinds[data[:1]], offset=1).tolist()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("odd"), CONFIG)) as server:
        server.start()
        yield Node(server)
        code, _ = server.end()
        assert code == 0
        assert "Traceback" not in server.output


# D6: times


@pytest.mark.parametrize("form", FORMATS)
def test_equal_times_are_all_kept_in_the_order_they_came(node, form):
    at = node.now_ns - 60 * SECOND
    path = f"equal/{form}"
    body = [{"stream": path, "time": at, "value": float(i)} for i in (3, 1, 2, 1)]
    assert node.send(body, form)[0] == 200
    body = [{"stream": path, "time": at, "value": float(i)} for i in (1, 9)]
    assert node.send(body, form)[0] == 200
    found = node.data(path)
    assert found["v"] == [3.0, 1.0, 2.0, 1.0, 1.0, 9.0]
    assert set(found["t"]) == {at / 1e9}
    assert not any(found["quality"] or [])


@pytest.mark.parametrize("form", FORMATS)
def test_late_readings_are_sorted_in_flagged_and_put_into_their_rollups(node, form):
    at = node.now_ns // SECOND * SECOND - 10 * SECOND
    path = f"late/{form}"
    hour = 3600 * SECOND
    times = [at, at - SECOND, at - hour, 0, at - SECOND // 2, at]
    body = [{"stream": path, "time": t, "value": float(i)} for i, t in enumerate(times)]
    assert node.send(body, form) == (200, {"accepted": 6, "rejected": []})
    found = node.data(path, form="msgpack")
    values = [v for v in found["v"] if v == v]
    assert values == [3.0, 2.0, 1.0, 4.0, 0.0, 5.0]
    flags = dict(zip(found["v"], found["quality"], strict=True))
    assert [v for v in values if flags[v] & 0x20] == [3.0, 2.0, 1.0, 4.0]
    for granularity in ("seconds", "minutes", "hours", "days"):
        rows = node.data(path, f"granularity={granularity}&fields=count&fields=sum")
        assert sum(c for c in rows["count"] if c) == 6
        assert sum(s for s in rows["sum"] if s) == 15.0
    seconds = node.data(path, "granularity=seconds&fields=count&fields=mean")
    by_time = dict(zip(seconds["t"], seconds["mean"], strict=True))
    assert by_time[(at - SECOND) / 1e9] == 2.5  # 1.0 and 4.0, both late


@pytest.mark.parametrize("form", FORMATS)
def test_times_out_of_the_world_are_refused_each_with_its_reason(node, form):
    path = f"far/{form}"
    whole = form == "msgpack"  # nanoseconds there, seconds in JSON
    year_2100 = 4_102_444_800 * SECOND
    refused = [
        (year_2100, "ahead"),
        (node.now_ns + 600 * SECOND, "ahead"),
        (-1 if whole else -1e-9, "1970"),
        (-(10**18), "1970"),
        (1e30, "no Unix time"),
        (-1e30, "no Unix time"),
        (2**64 - 1 if whole else 1e12, "2262" if whole else "no Unix time"),
        ("2100-01-01", "ahead"),
        ("1969-12-31T23:59:59Z", "1970"),
        ("9999-99-99", "no time"),
        (True, "number or a string"),
        ([1], "number or a string"),
    ]
    if whole:
        refused += [(math.nan, "no Unix time"), (math.inf, "no Unix time")]
    body = [{"stream": path, "time": t, "value": 1.0} for t, _ in refused]
    good = {"stream": path, "time": node.now_ns, "value": 7.0}
    status, answer = node.send([*body, good], form)
    assert status == 207
    assert answer["accepted"] == 1
    reasons = {each["index"]: each["reason"] for each in answer["rejected"]}
    assert reasons.keys() == set(range(len(refused)))
    for index, (_, word) in enumerate(refused):
        assert word in reasons[index], (refused[index], reasons[index])
    assert [v for v in node.data(path)["v"] if v is not None] == [7.0]
    status, answer = node.send(body, form)
    assert status == 400
    assert len(answer["error"]["details"]["rejected"]) == len(refused)


def test_a_request_that_is_repeated_with_its_key_counts_once(node):
    body = [{"stream": "again/a", "time": node.now_ns, "value": 1.0}] * 2
    for _ in range(3):
        answer = node.send([dict(each) for each in body], headers={"Idempotency-Key": "k1"})
        assert answer == (200, {"accepted": 2, "rejected": []})
    assert node.data("again/a")["v"] == [1.0, 1.0]


# D7: numbers


def bits(value):
    return struct.pack("<d", value)


ODD_FLOATS = [-0.0, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, -1e-300]
ODD_INTS = [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0]


@pytest.mark.parametrize("form", FORMATS)
def test_floats_come_back_bit_for_bit(node, form):
    path = f"floats/{form}"
    body = [{"stream": path, "time": node.now_ns, "value": v} for v in ODD_FLOATS]
    assert node.send(body, form)[0] == 200
    for answer in FORMATS:
        found = node.data(path, form=answer)["v"]
        assert [bits(v) for v in found] == [bits(v) for v in ODD_FLOATS]


@pytest.mark.parametrize("form", FORMATS)
def test_integers_of_64_bits_come_back_exactly(node, form):
    path = f"ints/{form}"
    body = [{"stream": path, "time": node.now_ns, "value": v} for v in ODD_INTS]
    assert node.send(body, form)[0] == 200
    assert node.data(path, form="msgpack")["v"] == ODD_INTS
    assert node.data(path, form="json")["v"] == ODD_INTS


@pytest.mark.parametrize("form", FORMATS)
def test_integers_beyond_64_bits_are_refused_and_the_others_kept(node, form):
    path = f"large/{form}"
    body = [{"stream": path, "value": v} for v in (1, 2**63, 2**64 - 1, 2)]
    status, answer = node.send(body, form)
    assert status == 207
    assert [(each["index"], each["reason"]) for each in answer["rejected"]] == [
        (1, "whole numbers have 64 bits: send a float"),
        (2, "whole numbers have 64 bits: send a float"),
    ]
    assert node.data(path)["v"] == [1, 2]


def test_nan_is_a_gap_and_infinities_are_stored_counted_as_bad_and_left_out(node):
    at = node.now_ns // SECOND * SECOND - 5 * SECOND
    values = [1.0, math.nan, math.inf, -math.inf, 3.0, None]
    body = [{"stream": "bad/x", "time": at + i, "value": v} for i, v in enumerate(values)]
    assert node.send(body, "msgpack")[0] == 200
    assert node.data("bad/x")["v"] == [1.0, None, None, None, 3.0, None]
    found = node.data("bad/x", form="msgpack")["v"]
    assert found[2:4] == [math.inf, -math.inf]
    assert math.isnan(found[1])
    names = ("count", "mean", "min", "max", "bad")
    fields = "&".join(f"fields={name}" for name in names)
    rows = node.data("bad/x", f"granularity=seconds&{fields}")
    row = {name: [v for v in rows[name] if v is not None] for name in names}
    assert row == {"count": [2], "mean": [2.0], "min": [1.0], "max": [3.0], "bad": [2]}


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"0x10", b"01", b"1e", b"9" * 5000, b"1e400"]
)
def test_what_json_does_not_know_is_refused_as_a_whole(node, number):
    status, answer = node.send_bytes(b'[{"stream": "json/x", "value": %s}]' % number)
    assert status == 400, answer
    assert node.server.is_ready()


def test_text_and_truth_are_no_numbers(node):
    assert node.send([{"stream": "typed/x", "value": 1.0}])[0] == 200
    status, answer = node.send(
        [{"stream": "typed/x", "value": v} for v in (True, "7", [7], {"mean": 7}, 8)]
    )
    assert status == 207
    assert [each["index"] for each in answer["rejected"]] == [0, 1, 2, 3]
    assert all("takes numbers" in each["reason"] for each in answer["rejected"])
    assert node.data("typed/x")["v"] == [1.0, 8]


def test_whatever_a_driver_returns_the_reading_beside_it_is_recorded(node):
    """Each channel of the driver returns one odd value, always the same; `count` goes on."""

    def device():
        return node.server.get("/api/v1/devices/odd")

    def times_said(words):
        return sum(words in line for line in node.server.lines)

    polls = device()["polls"]
    until(lambda: device()["polls"] > polls + 5, what="a few polls")
    assert device()["state"] == "online"
    latest = node.server.get("/api/v1/latest?path=odd/*")["readings"]
    values = {reading["path"].partition("/")[2]: reading["value"] for reading in latest}
    assert values["count"] > 5
    assert values["largest"] == 2**63 - 1
    assert values["larger"] == float(2**63)
    assert values["truth"] == 1
    assert values["numpy"] == 1.5
    for name in ("nan", "infinite", "none"):
        assert values[name] is None
    raw = node.data("odd/infinite", form="msgpack")["v"]
    assert math.inf in raw
    for name in ("huge", "text", "thing", "list"):
        assert values.get(name) is None
        assert not [v for v in node.data(f"odd/{name}")["v"] if v is not None]
        until(lambda name=name: times_said(f"'{name}'") == 1, what="it being said once")
    until(lambda: times_said("undeclared") == 1, what="it being said once")

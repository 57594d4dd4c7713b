"""POST append: readings from outside, the good ones kept and each bad one named."""

import asyncio
import json
import time

import msgpack

from labmon.reading import Quality

SECOND = 10**9


async def test_appended_readings_are_durable_and_make_their_stream(node):
    code, answer = await node.append(
        {"stream": "room/t", "value": 21.5},
        {"stream": "room/t", "value": 21.6, "time": node.clock.now_ns() / 1e9},
        {"stream": "room/door", "value": "open", "quality": ["ok", "simulated"]},
    )
    assert (code, answer) == (200, {"accepted": 3, "rejected": []})
    assert node.datastream.durable_seq >= node.hub.last_seq
    streams = (await node.get("/api/v1/streams?path=room/*"))["streams"]
    assert {s["path"]: s["value_type"] for s in streams} == {
        "room/t": "numeric",
        "room/door": "nominal",
    }
    door = (await node.get("/api/v1/latest?path=room/door"))["readings"][0]
    assert door["quality_words"] == ["ok", "simulated"]


async def test_a_pushed_reading_says_its_unit_and_another_one_is_refused(node):
    said = {"stream": "room/t", "value": 21.5, "unit": "°C"}
    assert (await node.append({"stream": "room/t", "value": 21.4}, said))[1]["accepted"] == 2
    assert (await node.get("/api/v1/streams/room/t"))["unit"] == "°C"
    code, answer = await node.append(
        said, said | {"unit": "K"}, said | {"unit": ""}, said | {"unit": None}
    )
    assert (code, answer["accepted"]) == (207, 2)
    reason = "room/t is recorded in '°C', not in 'K': convert it, or send it to another stream"
    assert answer["rejected"][0] == {"index": 1, "stream": "room/t", "reason": reason}
    assert "in '°C', not without a unit" in answer["rejected"][1]["reason"]
    await node.append({"stream": "room/n", "value": 1})
    error = await node.refused(
        "/api/v1/append", 400, "POST", [{"stream": "room/n", "value": 1, "unit": "K"}]
    )
    assert "room/n is recorded without a unit, not in 'K'" in error["message"]
    assert (await node.append({"stream": "room/n", "value": 2}))[0] == 200


async def test_of_two_units_at_once_the_first_counts(node):
    both = [{"stream": "room/p", "value": 1, "unit": unit} for unit in ("mbar", "Pa")]
    answers = await asyncio.gather(*(node.append(reading) for reading in both))
    assert sorted(code for code, _ in answers) == [200, 400]
    assert (await node.append({"stream": "room/q", "value": 1}, both[0]))[0] in {200, 207}
    assert (await node.append({"stream": "room/p", "value": 2}))[0] == 200
    assert not node.recorder.refused


async def test_a_bad_reading_is_named_and_spoils_no_other(node):
    now = time.time()
    bad = [
        ({"stream": "room/t", "value": "warm"}, "takes numbers"),
        ({"stream": "room/t", "value": True}, "takes numbers"),
        ({"stream": "room/t", "value": 1, "time": now + 61}, "ahead"),
        ({"stream": "room/t", "value": 1, "time": "2100-01-01"}, "ahead"),
        ({"stream": "room/t", "value": 1, "time": -1}, "1970"),
        ({"stream": "room/t", "value": 1, "time": 1e30}, "no Unix time"),
        ({"stream": "room/t", "value": 1, "time": [1]}, "'time'"),
        ({"stream": "room/t", "value": 1, "time": True}, "'time'"),
        ({"stream": "room/t", "value": 1, "quality": "bad"}, "unknown quality"),
        ({"stream": "room/t", "value": 1, "quality": 15}, "no quality byte"),
        ({"stream": "room/t", "value": 1, "quality": 999}, "no quality byte"),
        ({"stream": "room/t", "value": 2**63}, "64 bits"),
        ({"stream": "room/t", "value": 1, "unit": 1}, "'unit'"),
        ({"stream": "room/t", "value": 1, "unit": "x" * 256}, "'unit'"),
        ({"stream": "room/t"}, "'value' is missing"),
        ({"value": 1}, "'stream'"),
        ({"stream": "room/t", "value": 1, "vaule": 1}, "unknown vaule"),
        ({"stream": "a\r\nX-Evil: 1", "value": 1}, "contains"),
        ({"stream": "<img onerror=1>", "value": 1}, "contains"),
        ({"stream": "../../x", "value": 1}, "segment"),
        ({"stream": "a\u202eb", "value": 1}, "contains"),
        ({"stream": "x" * 256, "value": 1}, "255"),
        ({"stream": "", "value": 1}, "255"),
        ({"stream": " a", "value": 1}, "begins"),
        ({"stream": "room/_state", "value": 1}, "labmon's own"),
        ("text", "an object"),
        (None, "an object"),
    ]
    good = {"stream": "room/t", "value": 1.0}
    code, answer = await node.append(good, *(item for item, _ in bad), good)
    assert code == 207
    assert answer["accepted"] == 2
    assert [r["index"] for r in answer["rejected"]] == list(range(1, len(bad) + 1))
    for rejection, (item, reason) in zip(answer["rejected"], bad, strict=True):
        assert reason in rejection["reason"], item
    assert (await node.get("/api/v1/streams/room/t"))["count"] == 2


async def test_nothing_good_is_a_bad_request(node):
    error = await node.refused("/api/v1/append", 400, "POST", [{"stream": "a/b", "valu": 1}])
    assert error["details"]["rejected"][0]["index"] == 0
    for body in ([], {}, 1, None, "x"):
        await node.refused(
            "/api/v1/append",
            400,
            "POST",
            json.dumps(body).encode() or b"null",
            headers={"Content-Type": "application/json"},
        )


async def test_odd_numbers_are_taken_as_they_are_meant(node):
    values = [float("nan"), float("inf"), -float("inf"), -0.0, 2**63 - 1, -(2**63), 5e-324, None]
    body = msgpack.packb([{"stream": "room/t", "value": value} for value in values])
    response = await node.fetch(
        "/api/v1/append", "POST", body, headers={"Content-Type": "application/msgpack"}
    )
    assert response.code == 200, response.body
    assert json.loads(response.body)["accepted"] == len(values)
    for text in ("NaN", "1e400", "9" * 5000, "Infinity", '"\\ud800"'):
        body = f'[{{"stream": "room/t", "value": {text}}}]'.encode()
        response = await node.fetch(
            "/api/v1/append", "POST", body, headers={"Content-Type": "application/json"}
        )
        assert response.code == 400, text


async def test_equal_times_are_all_kept_in_order_and_late_ones_sorted_in(node):
    now = int(time.time())
    code, _ = await node.append(
        *({"stream": "room/t", "value": v, "time": now - 10} for v in (1, 2, 3)),
        {"stream": "room/t", "value": 0, "time": now - 3600},
    )
    assert code == 200
    stream_id = node.datastream.stream_id("room/t")
    from labmon.datastream.granularity import Granularity

    arrays = await node.datastream.get_arrays(stream_id, Granularity.Raw, 0, now * SECOND)
    assert arrays["v"].tolist() == [0, 1, 2, 3]
    assert arrays["quality"][0] & Quality.LATE


async def test_what_no_store_takes_is_refused_with_its_reason(node):
    values = [b"bytes", {b"key": 1}, [2**63], {"a": [b"x"]}]
    readings = [{"stream": "lab/word", "value": "x"}]
    readings += [{"stream": "lab/word", "value": value} for value in values]
    response = await node.fetch(
        "/api/v1/append",
        "POST",
        msgpack.packb(readings),
        headers={"Content-Type": "application/msgpack"},
    )
    assert response.code == 207, response.body
    answer = json.loads(response.body)
    assert answer["accepted"] in {1, 2}  # 2**63 fits JSON of some encoders
    assert all("no JSON value" in rejection["reason"] for rejection in answer["rejected"])
    assert (await node.get("/api/v1/streams/lab/word"))["count"] == answer["accepted"]


async def test_a_key_is_known_after_a_restart(make_node, tmp_path):
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db")
    headers = {"Idempotency-Key": "run 7"}
    readings = [
        {"stream": "room/t", "value": 1, "time": 1_700_000_000},
        {"stream": "room/t", "value": "warm", "time": 1_700_000_001},
        {"stream": "room/t", "value": 3, "time": 1_700_000_002},
    ]
    first = await node.append(*readings, headers=headers)
    assert (first[0], first[1]["accepted"]) == (207, 2)
    await node.restart()
    assert await node.append(*readings, headers=headers) == first
    assert (await node.append(*readings[:1], headers=headers))[0] == 422
    columns = await node.get("/api/v1/data?stream=room/t&start=0&granularity=raw")
    assert [v for v in columns["streams"][0]["v"] if v is not None] == [1, 3]


async def test_an_idempotency_key_makes_a_retry_safe(node):
    headers = {"Idempotency-Key": "run 7"}
    readings = [{"stream": "room/t", "value": 1}, {"stream": "room/t", "value": "x"}]
    first, second, third = await asyncio.gather(
        *(node.append(*readings, headers=headers) for _ in range(3))
    )
    assert first == second == third
    assert first[0] == 207
    assert (await node.get("/api/v1/streams/room/t"))["count"] == 1
    other = [{"stream": "room/t", "value": 2}]
    error = await node.refused("/api/v1/append", 422, "POST", other, headers=headers)
    assert error["code"] == "key_reused"


async def test_the_keys_that_are_remembered_are_bounded(make_node):
    node = await make_node(limits={"keys": 3})
    for number in range(10):
        await node.append(
            {"stream": "room/t", "value": number}, headers={"Idempotency-Key": str(number)}
        )
    assert len(node.server.application.retries._remembered) == 3


async def test_what_is_appended_is_live(node):
    socket = await node.socket()
    await socket.subscribe("room/*")
    await node.append({"stream": "room/t", "value": 21.5})
    assert await socket.values(1) == [("room/t", 21.5)]
    socket.close()


async def test_a_large_push_is_published_in_batches_that_hold_up_nobody(node):
    published = []
    publish = node.hub.publish
    node.hub.publish = lambda batch: published.append(publish(batch))
    readings = [{"stream": f"lab/{number}", "value": number, "time": 5} for number in range(1000)]
    assert await node.append(*readings) == (200, {"accepted": 1000, "rejected": []})
    assert max(len(batch) for batch in published) <= 250
    paths = [path for batch in published for path in batch.paths]
    assert paths == [reading["stream"] for reading in readings]
    latest = await node.get("/api/v1/latest?path=lab/*")
    assert {one["path"]: one["value"] for one in latest["readings"]} == {
        reading["stream"]: reading["value"] for reading in readings
    }

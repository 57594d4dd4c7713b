import asyncio
import json
import re
import time
from urllib.parse import quote

import msgpack
import pytest

from labmon.reading import Quality
from labmon.web.assets import static_dir
from labmon.web.routes import API

SECOND = 10**9


async def test_streams_are_listed_with_what_is_known_of_them(node):
    node.publish(("lab/a", 1.5), ("lab/b", 2))
    await node.recorder.flush()
    streams = (await node.get("/api/v1/streams?path=lab/*"))["streams"]
    assert [stream["path"] for stream in streams] == ["lab/a", "lab/b"]
    first = streams[0]
    assert first["latest_value"] == 1.5
    assert first["quality_words"] == ["ok"]
    assert first["count"] == 1
    assert first["value_type"] == "numeric"
    assert first["granularities"][0] == "raw"
    assert first["granularities"][-1] == "days"
    assert first["device"] == "lab"
    assert abs(first["latest"] - time.time()) < 5
    oven = (await node.get("/api/v1/streams?path=oven/temperature"))["streams"][0]
    assert oven["unit"] == "C"
    assert oven["digits"] == 1
    assert oven["period_s"] == 0.05
    assert oven["latest"] is None


async def test_streams_are_filtered_by_tags(node):
    node.publish(("lab/a", 1.5))
    await node.recorder.flush()

    async def found(query):
        return [s["path"] for s in (await node.get(f"/api/v1/streams?{query}"))["streams"]]

    assert await found("tag.unit=C") == ["oven/temperature"]
    assert await found("tag.device=o*&tag.unit=C") == ["oven/temperature"]
    assert await found("tag.unit=K") == []
    assert await found("tag.nothing=*") == []


async def test_one_stream_by_path_and_by_id(node):
    by_path = await node.get("/api/v1/streams/oven/temperature")
    assert by_path == await node.get(f"/api/v1/streams/{by_path['id']}")
    error = await node.refused("/api/v1/streams/oven/nothing", 404)
    assert "oven/nothing" in error["message"]


async def test_a_name_may_be_asked_for_as_another_keyboard_writes_it(node):
    written, kept = "Bu\u0308ro/Tu\u0308r", "Büro/Tür"
    assert (await node.append({"stream": written, "value": "open"}))[0] == 200
    asked = quote(written)
    assert (await node.get(f"/api/v1/streams/{asked}"))["path"] == kept
    assert [r["path"] for r in (await node.get(f"/api/v1/latest?path={asked}"))["readings"]] == [
        kept
    ]
    answer = await node.get(f"/api/v1/data?stream={asked}&start=-1m")
    assert answer["streams"][0]["v"] == ["open"]
    error = await node.refused(f"/api/v1/data?stream={asked}&granularity=minutes", 400)
    assert "never downsampled" in error["message"]


async def test_a_stream_of_another_program_without_a_unit_has_an_empty_one(node):
    await node.datastream.ensure_stream({"path": "lab/x"}, {}, [], "raw")
    assert (await node.get("/api/v1/streams/lab/x"))["unit"] == ""


async def test_tags_are_changed_and_taken_away(node):
    path = "/api/v1/streams/oven/temperature"
    response = await node.fetch(path, "PATCH", {"tags": {"room": "B 12", "digits": 3}})
    assert response.code == 200
    described = await node.get(path)
    assert described["tags"]["room"] == "B 12"
    assert described["digits"] == 3
    await node.fetch(path, "PATCH", {"tags": {"room": None}})
    assert "room" not in (await node.get(path))["tags"]
    for body in ({"tags": {"path": "x"}}, {"tags": {"stream_id": "x"}}, {"tags": []}, [], {}):
        assert (await node.refused(path, 400, "PATCH", body))["code"] == "bad_request"


@pytest.mark.parametrize(
    ("tag", "value", "allowed"),
    [
        ("digits", "x", "a whole number from 0 to 20"),
        ("digits", 101, "a whole number from 0 to 20"),
        ("scientific", "no", "true or false"),
        ("label", ["<b>"], "text"),
        ("description", 7, "text"),
        ("unit", {"a": 1}, "text"),
        ("accuracy", 0, "a number over 0"),
        ("limits", [1], "[low, high], numbers or null"),
        ("limits", "abc", "[low, high], numbers or null"),
        ("period_s", -1, "a number of seconds over 0"),
        ("period_s", True, "a number of seconds over 0"),
        ("period_s", 1e300, "a number of seconds over 0"),
    ],
)
async def test_tags_that_pages_rely_on_are_what_they_must_be(node, tag, value, allowed):
    path = "/api/v1/streams/oven/temperature"
    before = (await node.get(path))["tags"]
    error = await node.refused(path, 400, "PATCH", {"tags": {"room": "B 12", tag: value}})
    assert f"the tag {tag} is {allowed}" in error["message"]
    assert (await node.get(path))["tags"] == before


@pytest.mark.parametrize("wrong", [{"count": 5}, {"unit": "K"}, {"unit": None}])
async def test_tags_are_changed_all_or_none(node, wrong):
    path = "/api/v1/streams/lab/a"
    await node.append({"stream": "lab/a", "value": 1})
    await node.fetch(path, "PATCH", {"tags": {"room": "B 12"}})
    before = (await node.get(path))["tags"]
    body = {"tags": {"room": None, "floor": 2, **wrong}}
    assert (await node.fetch(path, "PATCH", body)).code in {400, 409}
    assert (await node.get(path))["tags"] == before


async def test_tags_that_are_no_plain_data_are_refused(node):
    for tags in ({"room": b"bytes"}, {"room": {b"bytes": 1}}):
        body = msgpack.packb({"tags": tags})
        path, headers = "/api/v1/streams/oven/temperature", {"Content-Type": "application/msgpack"}
        await node.refused(path, 400, "PATCH", body, headers=headers)


async def test_latest_has_age_quality_and_a_cursor(node):
    node.publish(("lab/a", 1.5), quality=Quality.OVER_RANGE | Quality.SIMULATED)
    node.publish(("lab/state", {"on": True}))
    await node.recorder.flush()
    answer = await node.get("/api/v1/latest?path=lab/*")
    first, second = answer["readings"]
    assert first["path"] == "lab/a"
    assert first["value"] == 1.5
    assert first["quality_words"] == ["over_range", "simulated"]
    assert 0 <= first["age_s"] < 5
    assert second["value"] == {"on": True}
    assert answer["cursor"].startswith(node.hub.node)


async def test_hidden_streams_are_listed_only_when_named(node):
    node.publish(("lab/a", 1.0), ("lab/_state", "online"))
    await node.recorder.flush()

    async def paths(glob):
        return [r["path"] for r in (await node.get(f"/api/v1/latest?path={glob}"))["readings"]]

    assert await paths("**") == ["lab/a"]
    assert await paths("*/_state") == ["lab/_state"]


async def test_msgpack_in_and_out(node):
    body = msgpack.packb([{"stream": "lab/a", "value": 2**60, "time": node.clock.now_ns()}])
    response = await node.fetch(
        "/api/v1/append", "POST", body, headers={"Content-Type": "application/msgpack"}
    )
    assert response.code == 200
    response = await node.fetch(
        "/api/v1/latest?path=lab/a", headers={"Accept": "application/msgpack"}
    )
    assert response.headers["Content-Type"] == "application/msgpack"
    reading = msgpack.unpackb(response.body)["readings"][0]
    assert reading["value"] == 2**60
    assert isinstance(reading["t"], int)
    response = await node.fetch("/nowhere", headers={"Accept": "application/msgpack"})
    assert msgpack.unpackb(response.body)["error"]["code"] == "not_found"


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


async def test_devices_are_described_and_acted_on(node, eventually):
    device = node.devices["oven"]
    await device.start()
    await eventually(lambda: device.state == "online")
    listed = (await node.get("/api/v1/devices"))["devices"][0]
    assert listed["name"] == "oven"
    assert listed["channels"][0]["path"] == "oven/temperature"
    assert listed["commands"][0]["name"] == "heat"
    assert (await node.get("/api/v1/devices/oven"))["state"] == "online"
    assert (await node.fetch("/api/v1/devices/oven/disable", "POST", {})).code == 200
    await eventually(lambda: device.state == "disabled")
    assert (await node.fetch("/api/v1/devices/oven/enable", "POST", {})).code == 200
    await eventually(lambda: device.state == "online")
    await node.recorder.flush()
    record = (await node.get("/api/v1/latest?path=oven/_commands"))["readings"][0]["value"]
    assert (record["command"], record["who"], record["ok"]) == ("enable", "local", True)
    assert "oven" in (await node.refused("/api/v1/devices/stove", 404))["message"]
    await node.refused("/api/v1/devices/stove/enable", 404, "POST", {})
    await node.refused("/api/v1/devices/oven/explode", 404, "POST", {})


async def test_a_command_over_rpc(node, eventually):
    device = node.devices["oven"]
    await device.start()
    await eventually(lambda: device.state == "online")
    request = {"jsonrpc": "2.0", "id": 1, "method": "oven.heat", "params": {"celsius": 80}}
    response = await node.fetch("/rpc", "POST", request)
    assert json.loads(response.body)["result"] == 80
    request["params"] = {"celsius": "80"}
    assert json.loads((await node.fetch("/rpc", "POST", request)).body)["error"]["code"] == -32602


async def test_health_and_readiness(node):
    assert (await node.get("/healthz"))["status"] == "ok"
    answer = await node.get("/readyz")
    assert answer["ready"] is True
    assert answer["reasons"] == []


async def test_metrics_are_prometheus_text(node):
    node.publish(("lab/a", 1.5), ("lab/b", float("nan")), ("lab/c", "word"))
    await node.recorder.flush()
    text = (await node.fetch("/metrics")).body.decode()
    assert 'labmon_reading{stream="lab/a",unit=""} 1.5' in text
    assert "labmon_readings_total 3" in text
    assert 'labmon_device_state{device="oven",state="connecting"}' in text
    assert "lab/c" not in text
    assert 'labmon_loop_lag_seconds_bucket{le="+Inf"}' in text
    assert "process_resident_memory_bytes" in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    sample = re.compile(r'[a-z_:]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)')
    for line in text.splitlines():
        assert line.startswith("# ") or sample.fullmatch(line), line


async def test_unknown_parameters_are_refused_with_those_that_are_known(node):
    error = await node.refused("/api/v1/data?straem=a", 400)
    assert "'straem'" in error["message"]
    assert "stream, start, end" in error["message"]
    assert "none is taken" in (await node.refused("/healthz?x=1", 400))["message"]
    assert "tag.KEY" in (await node.refused("/api/v1/streams?tag.=1", 400))["message"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("points=abc", "whole number"),
        ("points=1e9", "whole number"),
        ("points=1000000000", "between 1 and 10000"),
        ("points=0", "between 1 and 10000"),
        ("points=10&points=20", "2 times"),
        ("start=yesterday", "no time"),
        ("start=nan", "no time"),
        ("granularity=weeks", "one of raw, seconds"),
        ("fields=mean,median", "one of mean, min"),
        ("format=xml", "columns, csv"),
        ("stream=%01", "control characters"),
        ("stream=%ff", "UTF-8"),
        ("start=now&end=-1h", "not before"),
        ("stream=" + "x" * 300, "255"),
    ],
)
async def test_parameters_are_checked(node, query, words):
    path = "" if query.startswith("stream") else "stream=oven/temperature&"
    assert words in (await node.refused(f"/api/v1/data?{path}{query}", 400))["message"]


async def test_a_glob_is_no_regular_expression(node):
    for glob in ("(a%2B)%2B$", "[a-z]", "a|b", "%5Ed", "%24"):
        assert "no glob" in (await node.refused(f"/api/v1/latest?path={glob}", 400))["message"]
    begin = time.monotonic()
    await node.get("/api/v1/latest?path=" + "*a" * 100)
    assert time.monotonic() - begin < 1


async def test_unknown_addresses_and_methods(node):
    assert (await node.refused("/nowhere", 404))["code"] == "not_found"
    assert (await node.refused("/api/v1/latest", 405, "POST", {}))["code"] == "method_not_allowed"
    for method in ("OPTIONS", "TRACE", "BREW"):
        assert (await node.fetch("/api/v1/latest", method, b"")).code in {400, 405}


async def test_what_watches_servers_may_leave_the_body_out(node):
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/streams"):
        response = await node.fetch(path, "HEAD")
        assert (response.code, response.body) == (200, b"")
        assert int(response.headers["Content-Length"]) > 0
    for path in ("/rpc", "/api/v1/append", "/api/v1/live"):
        assert (await node.fetch(path, "HEAD")).code == 405


async def test_a_browser_at_an_unknown_address_gets_the_page_that_says_so(node):
    response = await node.fetch("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.code == 404
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.body == (static_dir() / "index.html").read_bytes()
    refused = await node.fetch("/nowhere", "POST", b"{}", headers={"Accept": "text/html"})
    assert refused.headers["Content-Type"] == "application/json"


async def test_every_call_is_described(node):
    document = await node.get("/openapi.json")
    assert document["openapi"] == "3.1.0"
    described = {
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    }
    assert len(described) == sum(len(handler.operations) for _, handler in API)
    assert ("/api/v1/devices/{name}/{action}", "POST") in described
    data = document["paths"]["/api/v1/data"]["get"]
    points = next(p for p in data["parameters"] if p["name"] == "points")
    assert points["schema"]["maximum"] == 10_000
    identifiers = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(identifiers) == len(set(identifiers))


async def test_pages_are_all_the_same_file_and_are_asked_for_again(node):
    index = (static_dir() / "index.html").read_bytes()
    for path in ("/", "/graph", "/devices", "/devices/oven", "/streams", "/graph?streams=a"):
        response = await node.fetch(path)
        assert (response.code, response.body) == (200, index), path
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["Content-Type"].startswith("text/html")
    etag = response.headers["ETag"]
    assert (await node.fetch("/", headers={"If-None-Match": etag})).code == 304
    assert (await node.fetch("/", method="HEAD")).code == 200


async def test_modules_have_the_type_that_browsers_run(node):
    module = next(iter(sorted(static_dir().glob("js/*.js"))))
    response = await node.fetch(f"/static/js/{module.name}")
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["ETag"]


async def test_metrics_tell_the_size_of_a_store_in_files(make_node, tmp_path):
    node = await make_node(f"sqlite:///{tmp_path}/labmon.db")
    text = (await node.fetch("/metrics")).body.decode()
    found = dict(line.split() for line in text.splitlines() if line.startswith("labmon_store_"))
    assert float(found["labmon_store_bytes"]) >= (tmp_path / "labmon.db").stat().st_size > 0
    assert float(found["labmon_store_free_bytes"]) > 0


async def test_the_status_page_has_its_address(node):
    assert b'<div id="app">' in (await node.fetch("/status")).body

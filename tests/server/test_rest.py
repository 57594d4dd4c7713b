"""The rest of /api/v1: devices, health, metrics, addresses, and how parameters are checked."""

import json
import re
import time

import pytest

from labmon.web.assets import static_dir
from labmon.web.routes import API


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
    begin = time.process_time()
    await node.get("/api/v1/latest?path=" + "*a" * 100)
    assert time.process_time() - begin < 1


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

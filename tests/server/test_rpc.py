"""Commands over HTTP and the WebSocket of a real server, to a device with its own thread."""

from __future__ import annotations

import asyncio
import json
import logging

import msgpack
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from labmon import config
from labmon.app import App
from labmon.control.caller import Caller

JSON = {"Content-Type": "application/json"}
CONFIG = """
store: "memory:"
server: {max_rpc_bytes: 20000}
devices:
  bench: {driver: "tests.server.bench_driver:Bench", period_s: 0.02}
  other: {driver: "tests.server.bench_driver:Bench", enabled: false}
"""


@pytest.fixture
async def app(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    app = App(config.load(path, port=0))
    await app.start()
    try:
        async with asyncio.timeout(30):
            while app.devices["bench"].state != "online":
                await _next_reading(app)
        yield app
    finally:
        await app.stop()


async def _next_reading(app):
    from labmon.paths import Selection

    subscription = app.hub.subscribe(Selection(("**", "*/_state")))
    try:
        await subscription.ready()
    finally:
        app.hub.unsubscribe(subscription)


@pytest.fixture
async def post(app):
    """Send a body to /rpc; returns status, headers and the decoded body."""
    client = AsyncHTTPClient(force_instance=True)

    async def post(body, headers=JSON, path="/rpc", method="POST"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = HTTPRequest(
            app.address + path, method, headers, data if method == "POST" else None
        )
        response = await client.fetch(request, raise_error=False)
        content = response.headers.get("Content-Type", "")
        if not response.body:
            return response.code, response.headers, None
        decode = msgpack.unpackb if "msgpack" in content else json.loads
        return response.code, response.headers, decode(response.body)

    yield post
    client.close()


@pytest.fixture
def call(post):
    async def call(method, params=None, **members):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, **members}
        status, _, reply = await post(request | ({} if params is None else {"params": params}))
        assert status == 200
        return reply

    return call


async def test_a_command_changes_the_instrument_and_its_readback(app, call):
    assert (await call("bench.set_level", {"percent": 40}))["result"] == 40
    async with asyncio.timeout(30):
        while app.datastream.latest(app.datastream.stream_id("bench/level"))[1] != 40:
            await _next_reading(app)


async def test_msgpack_goes_in_and_out(post):
    body = msgpack.packb({"jsonrpc": "2.0", "id": 7, "method": "bench.add", "params": [1.5]})
    headers = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    status, sent, reply = await post(body, headers)
    assert (status, reply["id"], reply["result"]) == (200, 7, 1.5)
    assert sent["Content-Type"] == "application/msgpack"


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("bench.set_level", {"percent": 101}, -32006, "0 to 100 %"),
        ("bench.set_level", {"percent": "40"}, -32602, "allowed: a number"),
        ("bench.refuse", None, -32001, "E5: shutter open"),
        ("other.set_level", [1], -32002, "other is disabled"),
        ("bench.poll", None, -32601, "bench has no command 'poll'"),
    ],
)
async def test_what_goes_wrong_has_its_code_and_words(call, method, params, code, words):
    error = (await call(method, params))["error"]
    assert error["code"] == code
    assert words in error["message"]


@pytest.mark.parametrize(
    ("method", "code", "words", "log"),
    [
        ("bench.stumble", -32603, "internal error", "ZeroDivisionError: secret"),
        ("bench.hang", -32003, "may still happen", "stuck"),
    ],
)
async def test_what_is_worth_a_look_is_said_in_the_log(
    call, caplog, complaints, eventually, method, code, words, log
):
    error = (await call(method))["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert "secret" not in error["message"]
    await eventually(complaints)
    (said,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert log in f"{said.getMessage()} {said.exc_text or ''}"


async def test_every_command_is_recorded(app, call):
    await call("bench.set_level", {"percent": 40})
    await call("bench.set_level", {"percent": 400})
    await app.recorder.flush()
    stream_id = app.datastream.stream_id("bench/_commands")
    assert stream_id is not None
    _, record, _ = app.datastream.latest(stream_id)
    assert (record["command"], record["ok"], record["who"]) == ("set_level", False, "local")
    assert record["from"] == "127.0.0.1"
    assert record["error"]["code"] == -32006


async def test_a_retried_request_with_its_key_is_carried_out_once(call):
    replies = await asyncio.gather(
        *(call("bench.add", [1], idempotency_key="k", id=i) for i in range(5))
    )
    assert [reply["result"] for reply in replies] == [1] * 5
    assert (await call("bench.add", [1]))["result"] == 2


async def test_a_batch_is_answered_in_order_and_notifications_are_not(post):
    request = {"jsonrpc": "2.0", "method": "bench.add", "params": [1]}
    status, _, replies = await post([request, request | {"id": "a"}, 5])
    assert status == 200
    assert [reply.get("result") for reply in replies] == [2, None]
    status, _, nothing = await post(request)
    assert (status, nothing) == (204, None)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", JSON),
        (b"", JSON),
        (b'{"a": "\xff"}', JSON),
        (b"\xc1", {"Content-Type": "application/msgpack"}),
        (b"[" * 5000, JSON),
        (b"\x91" * 5000, {"Content-Type": "application/msgpack"}),
    ],
)
async def test_what_cannot_be_decoded_is_a_parse_error(post, body, headers):
    status, _, reply = await post(body, headers)
    assert status == 400
    assert reply["error"]["code"] == -32700
    assert not reply["error"]["message"].endswith(": ")
    assert reply["id"] is None


async def test_a_large_body_and_other_types_never_become_requests(post):
    status, _, reply = await post(b" " * 20_001)
    assert (status, reply["error"]["code"]) == (413, "too_large")
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        status, _, reply = await post({}, {"Content-Type": content_type})
        assert status == 415
        assert "application/json" in reply["error"]["message"]
    status, headers, _ = await post(b"", method="GET", headers={})
    assert (status, headers["Allow"]) == (405, "POST")


async def test_a_page_of_another_site_commands_nothing(app, post):
    request = {"jsonrpc": "2.0", "id": 1, "method": "bench.add", "params": [1]}
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        status, _, _ = await post(request, JSON | headers)
        assert status == 403
    status, _, _ = await post(request, JSON | {"Host": "evil.example"})
    assert status == 421
    reply = await app.rpc.handle(request, Caller("local", "operator"))
    assert reply["result"] == 1


async def test_discover_lists_the_commands_of_every_device(call):
    document = (await call("rpc.discover"))["result"]
    names = {method["name"] for method in document["methods"]}
    assert {"bench.set_level", "other.set_level", "lease.acquire", "rpc.discover"} <= names


async def test_commands_go_over_the_websocket_too(app):
    address = app.address.replace("http", "ws", 1) + "/api/v1/ws"
    socket = await websocket_connect(address, subprotocols=["labmon.v1.json"])
    await socket.write_message(
        json.dumps({"jsonrpc": "2.0", "id": 3, "method": "bench.set_level", "params": [30]})
    )
    async with asyncio.timeout(30):
        while (message := json.loads(await socket.read_message() or "{}")).get("id") != 3:
            pass
    assert message == {"jsonrpc": "2.0", "id": 3, "result": 30}
    socket.close()
    while await socket.read_message() is not None:
        pass


async def test_a_command_whose_page_was_closed_is_carried_out_and_recorded(app, eventually):
    address = app.address.replace("http", "ws", 1) + "/api/v1/ws"
    socket = await websocket_connect(address, subprotocols=["labmon.v1.json"])
    requests = [{"jsonrpc": "2.0", "method": "bench.ramp", "params": [level]} for level in (30, 40)]
    await socket.write_message(json.dumps(requests))
    bench = app.devices["bench"]._driver
    await eventually(bench.begun.is_set)
    socket.close()
    live = dict(app._stops)["web"].__self__.application.live
    await eventually(lambda: not live.clients)
    bench.go.set()
    await eventually(lambda: bench.value == 40)
    stream_id = app.datastream.stream_id("bench/_commands")

    def recorded():
        latest = app.datastream.latest(stream_id)
        return latest is not None and latest[1]["params"] == [40]

    await eventually(recorded)
    record = app.datastream.latest(stream_id)[1]
    assert record["ok"] is True
    assert record["result"] == 40


async def test_a_slow_command_of_one_device_holds_up_no_other_request(call, complaints, eventually):
    slow = asyncio.create_task(call("bench.hang"))
    assert "openrpc" in (await call("rpc.discover"))["result"]
    assert (await slow)["error"]["code"] == -32003
    await eventually(lambda: any("stuck" in message for message in complaints()))


async def test_who_holds_a_lease_is_told_live_until_it_ends(app, post):
    """The page of a device shows it: taken, stolen, run out."""
    address = app.address.replace("http", "ws", 1) + "/api/v1/ws"
    socket = await websocket_connect(address, subprotocols=["labmon.v1.json"])
    hello = json.loads(await socket.read_message() or "{}")
    assert hello["caller"] == {"who": "local", "role": "operator"}

    async def told():
        async with asyncio.timeout(30):
            while (message := json.loads(await socket.read_message() or "{}"))["type"] != "device":
                pass
        return message["device"]["name"], message["device"]["lease"]

    leases = app.rpc.leases
    until = leases.acquire("bench", Caller("ann", "operator"), 30).description()["until"]
    assert abs(until - app.clock.now_ns() / 1e9 - 30) < 10
    assert await told() == ("bench", {"owner": "ann", "until": until})
    _, _, reply = await post(None, path="/api/v1/devices", method="GET")
    shown = {device["name"]: device["lease"] for device in reply["devices"]}
    assert shown == {"bench": {"owner": "ann", "until": until}, "other": None}
    leases.steal("bench", Caller("bob", "operator"), 0.02)
    name, stolen = await told()
    assert (name, stolen["owner"]) == ("bench", "bob")
    assert await told() == ("bench", None)
    _, _, reply = await post(None, path="/api/v1/devices/bench", method="GET")
    assert reply["lease"] is None
    socket.close()


async def test_a_device_that_somebody_leases_is_not_disabled_by_another(app, post):
    ann = Caller("ann", "operator")
    lease = {"jsonrpc": "2.0", "id": 1, "method": "lease.acquire", "params": ["bench"]}
    await app.rpc.handle(lease, ann)
    status, _, reply = await post({}, path="/api/v1/devices/bench/disable")
    assert (status, reply["error"]["code"]) == (409, "leased")
    assert app.devices["bench"].state == "online"
    await app.rpc.handle(lease | {"method": "lease.release"}, ann)
    status, _, reply = await post({}, path="/api/v1/devices/bench/reconnect")
    assert status == 200
    await app.recorder.flush()
    _, record, _ = app.datastream.latest(app.datastream.stream_id("bench/_commands"))
    assert (record["command"], record["who"], record["ok"]) == ("reconnect", "local", True)

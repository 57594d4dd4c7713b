"""JSON-RPC 2.0: replies, errors, batches and notifications, by the letter of the specification."""

from __future__ import annotations

import asyncio
import logging
import math

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labmon.control.caller import Caller
from labmon.control.codes import MEANINGS
from labmon.errors import LeasedError, NotPermittedError

ANN = Caller("ann", "operator", "127.0.0.1")
EVE = Caller("eve", "viewer", "192.0.2.1")
METHODS = ["valve.open", "valve.say", "device.set", "lease.steal", "rpc.discover", "x.y"]


async def test_a_command_is_carried_out_and_answered(call, valve):
    assert await call("valve.open", {"percent": 30.0}) == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": 30.0,
    }
    assert await call("valve.open", [40, True], id="a") == {
        "jsonrpc": "2.0",
        "id": "a",
        "result": 40.0,
    }
    assert valve.openings == [30.0, 40.0]


async def test_a_command_without_parameters_needs_none(call, bench):
    for params in (None, [], {}):
        assert (await call("valve.beep", params))["result"] is None
    assert bench.timeouts == [3, 3, 3]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (5, "a request is an object"),
        (None, "a request is an object"),
        ({}, 'jsonrpc must be "2.0"'),
        ({"jsonrpc": 2.0, "method": "valve.beep"}, 'jsonrpc must be "2.0"'),
        ({"jsonrpc": "2.0"}, "method must be text"),
        ({"jsonrpc": "2.0", "method": 1, "id": 1}, "method must be text"),
        ({"jsonrpc": "2.0", "method": "x" * 256}, "method must be text"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "params": "x"}, "params must be a list"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "parms": []}, "'parms' is unknown"),
        ({"jsonrpc": "2.0", "method": "valve.beep", b"id": 1}, "is unknown"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "id": True}, "id must be text"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "id": [1]}, "id must be text"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "id": 2**64}, "a number of 64 bits"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "id": math.inf}, "a number of 64 bits"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "idempotency_key": 5}, "idempotency_key must"),
        ({"jsonrpc": "2.0", "method": "valve.beep", "idempotency_key": ""}, "idempotency_key must"),
        ([], "a batch has 1 to 50 requests, not 0"),
        ([{}] * 51, "a batch has 1 to 50 requests, not 51"),
    ],
)
async def test_what_is_no_request_is_invalid(rpc, request_, message):
    reply = await rpc.handle(request_, ANN)
    assert reply["jsonrpc"] == "2.0"
    assert reply["error"]["code"] == -32600
    assert message in reply["error"]["message"]
    known = request_.get("id") if isinstance(request_, dict) else None
    assert reply["id"] == (known if known == 1 and known is not True else None)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("vlave.open", "there is no device 'vlave' (did you mean 'valve'?); there is valve"),
        ("valve.opne", "valve has no command 'opne' (did you mean 'open'?); there is open, beep,"),
        ("valve.connect", "valve has no command 'connect'"),
        ("valve.__init__", "valve has no command"),
        ("open", "there is no method 'open': use DEVICE.COMMAND, or ask rpc.discover"),
        ("device.delete", "there is no method 'device.delete'"),
        ("rpc.shutdown", "there is no method 'rpc.shutdown'"),
        ("lease.check", "there is no method 'lease.check'"),
        (".open", "there is no method"),
    ],
)
async def test_an_unknown_method_says_what_there_is(call, method, message, records):
    error = (await call(method))["error"]
    assert error["code"] == -32601
    assert message in error["message"]
    assert records == []


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"percent": "30"}, -32602, "percent"),
        ({"percent": True}, -32602, "percent"),
        ({"percent": None}, -32602, "percent"),
        ({"percent": float("nan")}, -32602, "percent"),
        ({"percent": float("inf")}, -32602, "percent"),
        ({"percent": 5, "slow": "yes"}, -32602, "slow"),
        ({"percent": 5, "slow": 1}, -32602, "slow"),
        ({}, -32602, "percent is missing"),
        ({"percent": 5, "fast": True}, -32602, "fast"),
        ([5, False, 6], -32602, "takes 2 parameters, not 3"),
        ({"percent": 100.5}, -32006, "percent"),
        ({"percent": -1}, -32006, "percent"),
        ({"percent": 10**400}, -32602, "percent"),
    ],
)
async def test_wrong_parameters_never_reach_the_driver(call, valve, params, code, message):
    error = (await call("valve.open", params))["error"]
    assert error["code"] == code, error
    assert message in error["message"]
    assert valve.openings == []


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("instrument", -32001, "valve says E5"),
        ("offline", -32002, "valve is offline"),
        ("timeout", -32003, "no answer within 1 s"),
    ],
)
async def test_what_goes_wrong_at_the_instrument_has_its_own_code(call, how, code, message):
    assert (await call("valve.fail", [how]))["error"] == {"code": code, "message": message}


async def test_a_bug_is_told_to_the_log_and_not_to_the_caller(call, caplog, records):
    error = (await call("valve.fail", ["bug"]))["error"]
    assert error["code"] == -32603
    assert "secret" not in str(error)
    (bug,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert bug.exc_info is not None
    assert "ZeroDivisionError: secret" in records[0][1]["error"]["message"]


async def test_a_notification_is_carried_out_without_a_reply(rpc, valve):
    request = {"jsonrpc": "2.0", "method": "valve.open", "params": [7]}
    assert await rpc.handle(request, ANN) is None
    assert await rpc.handle([request, request], ANN) is None
    assert valve.openings == [7, 7, 7]


async def test_an_id_of_null_is_answered(call):
    assert await call("valve.beep", id=None) == {"jsonrpc": "2.0", "id": None, "result": None}


async def test_a_batch_is_carried_out_in_its_order(rpc, valve):
    requests = [
        {"jsonrpc": "2.0", "id": i, "method": "valve.open", "params": [i]} for i in range(50)
    ]
    replies = await rpc.handle([*requests[:49], {"foo": "boo"}], ANN)
    assert [reply["id"] for reply in replies] == [*range(49), None]
    assert replies[-1]["error"]["code"] == -32600
    assert valve.openings == list(range(49))


async def test_a_viewer_may_watch_and_not_command(rpc, valve, records):
    request = {"jsonrpc": "2.0", "id": 1, "method": "valve.open", "params": [5]}
    reply = await rpc.handle(request, EVE)
    assert reply["error"] == {
        "code": -32004,
        "message": "valve.open takes an operator; eve is only a viewer",
    }
    assert valve.openings == []
    assert records[0][1]["who"] == "eve"
    assert records[0][1]["ok"] is False
    for method in ("valve.beep", "rpc.discover"):
        assert "result" in await rpc.handle({"jsonrpc": "2.0", "id": 1, "method": method}, EVE)


async def test_a_request_with_a_key_is_carried_out_once(call, valve, records):
    first = await call("valve.open", [5], idempotency_key="k", id=1)
    again = await call("valve.open", [5], idempotency_key="k", id=2)
    assert (first["result"], first["id"]) == (5, 1)
    assert (again["result"], again["id"]) == (5, 2)
    assert valve.openings == [5]
    assert len(records) == 1
    await call("valve.open", [5], idempotency_key="k", who="bob")
    assert valve.openings == [5, 5]


async def test_a_second_request_with_a_key_waits_for_the_first(call, bench, valve):
    bench.go.clear()
    both = [asyncio.create_task(call("valve.open", [5], idempotency_key="k")) for _ in range(2)]
    await bench.begun.wait()
    bench.go.set()
    assert [reply["result"] for reply in await asyncio.gather(*both)] == [5, 5]
    assert valve.openings == [5]


async def test_whoever_sent_the_first_may_go_and_the_second_is_still_answered(call, bench, valve):
    bench.go.clear()
    first = asyncio.create_task(call("valve.open", [5], idempotency_key="k"))
    await bench.begun.wait()
    first.cancel()
    second = asyncio.create_task(call("valve.open", [5], idempotency_key="k"))
    await asyncio.sleep(0)
    bench.go.set()
    assert (await second)["result"] == 5
    assert valve.openings == [5]


async def test_a_key_belongs_to_one_request(call, valve):
    await call("valve.open", [5], idempotency_key="k")
    error = (await call("valve.open", [6], idempotency_key="k"))["error"]
    assert error["code"] == -32600
    assert "another request" in error["message"]
    assert valve.openings == [5]


async def test_what_was_refused_may_be_tried_again_with_its_key(call, records):
    for how, tries in (("offline", 2), ("timeout", 1), ("instrument", 1)):
        records.clear()
        for _ in range(2):
            await call("valve.fail", [how], idempotency_key=how)
        assert len(records) == tries, how


async def test_old_keys_are_forgotten(call, rpc, valve):
    for i in range(1001):
        await call("valve.open", [5], idempotency_key=str(i))
    await call("valve.open", [5], idempotency_key="0")
    assert len(valve.openings) == 1002
    await call("valve.open", [5], idempotency_key="1000")
    assert len(valve.openings) == 1002


async def test_discover_describes_every_command(call):
    document = (await call("rpc.discover"))["result"]
    assert document["openrpc"].startswith("1.")
    methods = {method["name"]: method for method in document["methods"]}
    assert set(methods) >= {
        "rpc.discover",
        "device.set",
        "lease.acquire",
        "lease.steal",
        "valve.open",
    }
    opening = methods["valve.open"]
    assert opening["summary"] == "Open the valve."
    percent, slow = opening["params"]
    assert percent["name"] == "percent"
    assert percent["required"] is True
    assert percent["description"] == "how far."
    assert {"type": "number", "minimum": 0, "maximum": 100, "unit": "%"}.items() <= percent[
        "schema"
    ].items()
    assert slow["required"] is False
    assert slow["schema"]["default"] is False
    assert opening["x-role"] == "operator"
    assert methods["valve.beep"]["x-confirm"] == "Really?"
    for method in document["methods"]:
        for reference in method.get("errors", []):
            code = reference["$ref"].removeprefix("#/components/errors/")
            assert document["components"]["errors"][code]["code"] == int(code)


async def test_discover_takes_no_parameters(call):
    assert (await call("rpc.discover", [1]))["error"]["code"] == -32602


async def test_parameters_are_set_and_read_by_name(call, rpc, valve):
    assert (await call("device.set", ["valve", "colour", "red"]))["result"] is None
    assert valve.colour == "red"
    for params in (["valve", "colour"], {"device": "valve", "name": "colour"}):
        assert (await call("device.get", params))["result"] == "red"
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "device.set",
        "params": ["valve", "colour", "x"],
    }
    assert (await rpc.handle(request, EVE))["error"]["code"] == -32004
    request = {"jsonrpc": "2.0", "id": 1, "method": "device.get", "params": ["valve", "colour"]}
    assert (await rpc.handle(request, EVE))["result"] == "red"


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("device.get", ["vlave", "colour"], "device: there is none called 'vlave' (did you mean"),
        ("device.get", ["valve", "lamp"], "no parameter that can be read called 'lamp'"),
        ("device.set", ["valve", "lamp", 1], "no parameter that can be set called 'lamp'"),
        ("device.set", ["valve", "colour"], "value is missing"),
        ("device.set", ["valve", "colour", 5], "allowed: text"),
    ],
)
async def test_a_wrong_parameter_name_says_which_there_are(call, method, params, message):
    error = (await call(method, params))["error"]
    assert error["code"] == -32602
    assert message in error["message"]


async def test_acts_upon_a_device_follow_the_same_rules(rpc, call, records):
    done: list[str] = []
    rpc.act("valve", "reconnect", lambda: done.append("reconnect"), ANN)
    assert done == ["reconnect"]
    with pytest.raises(NotPermittedError):
        rpc.act("valve", "disable", lambda: done.append("disable"), EVE)
    await call("lease.acquire", ["valve"], who="bob")
    with pytest.raises(LeasedError):
        rpc.act("valve", "disable", lambda: done.append("disable"), ANN)
    assert done == ["reconnect"]
    acts = [(entry["command"], entry["who"], entry["ok"]) for _, entry in records]
    assert acts == [
        ("reconnect", "ann", True),
        ("disable", "eve", False),
        ("lease.acquire", "bob", True),
        ("disable", "ann", False),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
REQUESTS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | JSON, "method": st.sampled_from(METHODS) | st.text(max_size=20)},
    optional={"id": JSON, "params": JSON, "idempotency_key": st.text(max_size=3) | JSON},
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(request_=JSON | REQUESTS | st.lists(REQUESTS, max_size=4))
async def test_whatever_is_sent_the_reply_is_one_of_json_rpc(rpc, request_):
    given_replies = await rpc.handle(request_, ANN)
    replies = given_replies if isinstance(given_replies, list) else [given_replies]
    for reply in replies:
        if reply is not None:
            assert set(reply) - {"jsonrpc", "id"} in ({"result"}, {"error"})
            assert reply["jsonrpc"] == "2.0"
        if reply is not None and "error" in reply:
            assert reply["error"]["code"] in set(MEANINGS) - {-32603}
            assert len(reply["error"]["message"]) < 1000
    orjson.dumps(given_replies, option=orjson.OPT_NON_STR_KEYS, default=repr)

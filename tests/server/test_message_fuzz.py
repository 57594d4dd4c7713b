"""Any message over the WebSocket, any call: answered or refused, and the connection lives on."""

import asyncio
import itertools
import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.conftest import Node

texts = st.one_of(
    st.sampled_from(["**", "oven/*", "lab/a", "oven.heat", "rpc.discover", "2.0", "subscribe"]),
    st.text(max_size=20),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=8,
)
ids = st.integers(0, 3) | texts | values
subscriptions = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "unsubscribe"]) | values},
    optional={
        "id": ids,
        "streams": st.lists(texts, max_size=4) | values,
        "after": st.sampled_from(["a.1.2.3", "ffffffffffffffff.1.0.0"]) | values,
        "max_rate": st.floats(0.01, 1000) | values,
        "extra": values,
    },
)
calls = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | values},
    optional={
        "id": ids,
        "method": st.sampled_from(
            ["oven.heat", "oven.", "rpc.discover", "lease.acquire", "device.get", "device.set"]
        )
        | texts
        | values,
        "params": values
        | st.fixed_dictionaries({}, optional={"celsius": values, "device": texts, "name": texts}),
        "idempotency_key": texts | values,
    },
)
messages = st.one_of(subscriptions, calls, st.lists(calls, max_size=3), values)


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def node(runner):
    limits = {"messages_per_s": 1e9, "subscriptions": 100_000, "msgpack_bytes": 1 << 20}
    node = Node(limits=limits)
    runner.run(node.start())
    yield node
    for socket in node.sockets:
        runner.run(socket.closed())
    node.http.close()
    runner.run(node.stop())


@pytest.fixture(scope="module", params=["labmon.v1.json", "labmon.v1.msgpack"])
def socket(request, runner, node):
    return runner.run(node.socket(request.param))


numbers = itertools.count()


async def exchanged(socket, data, *, binary):
    """Everything that comes up to the answer of a call that is sent behind some bytes."""
    name = f"ping {next(numbers)}"
    await socket.connection.write_message(data, binary=binary)
    await socket.send({"jsonrpc": "2.0", "id": name, "method": "rpc.ping"})
    got = []
    while True:
        message = await socket.receive()
        assert message is not None, f"closed with {socket.close_code} by {data!r}"
        if isinstance(message, dict) and message.get("id") == name and "jsonrpc" in message:
            assert message["result"] is not None
            return got
        got.append(message)


def check(message):
    """No answer speaks of a bug of labmon."""
    for each in message if isinstance(message, list) else [message]:
        error = each.get("error") or {}
        assert error.get("code") not in {-32603, "internal"}, each
        assert "Traceback" not in str(error)


@given(message=messages)
def test_any_message_is_answered_or_refused(runner, socket, message):
    is_binary = socket.protocol.endswith("msgpack")
    try:
        data = msgpack.packb(message) if is_binary else json.dumps(message)
    except (OverflowError, ValueError, UnicodeEncodeError):
        return  # what cannot be sent
    for each in runner.run(exchanged(socket, data, binary=is_binary)):
        check(each)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(runner, socket, data):
    for each in runner.run(exchanged(socket, data, binary=True)):
        check(each)


@given(text=st.text(max_size=200))
def test_any_text_is_refused_in_words(runner, socket, text):
    for each in runner.run(exchanged(socket, text, binary=False)):
        check(each)

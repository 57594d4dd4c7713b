"""What a client says over the WebSocket: subscribing, mistakes, floods."""

import pytest


async def test_a_subscription_ends_when_told(node, eventually):
    socket = await node.socket()
    await socket.subscribe("lab/*", id=1)
    await socket.subscribe("other/*", id=2)
    await eventually(lambda: node.live.topics == 2)
    await socket.send({"type": "unsubscribe", "id": 1})
    await eventually(lambda: node.live.topics == 1)
    node.publish(("lab/a", 1.0), ("other/b", 2.0))
    assert await socket.values(1) == [("other/b", 2.0)]
    socket.close()
    await eventually(lambda: node.live.topics == 0 and not node.live.clients)
    assert not node.hub._subscriptions - {node.live._events}


async def test_subscriptions_by_glob_see_streams_that_come_later(node, eventually):
    socket = await node.socket()
    await socket.subscribe("**")
    await eventually(lambda: node.live.topics)
    node.publish(("new/x", 1))
    assert await socket.values(1) == [("new/x", 1)]
    socket.close()


async def test_the_same_id_replaces_the_subscription(node, eventually):
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await socket.subscribe("other/*")
    await eventually(
        lambda: [t.selection.globs for t in node.live._topics.values()] == [("other/*",)]
    )
    socket.close()


async def test_calls_and_readings_share_the_connection(node, eventually):
    await node.devices["oven"].start()
    await eventually(lambda: node.devices["oven"].state == "online")
    for protocol in ("labmon.v1.json", "labmon.v1.msgpack"):
        socket = await node.socket(protocol)
        await socket.subscribe("oven/temperature")
        request = {"jsonrpc": "2.0", "id": 5, "method": "oven.heat", "params": [77]}
        await socket.send(request)
        while True:
            message = await socket.receive()
            if message.get("id") == 5 and "jsonrpc" in message:
                break
        assert message["result"] == 77
        while ("oven/temperature", 77.0) not in await socket.values(1):
            pass
        await socket.send([request | {"id": 6}, request | {"id": 7}])
        while not isinstance(message, list):
            message = await socket.receive()
        assert [reply["id"] for reply in message] == [6, 7]
        socket.close()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "subscribe", "id": 1}, "list of globs"),
        ({"type": "subscribe", "id": 1, "streams": "a"}, "list of globs"),
        ({"type": "subscribe", "id": 1, "streams": []}, "1 to 128"),
        ({"type": "subscribe", "id": 1, "streams": ["a"] * 200}, "1 to 128"),
        ({"type": "subscribe", "id": 1, "streams": ["a("]}, "no glob"),
        ({"type": "subscribe", "id": 1, "streams": ["a"], "x": 1}, "unknown x"),
        ({"type": "subscribe", "id": 1, "streams": ["a"], "after": "nonsense"}, "no cursor"),
        ({"type": "subscribe", "id": 1, "streams": ["a"], "after": 7}, "cursor"),
        ({"type": "subscribe", "id": [1], "streams": ["a"]}, "id is"),
        ({"type": "subscribe", "streams": ["a"]}, "id is"),
        ({"type": "unsubscribe", "id": 9}, "no subscription"),
        ({"type": "shout"}, "id is"),
        ({"type": "shout", "id": 1}, "subscribe or unsubscribe"),
        (5, "an object"),
    ],
)
async def test_bad_messages_are_answered(node, message, words):
    socket = await node.socket()
    await socket.send(message)
    answer = await socket.next("error")
    assert words in answer["error"]["message"]
    socket.close()


async def test_a_connection_has_so_many_subscriptions(make_node):
    node = await make_node(limits={"subscriptions": 3})
    socket = await node.socket()
    for number in range(4):
        await socket.subscribe(f"lab/{number}", id=number)
    assert "at most 3" in (await socket.next("error"))["error"]["message"]
    await socket.subscribe("lab/new", id=2)
    await socket.send({"type": "unsubscribe", "id": 0})
    await socket.subscribe("lab/4", id=4)
    await socket.send({"type": "unsubscribe", "id": 9})
    assert "no subscription 9" in (await socket.next("error"))["error"]["message"]
    node.publish(("lab/2", 1.0), ("lab/new", 2.0), ("lab/4", 4.0))
    assert sorted(await socket.values(2)) == [("lab/4", 4.0), ("lab/new", 2.0)]
    socket.close()


async def test_broken_messages_are_answered(node):
    socket = await node.socket()
    await socket.connection.write_message("{")
    assert "no JSON" in (await socket.next("error"))["error"]["message"]
    await socket.connection.write_message(b"\xc1", binary=True)
    assert "no msgpack" in (await socket.next("error"))["error"]["message"]
    await socket.connection.write_message("[" * 2000)
    assert (await socket.next("error"))["error"]["code"] == "bad_request"
    socket.close()


async def test_a_flood_ends_the_connection(node):
    socket = await node.socket()
    for _ in range(200):
        await socket.send({"type": "unsubscribe", "id": 1})
    while await socket.receive() is not None:
        pass
    assert socket.close_code == 1008


async def test_a_flood_of_pings_ends_the_connection(node):
    socket = await node.socket()
    for _ in range(200):
        socket.connection.ping(b"x")
    while await socket.receive() is not None:
        pass
    assert socket.close_code == 1008


async def test_a_message_over_the_limit_ends_the_connection(node):
    socket = await node.socket()
    await socket.connection.write_message("x" * (300 << 10))
    while await socket.receive() is not None:
        pass
    assert socket.close_code in {1009, None}  # the reset may come before the close frame is read


async def test_a_rate_that_is_no_rate_is_refused(node):
    socket = await node.socket()
    for rate in (0, -1, "5", True, 1e9):
        await socket.subscribe("lab/*", max_rate=rate)
        assert "max_rate" in (await socket.next("error"))["error"]["message"]
    socket.close()
    await node.refused("/api/v1/live?max_rate=0", 400)

import asyncio

import pytest
from tornado.httpclient import HTTPClientError

from labmon.hub import Event
from labmon.paths import Selection
from labmon.web import topics
from labmon.web.wire import seconds

HANDSHAKE = (
    b"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


async def test_hello_says_who_speaks(node):
    socket = await node.socket()
    hello = socket.hello
    assert hello["node"] == node.hub.node
    assert hello["epoch"] == node.hub.epoch
    assert isinstance(hello["now"], float)
    assert hello["cursor"]
    socket.close()


@pytest.mark.parametrize("protocol", ["labmon.v1.json", "labmon.v1.msgpack", None])
async def test_readings_arrive_in_the_asked_format(node, protocol):
    socket = await node.socket(protocol)
    await socket.subscribe("lab/*", id="x")
    await until_subscribed(node)
    batch = node.publish(("lab/a", 1.5), ("other/b", 2.0), ("lab/c", "word"))
    message = await socket.next("readings")
    assert message["id"] == "x"
    is_msgpack = protocol == "labmon.v1.msgpack"
    t = batch.time_ns if is_msgpack else seconds(batch.time_ns)
    assert message["readings"] == [["lab/a", t, 1.5, 0], ["lab/c", t, "word", 0]]
    assert isinstance(message["t"], int if is_msgpack else float)
    socket.close()


async def test_numbers_that_json_has_not_become_null(node, complaints):
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await until_subscribed(node)
    node.publish(("lab/a", float("nan")), ("lab/b", float("inf")), ("lab/c", 2**53 + 1))
    node.publish(("lab/d", 2**70), ("lab/e", {"deep": ["\ud800"]}))
    assert await socket.values(5) == [
        ("lab/a", None),
        ("lab/b", None),
        ("lab/c", 2**53 + 1),
        ("lab/d", float(2**70)),
        ("lab/e", {"deep": ["?"]}),
    ]
    socket.close()
    await node.recorder.flush()
    assert "lab/d is not recorded" in complaints()[0]


async def test_two_clients_share_the_very_same_bytes(node, eventually):
    one, two, three = [await node.socket() for _ in range(3)]
    await one.subscribe("lab/*")
    await two.subscribe("lab/*")
    await three.subscribe("lab/*", id=7)
    await eventually(lambda: sum(c.subscriptions for c in node.live.clients) == 3)
    assert node.live.topics == 1
    frames = []
    topic = next(iter(node.live._topics.values()))
    for audience in topic._audiences.values():
        for send, member in list(audience._direct.items()):

            def keep(frame, send=send):
                frames.append(frame)
                return send(frame)

            del audience._direct[send]
            audience._direct[keep] = member
    node.publish(("lab/a", 1.0))
    for socket in (one, two, three):
        assert await socket.values(1) == [("lab/a", 1.0)]
    assert len(frames) == 3
    assert len({id(frame) for frame in frames}) == 2
    for socket in (one, two, three):
        socket.close()


async def test_the_first_goes_out_at_once_and_the_rest_together(make_node):
    node = await make_node(limits={"interval_s": 0.1})
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await until_subscribed(node)
    loop = asyncio.get_running_loop()
    node.publish(("lab/a", 0))
    begin = loop.time()
    assert await socket.values(1) == [("lab/a", 0)]
    assert loop.time() - begin < 0.08
    for number in range(1, 6):
        node.publish(("lab/a", number))
        await asyncio.sleep(0)
    message = await socket.next("readings")
    assert [reading[2] for reading in message["readings"]] == [1, 2, 3, 4, 5]
    assert loop.time() - begin > 0.09
    socket.close()


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


async def test_the_same_id_replaces_the_subscription(node, eventually):
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await socket.subscribe("other/*")
    await eventually(
        lambda: [t.selection.globs for t in node.live._topics.values()] == [("other/*",)]
    )
    socket.close()


async def test_device_events_reach_everybody(node):
    socket = await node.socket()
    sse = await node.events("stream=lab/*")
    node.hub.announce(Event("device", {"name": "oven", "state": "offline"}))
    assert (await socket.next("device"))["device"]["state"] == "offline"
    event = await sse.next("device")
    assert event["data"] == {"device": {"name": "oven", "state": "offline"}}
    socket.close()
    await sse.close()


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


async def test_compression_is_not_offered(node):
    socket = await node.socket(compression_options={})
    assert "permessage-deflate" not in str(socket.connection.headers)
    socket.close()


async def test_unknown_subprotocols_are_refused(node):
    with pytest.raises(HTTPClientError, match="400"):
        await node.socket("labmon.v9")
    error = await node.refused("/api/v1/ws", 426)
    assert "WebSocket" in error["message"]


async def test_dead_peers_are_found(make_node, eventually):
    node = await make_node(limits={"ping_s": 0.05, "pong_s": 0.05})
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(HANDSHAKE)
    await eventually(lambda: node.live.clients)
    await reader.read()  # pings come and are not answered, until the server closes
    await eventually(lambda: not node.live.clients)
    writer.close()


async def test_stopping_says_bye(make_node):
    node = await make_node()
    socket = await node.socket()
    sse = await node.events("stream=lab/*")
    await socket.subscribe("lab/*")
    await until_subscribed(node, 2)
    node.publish(("lab/a", 1.0))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await asyncio.gather(node.server.stop(), receive_bye(socket), receive_bye_event(sse))
    assert loop.time() - begin < 2
    assert socket.close_code == 1001


async def receive_bye(socket):
    assert await socket.values(1) == [("lab/a", 1.0)]
    await socket.next("bye")
    assert await socket.receive() is None


async def receive_bye_event(sse):
    await sse.next("bye")
    assert await sse.event() is None
    await sse.close()


async def test_stopping_waits_for_nobody_who_does_not_read(make_node, eventually):
    node = await make_node(limits={"shutdown_s": 0.2})
    writers = []
    for path in ("/api/v1/live", "/api/v1/latest", "/api/v1/data"):
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        writers.append(writer)
    _, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(HANDSHAKE)
    writers.append(writer)
    await eventually(lambda: len(node.live.clients) == 2)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await node.server.stop()
    assert loop.time() - begin < 2
    assert not node.live.clients
    for writer in writers:
        writer.close()


async def test_stopping_says_bye_to_two_hundred_and_cuts_those_that_do_not_answer(make_node):
    node = await make_node(limits={"shutdown_s": 0.3})
    events = [await node.events("stream=lab/*") for _ in range(100)]
    sockets = [await node.socket() for _ in range(100)]
    loop = asyncio.get_running_loop()
    begin = loop.time()
    stopping = asyncio.create_task(node.server.stop())
    for client in sockets:
        await client.next("bye")
        await client.closed()
        assert client.close_code == 1001
    for client in events[:50]:  # the other half does not read
        await client.next("bye")
    await stopping
    assert loop.time() - begin < 2
    for client in events:
        await client.close()


async def until_subscribed(node, count=1):
    for _ in range(1000):
        if sum(client.subscriptions for client in node.live.clients) >= count:
            return
        await asyncio.sleep(0.002)
    raise AssertionError("nobody subscribed")


async def test_a_thinned_subscription_gets_the_newest_and_what_was_left_out(node):
    socket = await node.socket()
    await socket.subscribe("lab/*", max_rate=4)
    await until_subscribed(node)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    node.publish(("lab/a", 5), ("lab/word", "x"))
    first = await socket.next("readings")
    assert [row[2:] for row in first["readings"]] == [[5, 0], ["x", 0]]
    assert loop.time() - begin < 0.2
    for value in (1, 9, 4):
        node.publish(("lab/a", value), ("lab/word", "y"))
    node.publish(("lab/a", 99), quality=2)
    node.publish(("lab/b", 7))
    second = await socket.next("readings")
    assert loop.time() - begin > 0.2
    assert {row[0]: row[2:] for row in second["readings"]} == {
        "lab/a": [99, 2, 1, 9, 4, 14 / 3],
        "lab/word": ["y", 0, None, None, 3, None],
        "lab/b": [7, 0],
    }
    socket.close()


async def test_a_rate_that_is_no_rate_is_refused(node):
    socket = await node.socket()
    for rate in (0, -1, "5", True, 1e9):
        await socket.subscribe("lab/*", max_rate=rate)
        assert "max_rate" in (await socket.next("error"))["error"]["message"]
    socket.close()
    await node.refused("/api/v1/live?max_rate=0", 400)


async def test_a_bug_in_a_topic_sends_its_clients_away_to_come_back(node, complaints, monkeypatch):
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await until_subscribed(node)
    (topic,) = node.live._topics.values()
    monkeypatch.setattr(topic, "_body", None)
    node.publish(("lab/a", 1.0))
    while not socket.is_closed:
        await socket.receive()
    assert socket.close_code == 1011
    assert "bug in the live topic" in complaints()[0]
    again = await node.socket()
    await again.subscribe("lab/*")
    await until_subscribed(node)
    node.publish(("lab/a", 2.0))
    assert await again.values(1) == [("lab/a", 2.0)]
    again.close()


async def test_more_than_a_topic_takes_in_one_turn_is_counted_also_to_who_just_came(
    node, eventually, monkeypatch
):
    monkeypatch.setattr(topics, "MOST_READINGS", 10)
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await eventually(lambda: node.live.topics)
    (client,) = node.live.clients
    node.publish(("lab/a", 0))
    client.subscribe(2, Selection(("lab/*",)), None)
    for number in range(1, 31):
        node.publish(("lab/a", number))
    got, skipped = {1: [], 2: []}, {}
    while not all(values[-1:] == [30] for values in got.values()):
        message = await socket.receive()
        if message["type"] == "skipped":
            skipped[message["id"]] = message["streams"]["lab/a"]
        else:
            got[message["id"]] += [value for _, _, value, _ in message["readings"]]
    assert got == {1: list(range(21, 31)), 2: list(range(21, 31))}
    assert skipped == {1: 21, 2: 21}
    socket.close()

"""Live over the WebSocket: what arrives, in which form, and when."""

import asyncio

import pytest
from tornado.httpclient import HTTPClientError

from labmon.hub import Event
from labmon.paths import Selection
from labmon.web import topics
from labmon.web.live_ws import MAX_RATE
from labmon.web.wire import seconds
from tests.conftest import PATIENCE_S


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
    await node.subscribed()
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
    await node.subscribed()
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


async def test_the_first_goes_out_at_once(make_node):
    node = await make_node(limits={"interval_s": 3600})
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await node.subscribed()
    node.publish(("lab/a", 0))
    assert await socket.values(1) == [("lab/a", 0)]
    socket.close()


async def test_the_rest_goes_out_together_when_the_time_is_over(make_node):
    node = await make_node(limits={"interval_s": 0.2})
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await node.subscribed()
    loop = asyncio.get_running_loop()
    begin = loop.time()
    node.publish(("lab/a", 0))
    assert await socket.values(1) == [("lab/a", 0)]
    for number in range(1, 6):
        node.publish(("lab/a", number))
        await asyncio.sleep(0)
    got, messages = [], 0
    while len(got) < 5:
        got += [reading[2] for reading in (await socket.next("readings"))["readings"]]
        messages += 1
    assert got == [1, 2, 3, 4, 5]
    assert messages <= 2  # two where the time was over between two turns of the loop
    assert loop.time() - begin > 0.19
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


async def test_compression_is_not_offered(node):
    socket = await node.socket(compression_options={})
    assert "permessage-deflate" not in str(socket.connection.headers)
    socket.close()


async def test_unknown_subprotocols_are_refused(node):
    with pytest.raises(HTTPClientError, match="400"):
        await node.socket("labmon.v9")
    error = await node.refused("/api/v1/ws", 426)
    assert "WebSocket" in error["message"]


async def test_a_thinned_subscription_gets_the_first_at_once(node):
    socket = await node.socket()
    await socket.subscribe("lab/*", max_rate=MAX_RATE[0])  # the second would take minutes
    await node.subscribed()
    node.publish(("lab/a", 5))
    assert await socket.values(1) == [("lab/a", 5)]
    socket.close()


async def test_a_thinned_subscription_gets_the_newest_and_what_was_left_out(node):
    socket = await node.socket()
    await socket.subscribe("lab/*", max_rate=4)
    await node.subscribed()
    loop = asyncio.get_running_loop()
    begin = loop.time()
    node.publish(("lab/a", 5), ("lab/word", "x"))
    first = await socket.next("readings")
    assert [row[2:] for row in first["readings"]] == [[5, 0], ["x", 0]]
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


async def test_a_bug_in_a_topic_sends_its_clients_away_to_come_back(node, complaints, monkeypatch):
    socket = await node.socket()
    await socket.subscribe("lab/*")
    await node.subscribed()
    (topic,) = node.live._topics.values()
    monkeypatch.setattr(topic, "_body", None)
    node.publish(("lab/a", 1.0))
    while not socket.is_closed:
        await socket.receive()
    assert socket.close_code == 1011
    assert "bug in the live topic" in complaints()[0]
    again = await node.socket()
    await again.subscribe("lab/*")
    await node.subscribed()
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


async def test_a_bug_in_a_quiet_topic_does_not_end_the_care_for_the_others(
    make_node, complaints, monkeypatch
):
    monkeypatch.setattr("labmon.web.live.SWEEP_S", 0.01)
    node = await make_node(limits={"comment_s": 0.02})
    bad, good = await node.socket(), await node.socket()
    await bad.subscribe("bad/*")
    await node.subscribed()
    (topic,) = node.live._topics.values()
    await good.subscribe("lab/*")
    await node.subscribed(2)
    monkeypatch.setattr(topic, "_body", None)
    async with asyncio.timeout(PATIENCE_S):
        while not bad.is_closed:
            await bad.receive()
        for _ in range(3):  # a new cursor now and then
            assert (await good.next("readings"))["readings"] == []
    assert bad.close_code == 1011
    assert "bug in the live topic" in complaints()[0]
    good.close()

"""Live clients that leave: nothing of them stays, with Python's cyclic collector switched off."""

import gc
import weakref

import pytest

from labmon.web.live_sse import LiveEventsHandler


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def clients_of(node, eventually, count):
    await eventually(lambda: len(node.live.clients) == count)
    return [weakref.ref(client) for client in node.live.clients]


async def test_a_websocket_leaves_nothing(node, eventually, without_collector):
    socket = await node.socket()
    await socket.subscribe("lab/*")
    gone = await clients_of(node, eventually, 1)
    await eventually(lambda: node.live.topics)
    node.publish(("lab/a", 1.0))
    assert await socket.values(1) == [("lab/a", 1.0)]
    await socket.closed()
    await eventually(lambda: not any(one() for one in gone))


async def test_an_event_stream_leaves_nothing(node, eventually, without_collector):
    events = await node.events("stream=lab/*")
    gone = await clients_of(node, eventually, 1)
    node.publish(("lab/a", 1.0))
    await events.next("readings")
    await events.close()
    await eventually(lambda: not any(one() for one in gone))


async def test_those_that_the_server_sends_away_leave_nothing(
    make_node, eventually, without_collector
):
    node = await make_node(limits={"linger_s": 0.05})
    events, socket = await node.events("stream=lab/*"), await node.socket()
    await socket.subscribe("lab/*")
    gone = await clients_of(node, eventually, 2)
    for one in gone:
        one().hang_up(1001, "enough")
    assert await socket.receive() is None
    while await events.event() is not None:
        pass
    await events.close()
    await eventually(lambda: not any(one() for one in gone))


async def test_a_client_of_events_keeps_no_request(node, eventually, without_collector):
    events = await node.events("stream=lab/*", {"Last-Event-ID": str(node.live.cursor())})
    await clients_of(node, eventually, 1)
    await eventually(
        lambda: not any(isinstance(one, LiveEventsHandler) for one in gc.get_objects())
    )
    await events.close()

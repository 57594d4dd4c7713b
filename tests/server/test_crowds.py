"""Viewers in crowds, told in one call to the system or one after the other, and no difference."""

import asyncio
import socket
from itertools import count

import pytest

from labmon.web.audience import CROWD


def subscriptions(node):
    return sum(client.subscriptions for client in node.live.clients)


@pytest.mark.parametrize("io_uring", [True, False])
async def test_a_crowd_that_is_gone_is_left_to_its_readers(make_node, io_uring, eventually, until):
    """They close in portions, as the loop hears of them; a send closes nobody."""
    node = await make_node(io_uring=io_uring)
    crowd = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(2 * CROWD)]
    for each in crowd:
        each.sendall(b"GET /api/v1/live?stream=lab/* HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await eventually(lambda: subscriptions(node) == len(crowd))
    clients, (topic,) = list(node.live.clients), node.live._topics.values()
    for each in crowd:
        each.close()
    numbers = count()

    def is_known_to_be_gone():
        """Send without a turn of the loop; the first time brings the news, on an idle machine."""
        node.publish(("lab/a", next(numbers)))
        topic.flush()
        return not any(client.mailbox.is_direct for client in clients)

    until(is_known_to_be_gone)
    assert not any(client.mailbox.stream.closed() for client in clients)
    await eventually(lambda: not node.live.clients)


@pytest.mark.parametrize("io_uring", [True, False])
async def test_a_crowd_gets_everything_in_order(make_node, io_uring, eventually):
    """However it is told: in one call to the system, or one after the other."""
    node = await make_node(io_uring=io_uring)
    sockets = [await node.socket() for _ in range(CROWD + 1)]
    for each in sockets:
        await each.subscribe("lab/*")
    await eventually(lambda: subscriptions(node) == len(sockets))
    for number in range(20):
        node.publish(("lab/a", number))
        if number % 5 == 4:
            sockets.pop().close()
            await asyncio.sleep(0)
    for each in sockets:
        assert await each.values(20) == [("lab/a", number) for number in range(20)]
        each.close()

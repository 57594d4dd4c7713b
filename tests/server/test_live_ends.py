"""How live connections end: peers that are gone, and the server's own stop."""

import asyncio

from tests.conftest import PATIENCE_S
from tests.server.connections import HANDSHAKE


async def test_dead_peers_are_found(make_node, eventually):
    node = await make_node(limits={"ping_s": 0.05, "pong_s": 0.05})
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(HANDSHAKE)
    await eventually(lambda: node.live.clients)
    await reader.read()  # pings come and are not answered, until the server closes
    await eventually(lambda: not node.live.clients)
    writer.close()


async def test_stopping_says_bye(make_node):
    node = await make_node(limits={"shutdown_s": PATIENCE_S})  # nobody makes use of it
    socket = await node.socket()
    sse = await node.events("stream=lab/*")
    await socket.subscribe("lab/*")
    await node.subscribed(2)
    node.publish(("lab/a", 1.0))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await asyncio.gather(node.server.stop(), receive_bye(socket), receive_bye_event(sse))
    assert loop.time() - begin < 20
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
    assert loop.time() - begin < 10
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
    assert loop.time() - begin < 10
    for client in events:
        await client.close()


async def test_a_bug_in_a_topic_keeps_nobody_else_from_the_goodbye(
    make_node, complaints, monkeypatch
):
    node = await make_node()
    bad, good = await node.socket(), await node.socket()
    await bad.subscribe("bad/*")
    await node.subscribed()
    (topic,) = node.live._topics.values()
    await good.subscribe("lab/*")
    await node.subscribed(2)
    monkeypatch.setattr(topic, "_body", None)
    node.publish(("bad/a", 1.0))
    stopping = asyncio.create_task(node.server.stop())
    async with asyncio.timeout(PATIENCE_S):
        await good.next("bye")
        await good.closed()
        await bad.closed()
        await stopping
    assert (bad.close_code, good.close_code) == (1011, 1001)
    assert "bug in the live topic" in complaints()[0]


async def test_who_takes_all_while_others_are_cut_stays(make_node, monkeypatch):
    monkeypatch.setattr("labmon.web.live.CUT_PAUSE_S", 0.01)
    node = await make_node()
    sockets = [await node.socket() for _ in range(2)]
    clients = list(node.live.clients)
    for client in clients:
        client.mailbox._block()
    cutting = asyncio.create_task(node.live._cut_slow(float("inf")))
    await asyncio.sleep(0)
    (other,) = [client for client in clients if not client.is_cut]
    other.mailbox._wait()  # what waited leaves
    await other.mailbox.drained()
    await cutting
    assert not other.is_cut
    assert node.live.slow_clients == 1
    for socket in sockets:
        socket.close()

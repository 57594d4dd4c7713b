import asyncio
import json
import time

import msgpack
import pytest

JSON = {"Content-Type": "application/json"}
MSGPACK = {"Content-Type": "application/msgpack"}


async def test_a_large_body_is_refused_before_it_is_parsed(node):
    begin = time.process_time()
    body = b"[" + b"0," * 3_000_000 + b"0]"
    error = await node.refused("/api/v1/append", 413, "POST", body, headers=JSON)
    assert "4194304" in error["message"]
    assert time.process_time() - begin < 2
    error = await node.refused("/rpc", 413, "POST", b"[" + b"0," * 600_000 + b"0]", headers=JSON)
    assert "1048576" in error["message"]
    assert (await node.fetch("/healthz")).code == 200


async def test_a_large_chunked_body_is_refused_too(node):
    async def produce(write):
        for _ in range(100):
            await write(b" " * 65536)

    error = await node.refused("/api/v1/append", 413, "POST", headers=JSON, body_producer=produce)
    assert error["code"] == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 50_000,
        b"[" * 100 + b"]" * 100,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"\xff\xfe",
        b"",
        b"{",
        b'"\\ud800"',
    ],
)
async def test_deep_or_broken_json_is_a_bad_request(node, body):
    response = await node.fetch("/api/v1/append", "POST", body, headers=JSON)
    assert response.code == 400, response.body


async def test_too_many_lists_are_refused_without_making_them(node):
    body = b"[" + b"[]," * 300_000 + b"[]]"
    await node.refused("/api/v1/append", 413, "POST", body, headers=JSON)
    body = b"[" + b'{"stream":"a/b","value":1},' * 55_000
    body = body[:-1] + b"]"
    error = await node.refused("/api/v1/append", 413, "POST", body, headers=JSON)
    assert "50000" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 2000 + b"\xc0",
        b"\x91" * 1_000_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x91\xc7\x0c\xff" + (3).to_bytes(4, "big") + (2**63 - 1).to_bytes(8, "big"),
        b"\x91\xd6\xff\x00\x00\x00\x01",
        b"\x91\xc7\x05\xff12345",
        b"\x91\xd4\x07\x00",
        b"\x91\xc7\x03\x01d12",
        b"\x91\x81\x90\x01",
        b"\x91\x81\x81\xc0\xc0\x01",
        b"\x91" * 70 + b"\xc0",
        b"",
        b"\xc1",
        b"\x90\x90",
    ],
)
async def test_msgpack_bombs_are_bad_requests(node, body):
    response = await node.fetch("/api/v1/append", "POST", body, headers=MSGPACK)
    assert response.code == 400, response.body


async def test_msgpack_bodies_are_small_and_their_lists_bounded(node):
    body = b"\xdd" + (2_000_000).to_bytes(4, "big") + b"\x90" * 2_000_000
    await node.refused("/api/v1/append", 413, "POST", body, headers=MSGPACK)
    begin = time.process_time()
    body = b"\xdd" + (1_000_000).to_bytes(4, "big") + b"\x90" * 1_000_000
    await node.refused("/api/v1/append", 400, "POST", body, headers=MSGPACK)
    assert time.process_time() - begin < 1


async def test_a_column_of_msgpack_is_a_value_like_a_list(node):
    column = msgpack.ExtType(1, b"d" + b"\0" * 16)
    body = msgpack.packb([{"stream": "lab/trace", "value": column}])
    response = await node.fetch("/api/v1/append", "POST", body, headers=MSGPACK)
    assert response.code == 200, response.body


async def test_large_headers_are_refused(node):
    answer = await node.raw(
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"
    )
    assert b"200" not in answer.split(b"\r\n")[0]


async def test_slow_headers_and_slow_bodies_are_cut(make_node):
    node = await make_node(idle_timeout_s=0.2, body_timeout_s=0.2)
    begin = time.monotonic()
    silent = node.raw(b"")
    headers = node.raw(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    body = node.raw(
        b"POST /api/v1/append HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n[1,"
    )
    answers = await asyncio.gather(silent, headers, body)
    assert [answer[:15] for answer in answers] == [b"", b"", b""]
    assert time.monotonic() - begin < 10


async def test_what_is_asked_may_take_longer_than_the_asking(make_node, monkeypatch):
    node = await make_node(body_timeout_s=0.2)
    asked = asyncio.Event()

    async def handle(request, caller):
        asked.set()
        await over.wait()
        return {"jsonrpc": "2.0", "id": 1, "result": "late"}

    over = asyncio.Event()
    monkeypatch.setattr(node.services.rpc, "handle", handle)
    answer = asyncio.create_task(node.fetch("/rpc", "POST", {"jsonrpc": "2.0"}))
    await asked.wait()
    asyncio.get_running_loop().call_later(0.3, over.set)
    assert (await answer).code == 200


async def test_a_client_that_does_not_take_its_answer_is_cut(make_node, eventually):
    node = await make_node(limits={"write_stall_s": 0.2})
    for number in range(100):
        node.publish(*((f"lab/{number} {i} {'x' * 200}", 1.0) for i in range(50)))
    await node.recorder.flush()
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1024)
    for _ in range(5):
        writer.write(b"GET /api/v1/latest HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert await reader.readexactly(8) == b"HTTP/1.1"
    await eventually(lambda: node.server._http.connections == 0)
    writer.close()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(100 << 20)


async def test_connections_are_bounded(make_node, eventually):
    node = await make_node(max_connections=5)
    opened = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(5)]
    await eventually(lambda: node.server._http.connections == 5)
    answer = await node.raw(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_many_connections"
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
    await eventually(lambda: node.server._http.connections == 0)
    assert (await node.fetch("/healthz")).code == 200


async def test_a_burst_of_too_many_holds_no_descriptors(make_node, eventually):
    node = await make_node(max_connections=2)
    burst = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(60)]
    http = node.server._http
    await eventually(lambda: http.refused == 58 and not http._leaving)
    assert http.connections == 2
    for _, writer in burst:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in burst), return_exceptions=True)


async def test_live_connections_count_too(make_node, eventually):
    node = await make_node(max_connections=3)
    sockets = [await node.socket() for _ in range(3)]
    await eventually(lambda: node.server._http.connections == 3)
    answer = await node.raw(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    for socket in sockets:
        socket.close()
    await eventually(lambda: node.server._http.connections == 0)


async def test_addresses_of_others_have_a_share(make_node):
    node = await make_node(max_connections_per_address=2)
    http = node.server._http
    http._addresses["192.0.2.7"] = 1
    node.live.addresses["192.0.2.7"] = 1
    assert http._is_full("192.0.2.7")
    assert not http._is_full("192.0.2.8")
    http._addresses["127.0.0.1"] = 50
    assert not http._is_full("127.0.0.1")


async def test_too_many_heavy_queries_are_told_to_come_back(node, eventually):
    gate = node.server.application.gate
    async with gate.enter(), gate.enter():
        waiting = [
            asyncio.ensure_future(node.fetch("/api/v1/data?stream=oven/temperature"))
            for _ in range(34)
        ]
        await eventually(lambda: gate.inside == 36)
        response = await node.fetch("/api/v1/data?stream=oven/temperature")
        assert response.code == 429
        assert response.headers["Retry-After"]
    assert {response.code for response in await asyncio.gather(*waiting)} == {200}
    assert gate.inside == 0


async def test_a_query_that_nobody_waits_for_any_more_is_cancelled(node, eventually, monkeypatch):
    gate = node.server.application.gate
    cancelled = []

    async def endless(*_args):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    monkeypatch.setattr(node.datastream, "get_graph", endless)
    _, writer = await asyncio.open_connection("127.0.0.1", node.port)
    address = b"/api/v1/data?stream=oven/temperature"
    writer.write(b"GET " + address + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await eventually(lambda: gate.inside == 1)
    writer.close()
    await eventually(lambda: cancelled and gate.inside == 0)

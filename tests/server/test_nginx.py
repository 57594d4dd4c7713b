"""A real nginx with the configuration of docs/deploy.md before a real labmon."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.conftest import PATIENCE_S, HeldPort

DEPLOY = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
DEVICES = """
devices:
  steady: {driver: "tests.faults.odd_drivers:Steady", period_s: 0.05}
"""
WRAPPER = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{site}
}}
"""
HOST = "lab.example"


def block(language, beginning):
    """The block of code on the page that begins so."""
    found = re.findall(rf"```{language}\n(.*?)```", DEPLOY.read_text(), re.DOTALL)
    return next(text for text in found if text.startswith(beginning))


@pytest.fixture
def nginx():
    path = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        pytest.skip("there is no nginx: script/test installs it")
    return path


@pytest.fixture
def behind(server_process, nginx, tmp_path, until):
    """(port of nginx, the labmon server behind it), both as the page says."""
    server = server_process(block("yaml", "server:") + DEVICES)
    server.start()
    held_port = HeldPort()
    port = held_port.number
    site = block("nginx", "map").replace("127.0.0.1:8765", f"127.0.0.1:{server.port}")
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    site = re.sub(r" *ssl_certificate.*\n", "", site)
    config = tmp_path / "nginx.conf"
    config.write_text(WRAPPER.format(folder=tmp_path, site=site))
    with (tmp_path / "nginx.log").open("w") as log:
        process = subprocess.Popen(
            [nginx, "-p", tmp_path, "-e", tmp_path / "error.log", "-c", config], stderr=log
        )

    def answers():
        assert process.poll() is None, (tmp_path / "nginx.log").read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(answers, what="nginx")
        yield port, server
    finally:
        process.terminate()
        process.wait()
        held_port.close()


def ask(port, path, body=None, **headers):
    """Status of an answer through nginx, and its body."""
    headers = {"Host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_events_come_one_by_one_and_at_once(behind):
    port, _ = behind
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /api/v1/live?stream=steady/* HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    assert b"200 OK" in head
    assert b"text/event-stream" in head
    ages = []
    while len(ages) < 20:
        line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
        if line.startswith(b"data: {") and b"readings" in line:
            ages.append(time.time() - json.loads(line[6:])["t"])
    writer.close()
    await writer.wait_closed()
    # nginx would collect 4 KiB and more, which takes seconds at this rate
    assert sorted(ages)[10] < 0.5


async def socket_behind(port, origin=f"https://{HOST}"):
    return await websocket_connect(
        HTTPRequest(f"ws://127.0.0.1:{port}/api/v1/ws", headers={"Host": HOST, "Origin": origin}),
        subprotocols=["labmon.v1.json"],
    )


async def next_message(connection):
    """None once the connection is closed."""
    text = await asyncio.wait_for(connection.read_message(), PATIENCE_S)
    return text and json.loads(text)


async def websocket_status(port, origin):
    """The status with which a handshake is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /api/v1/ws HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {origin}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


async def test_the_websocket_is_let_through(behind):
    port, _ = behind
    connection = await socket_behind(port)
    hello = json.loads(await connection.read_message())
    assert hello["type"] == "hello"
    await connection.write_message('{"type": "subscribe", "id": 1, "streams": ["steady/*"]}')
    while (await next_message(connection))["type"] != "readings":
        pass
    call = {"jsonrpc": "2.0", "id": 7, "method": "rpc.ping"}
    await connection.write_message(json.dumps(call))
    while (await next_message(connection)).get("id") != 7:
        pass
    connection.close()
    while await connection.read_message() is not None:
        pass


async def test_stopping_reaches_the_viewers_behind_it(behind):
    port, server = behind
    connection = await socket_behind(port)
    kinds = [json.loads(await connection.read_message())["type"]]
    code, _ = await asyncio.to_thread(server.end)
    while (message := await next_message(connection)) is not None:
        kinds.append(message["type"])
    connection.close()
    assert code == 0
    assert (kinds[-1], connection.close_code) == ("bye", 1001)


async def test_names_and_pages_of_others_are_refused_behind_it_too(behind):
    port, _ = behind
    assert (await asyncio.to_thread(ask, port, "/api/v1/latest"))[0] == 200
    assert (await asyncio.to_thread(ask, port, "/", Origin=f"https://{HOST}"))[0] == 200
    assert (await asyncio.to_thread(ask, port, "/api/v1/latest", Host="evil.example"))[0] == 421
    for origin in ("https://evil.example", "null", f"https://{HOST}.evil.example"):
        assert (await asyncio.to_thread(ask, port, "/api/v1/latest", Origin=origin))[0] == 403
        assert await websocket_status(port, origin) == 403


def test_nobody_behind_it_is_taken_for_somebody_at_this_machine(behind):
    port, server = behind
    readings = [{"stream": "a/b", "value": 1}]
    for claimed in ({}, {"X_Forwarded_For": "127.0.0.1"}, {"X_Real_Ip": "127.0.0.1"}):
        assert ask(port, "/api/v1/append", readings, **claimed)[0] == 403
        assert ask(port, "/api/v1/devices/steady/disable", {}, **claimed)[0] == 403
    assert server.post("/api/v1/append", readings) == {"accepted": 1, "rejected": []}


def test_large_bodies_are_refused_by_labmon_or_before_it(behind):
    port, _ = behind
    assert ask(port, "/api/v1/append", "x" * (6 << 20))[0] == 413

"""A real server process, killed again and again: what a live client has is what is stored."""

import asyncio
import random
import signal

import msgpack
import numpy as np
import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

from labmon.web.wire import encode_msgpack
from tests.conftest import PATIENCE_S

CONFIG = """
store: sqlite:///labmon.db
recording:
  commit_interval_s: {commit_s}
  commit_readings: 100000
devices:
  wavemeter:
    driver: simulated_wavemeter
    period_s: 0.01
"""
PATH = "wavemeter/ch1"


class Viewer:
    """Keeps (t, value) of one stream as the protocol says a client must."""

    def __init__(self, address):
        self.address = address
        self.rows = []
        self.cursor = None
        self.kinds = []

    async def watch(self, messages):
        socket = await websocket_connect(
            self.address.replace("http", "ws") + "/api/v1/ws", subprotocols=["labmon.v1.msgpack"]
        )
        try:
            hello = msgpack.unpackb(await socket.read_message())
            subscribe = {"type": "subscribe", "id": 1, "streams": ["wavemeter/*"]}
            after = self.cursor or hello["cursor"]
            await socket.write_message(encode_msgpack(subscribe | {"after": after}), binary=True)
            while messages:
                data = await asyncio.wait_for(socket.read_message(), PATIENCE_S)
                messages -= self.take(msgpack.unpackb(data))
        finally:
            socket.close()
            while await socket.read_message() is not None:
                pass

    def take(self, message):
        if message["type"] == "readings":
            self.rows += [(t, v) for path, t, v, _ in message["readings"] if path == PATH]
            self.cursor = message["cursor"]
            return 1
        if message["type"] != "device":
            self.kinds.append(message["type"])
        if message["type"] == "lost":
            last = message["streams"].get(PATH, 0)
            self.rows = [row for row in self.rows if last is not None and row[0] <= last]
        return 0

    async def stored(self):
        """What is stored from the first row that the viewer has to its last."""
        first, last = self.rows[0][0], self.rows[-1][0]
        answer = await AsyncHTTPClient().fetch(
            f"{self.address}/api/v1/data?stream={PATH}&granularity=raw"
            f"&start={first // 10**9 - 1}&end={last // 10**9 + 2}",
            headers={"Accept": "application/msgpack"},
        )
        curve = msgpack.unpackb(answer.body)["streams"][0]
        t = np.frombuffer(curve["t"].data, "<i8", offset=1)
        v = np.frombuffer(curve["v"].data, "<f8", offset=1)
        inside = (t >= first) & (t <= last)
        return list(zip(t[inside].tolist(), v[inside].tolist(), strict=True))


@pytest.mark.parametrize("commit_s", [2.0, pytest.param(0.1, marks=pytest.mark.long)])
async def test_a_viewer_ends_with_what_is_stored(server_process, commit_s):
    rng = random.Random(3)
    server = server_process(CONFIG.format(commit_s=commit_s))
    viewer = Viewer(server.address)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        await asyncio.to_thread(server.start)
        for _ in range(3):
            await viewer.watch(rng.randrange(5, 30))
        await asyncio.to_thread(server.end, number)
    await asyncio.to_thread(server.start)
    await viewer.watch(30)
    stored = [(t, None if np.isnan(v) else v) for t, v in await viewer.stored()]
    without_gap_marks = [row for row in stored if row in set(viewer.rows) or row[1] is not None]
    assert without_gap_marks == viewer.rows
    assert viewer.kinds.count("lost") >= (1 if commit_s == 2.0 else 0)
    assert set(viewer.kinds) <= {"lost", "bye", "hello"}
    await asyncio.to_thread(server.end)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no such terminals here")
def test_a_server_whose_terminal_is_closed_ends_like_any_other(server_process):
    server = server_process("devices: {}\n")
    server.start()
    assert server.end(signal.SIGHUP)[0] == 0

"""A whole node in this process, on a real port: store, hub, recorder, one device, web."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import math
from pathlib import Path
from typing import Annotated

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from labmon import datastream
from labmon.config import Config, DeviceConfig, ServerConfig
from labmon.control.annotations import Annotations
from labmon.control.audit import Audit
from labmon.control.rpc import Rpc
from labmon.device.device import Device
from labmon.device.driver import Channel, Driver, Limits, command
from labmon.hub import Event, Hub
from labmon.reading import Batch
from labmon.recorder import Recorder
from labmon.timestamps import Clock
from labmon.web.limits import Limits as WebLimits
from labmon.web.server import Server
from labmon.web.services import Services
from tests.conftest import PATIENCE_S
from tests.server.connections import Events, Socket


class Oven(Driver):
    """An oven that keeps its setpoint."""

    model = "test oven"
    simulated = True
    temperature = Channel(unit="C", description="inside", digits=1)

    def __init__(self):
        self._celsius = 20.0

    def connect(self):
        pass

    def poll(self):
        return {"temperature": self._celsius}

    def disconnect(self):
        pass

    @command
    def heat(self, celsius: Annotated[float, Limits(0, 300, unit="C")]) -> float:
        """Go to a temperature."""
        self._celsius = celsius
        return celsius


class Node:
    """One labmon server; `await start()`, `await stop()`, and again."""

    def __init__(self, store="memory:", limits=None, spool=None, **server):
        web = ServerConfig(port=0, **server)
        self.config = Config(path=Path("config.yaml"), server=web, store=store)
        # a disk may stall, and a second later cursors would come in between: tests of them say so
        patient = WebLimits(settle_s=PATIENCE_S, comment_s=math.inf)
        self.limits = dataclasses.replace(patient, **(limits or {}))
        self.store = store
        self.spool = spool
        self.port = 0
        self.sockets = []
        self.http = AsyncHTTPClient(force_instance=True, max_clients=100)

    async def start(self):
        clock = self.clock = Clock()
        self.datastream = datastream.open(self.store, clock=clock.now_ns, commit_interval_s=0.02)
        await self.datastream.start()
        if self.spool is not None:
            self.spool.open()
        self.recorder = Recorder(self.datastream, spool=self.spool)
        self.hub = Hub(
            self.datastream.node,
            self.datastream.epoch,
            self.recorder.record,
            self.datastream.start_id(self.datastream.epoch),
        )
        self.recorder.start()
        self.devices = {}
        self.devices = {"oven": self._oven()}
        for device in self.devices.values():
            await self.recorder.declare(device.name, device.channels, device.period_s)
        self.annotations = Annotations(self._record_at, self.datastream, clock.now_ns)
        await self.annotations.restore()
        self.services = Services(
            self.config,
            self.hub,
            self.datastream,
            self.devices,
            Rpc(self.devices, Audit(self._record), annotations=self.annotations),
            self.recorder,
            clock,
            self.annotations,
            self.limits,
        )
        self.server = Server(self.services)
        self.port = await self.server.start("127.0.0.1", self.port)
        self.is_running = True

    def _oven(self):
        config = DeviceConfig(name="oven", driver="test", period_s=0.05)
        return Device(
            config,
            Oven(),
            clock=self.clock,
            publish=self.hub.publish,
            changed=self._changed,
        )

    def _record(self, path, value):
        self._record_at(path, self.clock.now_ns(), value)

    def _record_at(self, path, time_ns, value):
        self.hub.publish(Batch(path.split("/")[0], time_ns, (path,), (value,), b"\0"))

    def _changed(self, device):
        if self.devices:  # not while it is being made
            self.hub.announce(Event("device", device.status()))

    async def stop(self):
        self.is_running = False
        await self.server.stop()
        for device in self.devices.values():
            await device.stop()
        await self.recorder.stop()
        await self.datastream.close()

    async def restart(self):
        await self.stop()
        await self.start()

    @property
    def live(self):
        return self.server.application.live

    def publish(self, *readings, source="lab", time_ns=None, quality=0):
        """One batch of ("lab/a", 1.0) pairs, now."""
        paths, values = zip(*readings, strict=True)
        time_ns = self.clock.now_ns() if time_ns is None else time_ns
        return self.hub.publish(
            Batch(source, time_ns, paths, values, bytes([quality] * len(paths)))
        )

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    async def fetch(self, path, method="GET", body=None, headers=None, **options):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = HTTPRequest(
            self.url(path),
            method,
            headers,
            body,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            **options,
        )
        return await self.http.fetch(request, raise_error=False)

    async def get(self, path, **options):
        """The decoded answer, which must be good."""
        response = await self.fetch(path, **options)
        assert response.code == 200, response.body
        return json.loads(response.body)

    async def refused(self, path, code, *args, **options):
        """The error of an answer that must have this status."""
        response = await self.fetch(path, *args, **options)
        assert response.code == code, response.body
        assert "Traceback" not in response.body.decode()
        return json.loads(response.body)["error"]

    async def append(self, *readings, **options):
        response = await self.fetch("/api/v1/append", "POST", list(readings), **options)
        return response.code, json.loads(response.body)

    async def socket(self, protocol="labmon.v1.json", **options):
        """A WebSocket that has said hello."""
        socket = Socket(protocol)
        self.sockets.append(socket)
        await socket.connect(self.url("/api/v1/ws").replace("http", "ws"), **options)
        return socket

    async def events(self, query="", headers=None):
        """An SSE connection, its head read."""
        return await Events.open(self, query, headers)

    async def subscribed(self, count=1):
        """Return once clients have so many subscriptions."""
        for _ in range(round(PATIENCE_S / 0.002)):
            if sum(client.subscriptions for client in self.live.clients) >= count:
                return
            await asyncio.sleep(0.002)
        raise AssertionError("nobody subscribed")

    async def raw(self, data):
        """Everything that the server answers to these bytes until it closes, or resets."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = b""
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(ConnectionError):
                while part := await asyncio.wait_for(reader.read(1 << 16), PATIENCE_S):
                    answer += part
            return answer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def make_node(caplog, request):
    """A factory of started nodes, stopped at the end.

    A warning or an error in the log fails the test, unless it asks for `complaints`.
    """
    nodes = []

    async def make(*args, **kwargs):
        node = Node(*args, **kwargs)
        await node.start()
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        for socket in node.sockets:
            await socket.closed()
        node.http.close()
        if node.is_running:
            await node.stop()
    bad = [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
    assert "complaints" in request.fixturenames or not [r.getMessage() for r in bad]


@pytest.fixture
async def node(make_node):
    return await make_node()


@pytest.fixture
async def stored(make_node, tmp_path):
    """A node on SQLite."""
    return await make_node(f"sqlite:///{tmp_path}/labmon.db")


@pytest.fixture
def complaints(caplog):
    """Gives the messages that were logged; lets a test make them."""
    return lambda: caplog.messages


@pytest.fixture
def eventually():
    """Wait, on the event loop, until a condition is true."""

    async def wait(condition, timeout_s=PATIENCE_S):
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not (result := condition()):
            assert loop.time() < deadline, "it did not come"
            await asyncio.sleep(0.005)
        return result

    return wait

"""SIGTERM with hung drivers and clients that never read: all is saved, and it ends in 5 s."""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.alone

MISBEHAVING = """\
devices:
  hung: {driver: "tests.faults.odd_drivers:Hung", period_s: 0.05, timeout_s: 0.2}
  raises: {driver: "tests.faults.odd_drivers:Raises", period_s: 0.05}
  steady: {driver: "tests.faults.odd_drivers:Steady", period_s: 0.05}
"""


def state(server, name):
    return server.get(f"/api/v1/devices/{name}")["state"]


@pytest.fixture
def server(server_process, until):
    server = server_process(MISBEHAVING)
    server.start()
    until(lambda: state(server, "hung") == "stuck", what="the hung device being stuck")
    return server


def open_stream(server, path, headers=()):
    """A client that asks for a live stream and then never reads."""
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *headers, "", ""]
    sock.sendall("\r\n".join(lines).encode())
    return sock


def websocket_headers():
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        *(f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Protocol: labmon.v1.json"),
    )


@pytest.mark.parametrize(
    ("number", "count"),
    [
        (signal.SIGTERM, 5),
        (signal.SIGINT, 5),
        pytest.param(signal.SIGTERM, 100, marks=pytest.mark.long),
    ],
)
def test_it_stops_in_5_s_with_a_hung_driver_and_clients_that_do_not_read(server, number, count):
    clients = [open_stream(server, "/api/v1/live?stream=**") for _ in range(count)]
    clients += [open_stream(server, "/api/v1/ws", websocket_headers()) for _ in range(count)]
    try:
        code, took_s = server.end(number)
    finally:
        for client in clients:
            client.close()
    assert code == 0, server.output
    assert took_s < 5.0


def test_the_others_keep_their_rate_beside_hung_and_failing_devices(server, until):
    def polls():
        return server.get("/api/v1/devices/steady")["polls"]

    def took_s():
        before, began_s = polls(), time.monotonic()
        until(lambda: polls() >= before + 40, what="40 polls at 20 Hz")
        return time.monotonic() - began_s

    # the machine may stand at one time; whoever is held up by others is so each time
    assert any(took_s() < 4.0 for _ in range(5))
    assert state(server, "raises") == "offline"


def test_what_was_polled_until_the_end_is_there_after_a_restart(server):
    polls = server.get("/api/v1/devices/steady")["polls"]
    code, _ = server.end()
    assert code == 0
    server.start()
    reply = server.get("/api/v1/data?stream=steady/count&start=-1h&granularity=raw")
    values = reply["streams"][0]["v"]
    begin = values.index(1)  # gaps stand where it was started, and where it was stopped
    before = list(takewhile(lambda value: value is not None, values[begin:]))
    assert before == list(range(1, len(before) + 1))
    assert len(before) >= polls > 0
    assert values[begin + len(before)] is None, "a gap stands where it was stopped"


def test_a_second_signal_ends_it_at_once(server):
    server.process.send_signal(signal.SIGTERM)
    code, took_s = server.end(signal.SIGTERM)
    assert code in {0, 128 + signal.SIGTERM}
    assert took_s < 5.0


@pytest.mark.parametrize("what", ["full", "closed"])
def test_it_ends_cleanly_where_its_output_takes_nothing(server_process, until, what):
    """A log on a disk that is full, or a start without a terminal."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    server = server_process(MISBEHAVING)
    redirection = f">{full} 2>&1" if what == "full" else ">&- 2>&-"
    command = f'exec "$@" {redirection} <&-'
    program = [sys.executable, "-m", "labmon", "serve", "--config", str(server.config)]
    server.process = subprocess.Popen(
        ["sh", "-c", command, "sh", *program, "--port", str(server.port), "--data", server.data],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'drivers'}"},
    )
    try:
        until(server.is_ready, what="the server")
        until(lambda: state(server, "hung") == "stuck", what="the hung device being stuck")
        server.process.terminate()
        assert server.process.wait(30) == 0
    finally:
        server.process.kill()
        server.process.wait()

"""A server with few file descriptors: it turns clients away, and goes on recording."""

import contextlib
import socket
import sys
import threading
import time

import psutil
import pytest

from tests.conftest import PATIENCE_S

STEADY = """
devices:
  steady: {driver: "tests.faults.odd_drivers:Steady", period_s: 0.02}
"""


@pytest.fixture
def cramped(server_process, tmp_path, monkeypatch):
    """A server that may have 64 descriptors."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit -n 64\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    server = server_process(STEADY)
    server.start()
    return server


def recorded(server):
    return server.get("/api/v1/streams/steady/count")["count"]


def refused(sock):
    with contextlib.suppress(OSError):
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return sock.recv(4096)
    return b""


def test_it_records_while_every_connection_is_taken(cramped, until):
    process = psutil.Process(cramped.process.pid)
    assert process.rlimit(psutil.RLIMIT_NOFILE)[0] == 64
    before = recorded(cramped)
    lines = len(cramped.lines)
    opened = [socket.create_connection(("127.0.0.1", cramped.port), PATIENCE_S) for _ in range(100)]
    try:
        answers = [refused(sock) for sock in opened]
        assert any(answer.startswith(b"HTTP/1.1 503") for answer in answers)
        assert sum(answer.startswith(b"HTTP/1.1 200") for answer in answers) >= 10
        used_s = sum(process.cpu_times()[:2])
        for _ in range(3):  # there may be room for one whose place the first request had
            opened.append(socket.create_connection(("127.0.0.1", cramped.port), PATIENCE_S))
            answer = refused(opened[-1])
        assert b" 200 " not in answer
        assert sum(process.cpu_times()[:2]) - used_s < 0.5
        assert process.num_fds() < 64
    finally:
        for sock in opened:
            sock.close()
    until(cramped.is_ready, what="room")
    until(lambda: recorded(cramped) > before + 20, what="readings")
    assert sum(map(len, cramped.lines[lines:])) < 10_000, "it fills the log"
    assert cramped.end()[0] == 0


@pytest.mark.long
@pytest.mark.alone
def test_turning_clients_away_costs_little(cramped):
    """10 s of a hundred that stay and twenty a second that knock: CPU below 10%, log 10 kB/s."""
    process, pause = psutil.Process(cramped.process.pid), threading.Event()

    def share(seconds, knock):
        began, before = time.monotonic(), sum(process.cpu_times()[:2])
        while time.monotonic() - began < seconds:
            knock()
            pause.wait(0.05)
        return (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)

    quiet = share(5.0, lambda: None)
    opened = []

    def knock():
        opened.append(socket.create_connection(("127.0.0.1", cramped.port), PATIENCE_S))

    try:
        for _ in range(100):
            knock()
        lines = len(cramped.lines)
        busy = share(10.0, knock)
        logged = sum(map(len, cramped.lines[lines:])) / 10
    finally:
        for sock in opened:
            sock.close()
    print(f"{quiet:.1%} of a core before, {busy:.1%} meanwhile; {logged:.0f} B/s of log")
    assert busy - quiet < 0.1
    assert logged < 10_000

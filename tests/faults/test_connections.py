"""Ten thousand connections that come and go, and 500 that dawdle: a real server, its own limits.

Headers and answers have 30 s, bodies 15 s, from when the server gets to them: which takes a while
where 500 come at once.
"""

import contextlib
import selectors
import socket
import threading
import time

import psutil
import pytest

from tests.faults.others import Others

pytestmark = [pytest.mark.long, pytest.mark.alone]

STEADY = """
store: "memory:"
devices:
  steady: {driver: "tests.faults.odd_drivers:Steady", period_s: 0.1}
"""
HEAD = b"Host: 127.0.0.1\r\n"
LIVE = b"GET /api/v1/live?stream=** HTTP/1.1\r\n" + HEAD + b"\r\n"
UPGRADE = (
    b"GET /api/v1/ws HTTP/1.1\r\n" + HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PLAIN = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"


@pytest.fixture
def server(server_process):
    server = server_process(STEADY)
    server.start()
    return server


def test_ten_thousand_connections_leave_no_descriptor_behind(server, until):
    process = psutil.Process(server.process.pid)

    def come_and_go(count):
        for number in range(count):
            sock = socket.create_connection(("127.0.0.1", server.port), 10)
            if number % 4:
                sock.sendall((PLAIN, LIVE, UPGRADE)[number % 4 - 1])
                if number % 8 > 3:
                    sock.recv(100)
            if number % 3 == 0:  # a reset in the place of an end
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()

    come_and_go(200)  # what is opened once stays open
    until(lambda: server.get("/healthz")["ready"], what="an answer")
    counts = []

    def is_steady():
        counts.append(process.num_fds())
        return len(counts) > 50 and len(set(counts[-50:])) == 1

    until(is_steady, 40, "the same number of descriptors for a second")
    before, threads = counts[-1], process.num_threads()
    come_and_go(10_000)
    until(lambda: process.num_fds() == before, 40, f"{before} descriptors, as many as before")
    assert process.num_threads() <= threads + 1
    assert server.end()[0] == 0


DAWDLERS = {
    "headers": (PLAIN[:-2], b"X-a: b\r\n"),
    "body": (
        b"POST /api/v1/append HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"
        b"Content-Length: 4096\r\n\r\n[",
        b" ",
    ),
    "reading": (b"GET /api/v1/streams HTTP/1.1\r\n" + HEAD + b"\r\n", b""),
}


def dawdle(opened, piece, stop):
    """Send a piece to each every second, and read a few bytes, as long as it goes."""
    with selectors.DefaultSelector() as selector:
        for sock in opened:
            selector.register(sock, selectors.EVENT_READ)
        while not stop.wait(1.0):
            ready = {key.fileobj for key, _ in selector.select(0)}
            for sock in opened:
                with contextlib.suppress(OSError):
                    if sock in ready:
                        sock.recv(5)
                    if piece:
                        sock.send(piece)


@pytest.mark.parametrize("kind", DAWDLERS)
def test_500_that_dawdle_are_cut_after_their_30_s_and_hold_up_nobody(server, until, kind):
    first, piece = DAWDLERS[kind]
    process, others = psutil.Process(server.process.pid), Others()
    before = process.num_fds()
    opened = []
    for _ in range(500):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(("127.0.0.1", server.port))
        sock.setblocking(False)
        sock.send(first)
        opened.append(sock)
    began, slowest_s = time.monotonic(), 0.0
    stop = threading.Event()
    thread = threading.Thread(target=dawdle, args=(opened, piece, stop))
    thread.start()
    try:
        # on a busy machine the first are cut before the last are taken
        until(lambda: process.num_fds() > before + 100, what="the first connections")
        while (left := process.num_fds() - before) > 10:
            asked = time.monotonic()
            server.get("/healthz")
            slowest_s = max(slowest_s, time.monotonic() - asked)
            assert time.monotonic() - began < 40 * others.slowdown(), f"{left} are still open"
            stop.wait(0.2)
    finally:
        stop.set()
        thread.join()
        for sock in opened:
            sock.close()
    print(f"cut after {time.monotonic() - began:.1f} s; slowest answer {slowest_s:.3f} s")
    assert slowest_s < 1.0 * others.slowdown()

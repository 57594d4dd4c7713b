"""What comes live for ever is ended by another thread, wherever the one that waits is."""

import contextlib
import socket
import threading

import pytest

from labmon.client import Client
from tests.conftest import PATIENCE_S, ServerProcess

CONFIG = """
devices:
  bench: {driver: "tests.server.bench_driver:Bench", period_s: 0.02}
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: bye\ndata: {}\n\n"


class Waiting:
    """A thread that takes what comes, until it ends."""

    def __init__(self, live):
        self.live = live
        self.taken = []
        self.error = None
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        try:
            for each in self.live:
                self.taken.append(each)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def has_ended(self):
        self._thread.join(PATIENCE_S)
        return not self._thread.is_alive() and self.error is None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with contextlib.closing(ServerProcess(tmp_path_factory.mktemp("server"), CONFIG)) as server:
        server.start()
        yield server


@pytest.mark.parametrize("glob", ["bench/count", "nothing/at/all"])
@pytest.mark.parametrize("what", ["live", "events"])
def test_who_waits_in_a_thread_is_ended_by_another(server, until, glob, what):
    live = getattr(Client(server.address), what)(glob)
    waiting = Waiting(live)
    until(lambda: connections(server) == 1)
    live.close()
    assert waiting.has_ended()
    until(lambda: connections(server) == 0)
    assert next(live, None) is None
    live.close()  # once more is no error


def connections(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        text = connection.makefile().read()
    lines = [line for line in text.splitlines() if line.startswith("labmon_live_clients")]
    return sum(float(line.split()[-1]) for line in lines)


def test_who_waits_for_a_server_that_is_away_is_ended_too(until):
    with socket.create_server(("127.0.0.1", 0)) as server:
        live = Client(f"http://127.0.0.1:{server.getsockname()[1]}").events()
        waiting = Waiting(live)
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 14)
            connection.sendall(ANSWER)
            until(lambda: waiting.taken)
    live.close()
    assert waiting.has_ended()


def test_who_waits_for_an_answer_is_ended_too(until):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        live = Client(f"http://127.0.0.1:{silent.getsockname()[1]}").live()
        waiting = Waiting(live)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1 << 14).startswith(b"GET")
            live.close()
            assert waiting.has_ended()


def test_a_loop_may_end_what_it_goes_over(server):
    taken = []
    with Client(server.address).live("bench/count") as live:
        for reading in live:
            taken.append(reading)
            live.close()
    assert len(taken) == 1


def test_what_was_never_begun_needs_no_server():
    with Client("http://127.0.0.1:1").live() as live:
        pass
    assert list(live) == []

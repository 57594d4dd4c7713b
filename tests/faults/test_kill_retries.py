"""kill -9 under pushes that are repeated with their key until answered: each exactly once."""

import contextlib
import http.client
import random
import signal
import threading
import urllib.error

import pytest

ROUNDS = 4
STREAMS = 4
BODY = 3000


class Pusher:
    """Sends one body after the other; each again and again until the server says it has it."""

    def __init__(self, server, stream):
        self.server = server
        self.stream = stream
        self.bodies = 0
        self.repeated = 0
        self._begin_s = server.get("/api/v1/latest")["now"] - 86400

    def body(self, number):
        return [
            {"stream": f"load/{self.stream}", "time": self._begin_s + n / 100, "value": n}
            for n in range(number * BODY, (number + 1) * BODY)
        ]

    def run(self, stop):
        while not stop.is_set():
            body = self.body(self.bodies)
            headers = {"Idempotency-Key": f"{self.stream} {self.bodies}"}
            while not self._answered(body, headers):
                self.repeated += 1
                stop.wait(0.05)
            self.bodies += 1

    def _answered(self, body, headers):
        with contextlib.suppress(urllib.error.URLError, OSError, http.client.HTTPException):
            answer = self.server.post("/api/v1/append", body, headers)
            assert answer == {"accepted": BODY, "rejected": []}
            return True
        return False

    def stored(self):
        values = []
        for number in range(self.bodies):
            begin_s = self._begin_s + number * BODY / 100
            query = f"start={begin_s - 0.001}&end={begin_s + BODY / 100 - 0.001}&granularity=raw"
            reply = self.server.get(f"/api/v1/data?stream=load/{self.stream}&{query}")
            values += [v for v in reply["streams"][0]["v"] if v is not None]
        return values


def rounds(server, count, seed):
    random.seed(seed)
    server.start()
    pushers = [Pusher(server, stream) for stream in range(STREAMS)]
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in pushers]
    for thread in threads:
        thread.start()
    try:
        for _ in range(count):
            stop.wait(random.uniform(0.3, 0.8))  # the moment of the kill is the random part
            server.end(signal.SIGKILL)
            server.start()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(each.repeated for each in pushers) > 0
    for each in pushers:
        assert each.bodies > 0
        assert each.stored() == list(range(each.bodies * BODY))


def test_a_push_that_is_repeated_after_kill_9_is_stored_once(server_process):
    rounds(server_process("devices: {}\n"), ROUNDS, seed=random.randrange(2**32))


@pytest.mark.long
def test_a_push_that_is_repeated_after_kill_9_is_stored_once_for_long(server_process):
    rounds(server_process("devices: {}\n"), 40, seed=random.randrange(2**32))

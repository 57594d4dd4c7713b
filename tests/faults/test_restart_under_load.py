"""SIGTERM and start, again and again, under a load that retries what was not acknowledged."""

import http.client
import json
import signal
import statistics
import threading
import urllib.error

import pytest

QUIET = "devices: {}\n"
BATCH = 20


class Retrying:
    """Pushes numbered readings, each request until it is acknowledged, under a key of its own."""

    def __init__(self, server, time_s):
        self.server = server
        self.time_s = time_s
        self.acknowledged = 0
        self.retries = 0
        self.stop = threading.Event()

    def run(self):
        while not self.stop.is_set():
            self._push(range(self.acknowledged, self.acknowledged + BATCH))
            self.acknowledged += BATCH

    def _push(self, numbers):
        body = [
            {"stream": "load/n", "time": self.time_s + n / 1000, "value": float(n)} for n in numbers
        ]
        key = {"Idempotency-Key": f"readings {numbers[0]}"}
        while True:
            try:
                reply = self.server.post("/api/v1/append", body, key)
            except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
                self.retries += 1
                self.stop.wait(0.02)
                continue
            assert reply["accepted"] == BATCH, json.dumps(reply)
            return


@pytest.mark.alone
@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.long)])
def test_restarts_under_load_lose_and_double_nothing(server_process, until, count):
    server = server_process(QUIET)
    empty_s = server.start()
    load = Retrying(server, server.get("/api/v1/latest")["now"] - 86400)
    pusher = threading.Thread(target=load.run)
    pusher.start()
    starts_s = []
    try:
        for _ in range(count):
            enough = load.acknowledged + 10 * BATCH
            until(lambda enough=enough: load.acknowledged >= enough, what="readings")
            code, took_s = server.end(signal.SIGTERM)
            assert (code, took_s < 5) == (0, True), server.output
            starts_s.append(server.start())
    finally:
        load.stop.set()
        pusher.join()
    # a busy machine starts nothing quickly, and may stand once
    assert statistics.median(starts_s) < max(5.0, 3 * empty_s)
    assert load.retries
    reply = server.get("/api/v1/data?stream=load/n&start=0&end=%2B1d&granularity=raw")
    found = [value for value in reply["streams"][0]["v"] if value is not None]
    assert found == [float(n) for n in range(load.acknowledged)]

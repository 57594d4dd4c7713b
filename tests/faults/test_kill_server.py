"""kill -9 while readings pour in over HTTP: what was acknowledged is there, once, bit for bit."""

import http.client
import json
import random
import signal
import statistics
import threading
import urllib.error
import urllib.request

import pytest

QUIET = "devices: {}\n"
STREAMS = 5
BATCH = 20


def value(stream, number):
    """What reading `number` of a stream is: every value tells where it belongs."""
    return stream * 1e6 + number + 0.1


class Load:
    """Pushes numbered readings and keeps what was acknowledged."""

    def __init__(self, server):
        self.server = server
        self.next = dict.fromkeys(range(STREAMS), 0)
        self.acknowledged = {stream: set() for stream in range(STREAMS)}
        self.sent = {stream: set() for stream in range(STREAMS)}

    def run(self, time_s, stop):
        while not stop.is_set():
            stream = random.randrange(STREAMS)
            numbers = range(self.next[stream], self.next[stream] + BATCH)
            self.next[stream] += BATCH
            self.sent[stream].update(numbers)
            body = [
                {"stream": f"load/{stream}", "time": time_s + n / 1000, "value": value(stream, n)}
                for n in numbers
            ]
            try:
                reply = self.server.post("/api/v1/append", body)
            except (
                *(urllib.error.URLError, OSError),
                *(http.client.HTTPException, json.JSONDecodeError),
            ):
                return
            assert reply["accepted"] == BATCH
            self.acknowledged[stream].update(numbers)


def stored(server, stream):
    reply = server.get(f"/api/v1/data?stream=load/{stream}&start=0&end=%2B1d&granularity=raw")
    columns = reply["streams"][0]
    return [v for v in columns["v"] if v is not None]


def rounds(server, count, seed):
    random.seed(seed)
    empty_s = server.start()
    time_s = server.get("/api/v1/latest")["now"] - 86400
    load, starts_s = Load(server), []
    for _ in range(count):
        stop = threading.Event()
        pusher = threading.Thread(target=load.run, args=(time_s, stop))
        before = sum(map(len, load.acknowledged.values()))
        pusher.start()
        enough = before + BATCH * random.randrange(1, 12)
        while pusher.is_alive() and sum(map(len, load.acknowledged.values())) < enough:
            pusher.join(0.005)
        server.end(signal.SIGKILL)
        stop.set()
        pusher.join()
        starts_s.append(server.start())
    # a busy machine starts nothing quickly, and may stand once
    assert statistics.median(starts_s) < max(5.0, 3 * empty_s)
    return load


@pytest.mark.alone
@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.long)])
def test_kill_9_under_load_loses_and_doubles_nothing(server_process, count):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    server = server_process(QUIET)
    load = rounds(server, count, seed)
    assert sum(map(len, load.acknowledged.values())) > count * BATCH
    for stream in range(STREAMS):
        found = stored(server, stream)
        expected = {value(stream, n) for n in load.acknowledged[stream]}
        sent = {value(stream, n) for n in load.sent[stream]}
        assert len(found) == len(set(found)), "a reading is there twice"
        assert expected <= set(found), "an acknowledged reading is missing"
        assert set(found) <= sent, "a reading is there that nobody sent"
        assert found == sorted(found)

"""Little memory: the heaviest questions fit into it, and nothing acknowledged is lost."""

import asyncio
import collections
import http.client
import sys
import threading

import numpy as np
import pytest

from labmon import datastream
from tests.faults.load import UNREACHABLE, Live, Pusher, Watch, readiness
from tests.faults.memory_limit import MemoryLimit

pytestmark = [pytest.mark.alone, pytest.mark.long]

CONFIG = """\
devices:
  many: {driver: "tests.faults.odd_drivers:Many", period_s: 0.05}
"""
LIMIT_BYTES = 256 << 20
SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS
START_S = START_NS // SECOND_NS
COUNT = 2_000_000
HERTZ = 10
END_S = START_S + COUNT // HERTZ
ASKING = 12
LOAD_S = 20.0
PATHS = [f"long/ch{number}" for number in range(4)]
STREAMS = "&".join(f"stream={path}" for path in PATHS)
LARGEST = [
    (f"{STREAMS}&start={START_S}&end={START_S + 12_000}&granularity=raw", "application/msgpack"),
    (f"{STREAMS}&start={START_S}&end={START_S + 1990}&granularity=raw&format=csv", "*/*"),
    (f"{STREAMS}&start={START_S}&end={END_S}&points=2000", "application/json"),
]


async def filled(folder):
    """Streams that are long enough for the largest answers."""
    folder.mkdir()
    async with datastream.open(f"sqlite:///{folder}/labmon.db") as store:
        times_ns = START_NS + np.arange(COUNT) * (SECOND_NS // HERTZ)
        for number, path in enumerate(PATHS):
            stream = await store.ensure_stream({"path": path}, {}, ("mean", "min", "max"), "raw")
            values = np.random.default_rng(number).random(COUNT)
            await store.append_array(stream, times_ns, values)


class Greedy(threading.Thread):
    """Asks for as much as an answer may hold, again and again."""

    def __init__(self, server, stopping):
        super().__init__(daemon=True)
        self.server, self.stopping = server, stopping
        self.answers = collections.Counter()

    def run(self):
        while not self.stopping.is_set():
            for query, accept in LARGEST:
                self.answers[self._ask(query, accept)] += 1

    def _ask(self, query, accept):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.request("GET", f"/api/v1/data?{query}", headers={"Accept": accept})
            answer = connection.getresponse()
            answer.read()
        except UNREACHABLE as error:
            self.stopping.wait(0.1)
            return type(error).__name__
        else:
            return answer.status
        finally:
            connection.close()


@pytest.fixture
def limit():
    try:
        made = MemoryLimit(LIMIT_BYTES)
    except OSError as error:
        pytest.skip(f"a memory cgroup can be made by root, and not in every container: {error}")
    yield made
    made.close()


@pytest.fixture
def server(limit, server_process, tmp_path, monkeypatch):
    """A server that is limited from the first moment on."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho $$ >{limit.door}\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    made = server_process(CONFIG)
    asyncio.run(filled(made.data))
    yield made
    made.close()


def test_the_heaviest_questions_fit_into_256_mib(server, limit, tmp_path, until):
    server.start()
    stopping = threading.Event()
    greedy = [Greedy(server, stopping) for _ in range(ASKING)]
    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        until(lambda: len(pusher.acked) > 200 and live.values, what="the load")
        for one in greedy:
            one.start()
        stopping.wait(LOAD_S)
        acked, seen = len(pusher.acked), len(live.values)
        until(lambda: len(pusher.acked) > acked + 20, what="recording going on")
        until(lambda: len(live.values) > seen + 5, what="the live view going on")
        stopping.set()
        for one in greedy:
            one.join(60)
        until(lambda: readiness(server)["ready"], 30, "the recovery")
    answers = sum((one.answers for one in greedy), collections.Counter())
    print(f"{dict(answers)}, at most {limit.peak_mib:.0f} MiB")
    assert set(answers) <= {200, 413, 429, 503}
    assert answers[200] > ASKING
    assert limit.kills == 0
    assert server.process.poll() is None
    watch.check()
    report = pusher.verify()
    assert (report.lost, report.dup, report.extra) == (0, 0, 0)

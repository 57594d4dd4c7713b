"""What goes on while a server is in trouble: readings pushed, a live client, and questions.

Each of them is a thread with a life of its own: `with Pusher(server, acks) as pusher: ...`.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import socket
import threading
import time
from pathlib import Path

from tests.conftest import ServerProcess
from tests.faults.numbered import STREAMS, Report, check, time_ns, value
from tests.faults.others import Others, Standstills

PAGE = 10_000
END_S = 4e9
UNREACHABLE = (OSError, http.client.HTTPException)


class _Worker(threading.Thread):
    """A thread that ends with its block."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.server = server
        self.stopping = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.interrupt()
        self.join(60)
        assert not self.is_alive()

    def interrupt(self) -> None:
        """Wake it from whatever it waits for."""

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=timeout_s)


class Pusher(_Worker):
    """Pushes numbered readings, one request at a time; what is acknowledged goes into a file.

    Args:
        server: may come and go.
        acks: a file on another filesystem than the store, synced after each acknowledgement.
    """

    def __init__(self, server: ServerProcess, acks: Path, batch: int = 20) -> None:
        super().__init__(server)
        self._acks = acks
        self._batch = batch
        self._connection = self.connection(15.0)
        self.next = 0
        self.acked = self._recorded()
        self.answers: list[tuple[int, dict]] = []
        """Status and body of every answer that was no acknowledgement."""

    def _recorded(self) -> set[int]:
        if not self._acks.exists():
            return set()
        pairs = [line.split() for line in self._acks.read_text().splitlines()]
        return {seq for first, end in pairs for seq in range(int(first), int(end))}

    def run(self) -> None:
        with self._acks.open("a") as acks:
            while not self.stopping.is_set():
                seqs = range(self.next, self.next + self._batch)
                self.next = seqs.stop
                try:
                    self._push(self._connection, seqs, acks)
                except (*UNREACHABLE, ValueError, AttributeError):  # cut off, perhaps by ourselves
                    self._connection.close()
                    self.stopping.wait(0.05)
        self._connection.close()

    def _push(self, connection, seqs, acks) -> None:
        body = [
            {"stream": name, "time": time_ns(seq) / 1e9, "value": value(number, seq)}
            for seq in seqs
            for number, name in enumerate(STREAMS)
        ]
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/v1/append", json.dumps(body), headers)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        if reply.status != 200:
            self.answers.append((reply.status, answer))
            return
        assert answer["accepted"] == len(body)
        acks.write(f"{seqs.start} {seqs.stop}\n")
        acks.flush()
        os.fsync(acks.fileno())
        self.acked.update(seqs)

    def acked_or_on_its_way(self) -> set[int]:
        """What is acknowledged, and the one request whose answer may be on its way back."""
        sent = self.next
        return self.acked | set(range(sent - self._batch, sent))

    def _stored(self, name: str) -> list[float]:
        """All values of a stream but gaps; an answer has a limit, so in pieces."""
        values: list[float] = []
        edges = [0.0, *(time_ns(seq) / 1e9 for seq in range(PAGE, self.next + PAGE, PAGE)), END_S]
        for start, end in itertools.pairwise(edges):
            query = f"stream={name}&start={start}&end={end}&granularity=raw"
            columns = self.server.get(f"/api/v1/data?{query}")["streams"][0]
            values += [v for v in columns["v"] if v is not None]
        return values

    def interrupt(self) -> None:
        _cut(self._connection)

    def verify(self, sent: range | None = None, acked: set[int] | None = None) -> Report:
        """I1 to I3, through the public API; call it after the end.

        Args:
            sent: by whomever; all that this one sent if absent.
            acked: what has to be there; all that was acknowledged if absent.
        """
        found = {number: self._stored(name) for number, name in enumerate(STREAMS)}
        needed = dict.fromkeys(found, self.acked if acked is None else acked)
        known = set(range(self.next) if sent is None else sent)
        return check(found, needed, dict.fromkeys(found, known))


class Watch(_Worker):
    """Asks for /healthz twenty times a second, and keeps how long the answers took."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        self.asked: list[tuple[float, float]] = []
        """When it asked, and when it had the answer."""
        self.failures: list[str] = []
        self._others = Others()
        self._standstills = Standstills()

    def __enter__(self):
        self._standstills.start()
        return super().__enter__()

    def __exit__(self, *reason):
        super().__exit__(*reason)
        self._standstills.end()

    def run(self) -> None:
        connection = self.connection(60.0)
        while not self.stopping.wait(0.05):
            began = time.monotonic()
            try:
                connection.request("GET", "/healthz")
                reply = connection.getresponse()
                reply.read()
                assert reply.status == 200
            except (*UNREACHABLE, AssertionError) as error:
                self.failures.append(repr(error))
                connection.close()
            self.asked.append((began, time.monotonic()))
        connection.close()

    def check(self) -> None:
        """I5, where nobody else keeps the machine busy, while it runs at all."""
        assert self.failures == []
        asked = self.asked[:]
        assert asked
        took_s = sorted(
            end - began - self._standstills.within_s(began, end) for began, end in asked
        )
        half_s, most_s = (took_s[int(share * len(took_s))] for share in (0.5, 0.9))
        slowdown = self._others.slowdown()
        print(f"healthz: median {half_s:.4f} s, 90% {most_s:.4f} s, worst {took_s[-1]:.4f} s")
        print(f"beside other programs things may take {slowdown:.2f} times as long")
        assert took_s[-1] < 1.0 * slowdown
        assert most_s < 0.1 * slowdown


class Live(_Worker):
    """A viewer of one stream by server-sent events; counts what it sees."""

    def __init__(self, server: ServerProcess, stream: str) -> None:
        super().__init__(server)
        self._stream = stream
        self._connection = self.connection(20.0)
        self.values: list[float] = []

    def run(self) -> None:
        with contextlib.suppress(*UNREACHABLE, ValueError, AttributeError):
            self._connection.request("GET", f"/api/v1/live?stream={self._stream}")
            with self._connection.getresponse() as reply:
                for line in reply:
                    if self.stopping.is_set():
                        return
                    if line.startswith(b"data:"):
                        self._see(json.loads(line[5:]))
        self._connection.close()

    def _see(self, data) -> None:
        for reading in data.get("readings", ()):
            self.values.append(reading[2])

    def interrupt(self) -> None:
        _cut(self._connection)


def _cut(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that waits on a connection; closing it is left to that one."""
    sock = connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def memory_mib(server: ServerProcess) -> float:
    """I6: what the process holds in memory."""
    assert server.process is not None
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def metric(server: ServerProcess, name: str) -> float:
    """One of the server's own counters."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def lag_p90_s(server: ServerProcess) -> float:
    """I5: the bound below which the event loop's lag stays in 9 of 10 cases, since the start.

    Not more: it is measured a few times a second, and a machine may stand for a moment.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    found = re.findall(r'^labmon_loop_lag_seconds_bucket\{le="(.+)"\} (\d+)', text, re.MULTILINE)
    total = int(found[-1][1])
    print("loop lag:", ", ".join(f"{count} within {bound} s" for bound, count in found))
    enough = total - max(2, total // 10)
    return next(float(bound) for bound, count in found if int(count) >= enough)


def readiness(server: ServerProcess) -> dict:
    """What /readyz says, whatever its status."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/readyz")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()

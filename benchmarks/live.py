"""What a live delivery costs: labmon beside tornadose, write_message, websockets and epoll in C.

The viewers are one process in C, and every message carries the moment at which it was published.
The trap: CPU is that of the whole server process, so whatever runs beside counts as well.
"""

import asyncio
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgpack
import psutil

from benchmarks.rounds import Spread, arguments, interleaved, number, ratios, report, table
from benchmarks.serving import LoopLag

FOLDER = Path(__file__).resolve().parent / "fanout"
PYTHON = (sys.executable, "-m", "benchmarks.fanout.servers")
BYTES = 240
EVERY_NS = 50_000_000
FULL_SPEED_S = 0.12
PATIENCE_S = 30
TRANSPORTS = ("ws", "sse")
TITLES = {
    "labmon": "labmon",
    "tornadose": "tornadose",
    "write_message": "Tornado loop",
    "websockets": "websockets.broadcast",
    "python": "sends in Python",
    "c": "epoll in C",
}
METHOD = (
    "{messages} messages of about {bytes} bytes, one every {every} ms, to every client; then as "
    "many as go out in {burst} s, one behind the other. CPU is that of the whole server process, "
    "in seconds for a million deliveries, at this pace and at full speed; latency is from "
    "publishing to the receiving process, over all clients, at this pace; memory is the resident "
    "size. TCP_NODELAY everywhere, no compression, viewers in a process of their own in C. labmon "
    "is the whole server (hub, recorder, store in memory) and tells the numbers of a poll, which "
    "it records and encodes each time; its batching of 20 ms is off, so that all send the same "
    "number of frames; a Tornado loop is `write_message`, or `write` and `flush` for SSE; sends "
    "in Python are the least that Python can do: one `send` for each client."
)


class Contender:
    """One server process, and who speaks to it."""

    def __init__(self, name, transport, programs):
        self.name, self.transport = name, transport
        is_c = name == "c"
        command = (programs / "epoll_server", transport) if is_c else (*PYTHON, name)
        self.process = subprocess.Popen(
            [*command, str(BYTES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())
        self._load = programs / "load"
        self.lag = LoopLag() if name == "labmon" else None
        self._clock = (~self.process.pid << 3) | 2  # the CPU clock of another process

    def cpu_ns(self):
        return time.clock_gettime_ns(self._clock)

    def publish(self, count, every_ns):
        """Returns once the server has published so many."""
        self.process.stdin.write(f"publish {count} {every_ns}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def watch(self, clients):
        return Viewers([self._load, self.port, clients, *greeting(self.name, self.transport)])

    def settle(self):
        """Wait until the server has noticed that its clients are gone."""
        before = self.cpu_ns()
        while True:
            time.sleep(0.02)  # noqa: TID251 - idle means that nothing is used in a span of time
            now = self.cpu_ns()
            if now - before < 500_000:
                return
            before = now

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Viewers:
    """The load process: so many connections that count what they get."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, word):
        """count, bytes, p50, p99, max, time of the last; times in ns."""
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return [int(text) for text in self.process.stdout.readline().split()]

    def received(self, count):
        """The report once so many deliveries have come."""
        deadline = time.monotonic() + PATIENCE_S
        while (report := self.ask("report"))[0] < count:
            assert time.monotonic() < deadline, f"{report[0]} of {count} deliveries came"
            time.sleep(0.005)  # noqa: TID251 - the reports cost the viewers time
        return report

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def greeting(name, transport, glob="lab/*"):
    """The request of each viewer, what it sends behind the answer, what the marks look like."""
    is_labmon = name == "labmon"
    if transport == "sse":
        path = f"/api/v1/live?stream={glob}" if is_labmon else "/sse"
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        return request, "-", "json" if is_labmon else "digits"
    path, protocol, first = "/ws", "", "-"
    if is_labmon:
        path, protocol = "/api/v1/ws", "Sec-WebSocket-Protocol: labmon.v1.msgpack\r\n"
        message = msgpack.packb({"type": "subscribe", "id": 1, "streams": [glob]})
        first = (struct.pack("!BB4x", 0x82, 0x80 | len(message)) + message).hex()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Version: 13\r\n{protocol}\r\n"
    )
    return request, first, "msgpack" if is_labmon else "digits"


def run(contender, clients, messages):
    """One measurement: what is in a row of the table."""
    if contender.lag:
        contender.lag.begin(contender.port)  # from before they come until after they have gone
    viewers = contender.watch(clients)
    try:
        warm_up(contender, viewers, clients)
        begin_ns = contender.cpu_ns()
        contender.publish(messages, EVERY_NS)
        count, size, p50, p99, _most, _last = viewers.received(messages * clients)
        used_ns = contender.cpu_ns() - begin_ns
        memory = psutil.Process(contender.process.pid).memory_info().rss
        cpu = used_ns / count
        burst = max(5, min(100, int(FULL_SPEED_S * 1e9 / cpu / clients)))
        viewers.ask("reset")
        begin_ns, begin_cpu_ns = time.monotonic_ns(), contender.cpu_ns()
        contender.publish(burst, 0)
        *_, last_ns = viewers.received(burst * clients)
        used_ns = contender.cpu_ns() - begin_cpu_ns
    finally:
        viewers.close()
        contender.publish(2, 0)  # some notice only when they write
        contender.settle()
    if contender.lag:
        contender.lag.end(contender.port)
    return {
        "cpu": cpu / 1e3,
        "busy": used_ns / burst / clients / 1e3,
        "rate": burst * clients / (last_ns - begin_ns) * 1e9,
        "p50": p50 / 1e6,
        "p99": p99 / 1e6,
        "memory": memory / 1e6,
        "bytes": size / count,
    }


def warm_up(contender, viewers, clients):
    """Publish until everybody gets it: a subscription takes a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        contender.publish(1, 0)
        begin = time.monotonic()
        while time.monotonic() < begin + 0.5:
            if viewers.ask("report")[0] >= clients:
                contender.settle()
                viewers.ask("reset")
                return
        viewers.ask("reset")
        assert time.monotonic() < deadline, f"{contender.name}: not all clients get messages"


def build(folder):
    """The two programs in C.

    Raises:
        SystemExit: there is no compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("a C compiler is needed: the package gcc has one")
    for name in ("load", "epoll_server"):
        source = FOLDER / f"{name}.c"
        subprocess.run([compiler, "-O2", "-o", folder / name, source], check=True)


def rows_of(found, transport, clients, names):
    """The rows of one transport and number of clients; ratios within each round."""
    cpu, busy = (
        {name: [each[key] for each in found[name, transport, clients]] for name in names}
        for key in ("cpu", "busy")
    )
    for name in names:
        rounds = found[name, transport, clients]
        column = {key: Spread([each[key] for each in rounds]) for key in rounds[0]}
        yield [
            transport,
            clients,
            TITLES[name],
            column["cpu"],
            "" if name == "labmon" else ratios(cpu[name], cpu["labmon"]),
            column["busy"],
            "" if name == "labmon" else ratios(busy[name], busy["labmon"]),
            number(column["rate"].median / 1e3),
            column["p50"],
            column["p99"],
            number(column["memory"].median),
            f"{column['bytes'].median:.0f}",
        ]


async def measured(chosen, contenders, sizes):
    """All rounds: (name, transport, clients) -> [measurement]."""

    def one(contender, clients):
        async def once(_turn):
            return run(contender, clients, int(chosen.messages))

        return once

    return await interleaved(
        chosen.rounds,
        {
            (name, transport, clients): one(contender, clients)
            for clients in sizes
            for (name, transport), contender in contenders.items()
        },
    )


def main():
    chosen = arguments(__doc__, messages=(30, 5), clients=(1000, 20))
    most = int(chosen.clients)
    sizes = (most,) if chosen.quick else (most // 10, most // 2, most)
    left_out = {("websockets", "sse")}
    names = [name for name in TITLES if name not in chosen.without.split(",")]
    contenders = {}
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        try:
            for name in names:
                for transport in TRANSPORTS:
                    if (name, transport) not in left_out:
                        made = Contender(name, transport, Path(folder))
                        contenders[name, transport] = made
            found = asyncio.run(measured(chosen, contenders, sizes))
        finally:
            for contender in contenders.values():
                contender.close()
    lags = {transport: contenders["labmon", transport].lag for transport in TRANSPORTS}
    rows = [
        row
        for transport in TRANSPORTS
        for clients in sizes
        for row in rows_of(
            found, transport, clients, [name for name in names if (name, transport) in contenders]
        )
    ]
    head = ["over", "clients", "server", "CPU, s per million", "of labmon's"]
    head += ["at full speed", "of labmon's"]
    head += ["thousand/s", "p50, ms", "p99, ms", "MB", "bytes"]
    method = METHOD.format(
        messages=int(chosen.messages), bytes=BYTES, every=EVERY_NS // 1_000_000, burst=FULL_SPEED_S
    )
    peers = [name for name in ("tornadose", "websockets") if name in names]
    body = table(head, rows) + "".join(
        f"\n\nOver {transport}, labmon's event loop was late by at most {lag.bound_ms():g} ms in"
        f" 99% of {lag.total} measurements, from before the viewers come until they have gone."
        " Goal: 20 ms."
        for transport, lag in lags.items()
    )
    report("live", method, body, chosen, "tornado", *peers)


if __name__ == "__main__":
    main()

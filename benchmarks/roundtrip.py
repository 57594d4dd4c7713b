"""How long a reading and a command take through everything: one client, idle and under load."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.line import Line, Posts
from benchmarks.rounds import Spread, arguments, number, ratios, report, table
from benchmarks.serving import LoopLag, Serving

METHOD = """\
One client on the same machine. A reading: from `poll()` returning it on the thread of its device,
{hertz:g} times a second, to the last byte of the WebSocket message that carries it. A command: from
sending the request to the last byte of the reply, one every {pause:g} ms; it is checked, leased,
audited, carried out on the thread of the device, and its audit record is a reading, too. labmon is
`labmon serve` on SQLite, its batching of 20 ms on; Tornado alone does the same with nothing around
it ([bare_tornado.py](../benchmarks/processes/bare_tornado.py)). {count} of each in every round.
Under load: another process on the same two cores pushes {readings:,} readings a second in 10
requests, which are recorded, and asks for {graphs} graphs a second. Times are p50 / p99; a p50 is
the median of the rounds (least-most), a p99 is that of all of them."""

PERIOD_S = 0.05
PAUSE_S = 0.025
READINGS_PER_S = 10_000
GRAPHS_PER_S = 20
DRIVER = "benchmarks.bench_driver:Stopwatch"
DEVICES = f"devices:\n  stopwatch: {{driver: {DRIVER}, period_s: {PERIOD_S:g}}}\n"
GOALS = {"a reading": "0.5 / 2", "a command, WebSocket": "1 / 5", "a command, POST /rpc": "1 / 5"}
FOLDER = Path(__file__).resolve().parent


def readings(port, count):
    """Milliseconds from the poll to the client."""
    line = Line(port, "/api/v1/ws", "labmon.v1.json")
    line.send({"type": "subscribe", "id": 1, "streams": ["stopwatch/at"]})
    took = []
    while len(took) < count + 1:
        at, message = line.receive()
        if message["type"] == "readings":
            took += [1000 * (at - value) for _, _, value, _ in message["readings"]]
    line.close()
    return took[1:]


def request(number):
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": "stopwatch.echo",
        "params": {"seconds": float(number)},
    }


def commands_over_websocket(port, count):
    """Milliseconds of each."""
    line = Line(port, "/api/v1/ws", "labmon.v1.json")
    took = []
    for asked in range(count):
        begin = time.monotonic()
        line.send(request(asked))
        while True:
            at, message = line.receive()
            if message.get("id") == asked and "jsonrpc" in message:
                break
        assert message["result"] == asked, message
        took.append(1000 * (at - begin))
        time.sleep(PAUSE_S)  # noqa: TID251 - the pace at which commands come
    line.close()
    return took


def commands_over_http(port, count):
    """Milliseconds of each."""
    connection = Posts(port)
    took = []
    for asked in range(count):
        body = json.dumps(request(asked)).encode()
        begin = time.monotonic()
        at, reply = connection.ask("/rpc", body)
        took.append(1000 * (at - begin))
        assert json.loads(reply)["result"] == asked, reply
        time.sleep(PAUSE_S)  # noqa: TID251 - the pace at which commands come
    connection.close()
    return took


ASKED = dict(zip(GOALS, (readings, commands_over_websocket, commands_over_http), strict=True))


@contextlib.contextmanager
def process(*command):
    """A module of ours that runs meanwhile."""
    words = [sys.executable, "-m", *map(str, command)]
    started = subprocess.Popen(words, cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def measured(chosen, ports, lags):
    """(what, server) -> [[milliseconds] of each round]."""
    found = {(what, name): [] for what in ASKED for name in (*ports, "under load")}
    count = int(chosen.count)

    def take(name, port):
        lag = lags.get(name)
        if lag:
            lag.begin(port)
        for what, ask in ASKED.items():
            found[what, name].append(ask(port, count))
        if lag:
            lag.end(port)

    for _ in range(chosen.rounds):
        for name, port in ports.items():
            take(name, port)
        load = (ports["labmon"], READINGS_PER_S, GRAPHS_PER_S)
        with process("benchmarks.processes.busy", *load) as busy:
            take("under load", ports["labmon"])
            assert busy.poll() is None, "the load ended"
    return found


def rows_of(found, names):
    for what, goal in GOALS.items():
        p50 = {name: [np.median(each) for each in found[what, name]] for name in names}
        cells = []
        for name in names:
            everything = np.concatenate(found[what, name])
            cells.append(f"{Spread(p50[name])} / {number(np.percentile(everything, 99))}")
        yield [what, goal, *cells, ratios(p50["labmon"], p50["Tornado alone"])]


def main():
    chosen = arguments(__doc__, count=(200, 5))
    lags = {"labmon": LoopLag(), "under load": LoopLag()}
    with (
        tempfile.TemporaryDirectory(dir=chosen.folder) as folder,
        Serving(folder, DEVICES) as server,
        process("benchmarks.processes.bare_tornado", PERIOD_S) as bare,
    ):
        ports = {"labmon": server.port, "Tornado alone": int(bare.stdout.readline())}
        found = measured(chosen, ports, lags)
    names = ["labmon", "under load", "Tornado alone"]
    head = ["ms", "goal", "labmon", "labmon under load", "Tornado alone"]
    body = table([*head, "labmon to Tornado alone"], rows_of(found, names))
    idle, loaded = (lags[name] for name in ("labmon", "under load"))
    method = METHOD.format(
        hertz=1 / PERIOD_S,
        pause=1000 * PAUSE_S,
        count=int(chosen.count),
        readings=READINGS_PER_S,
        graphs=GRAPHS_PER_S,
    )
    late = (
        f"\n\nThe event loop was late by at most {idle.bound_ms():g} ms in 99% of {idle.total}"
        f" measurements, and under load by at most {loaded.bound_ms():g} ms in 99% of"
        f" {loaded.total}. Goal: 20 ms."
    )
    report("roundtrip", method, body + late, chosen, "tornado")


if __name__ == "__main__":
    main()

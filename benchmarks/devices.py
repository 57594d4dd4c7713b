"""How punctually many devices are polled, and what a poll costs: a whole server in one process.

Late is a poll that begins, on the device's own thread, after its deadline. The trap: a deadline
that was missed altogether has no lateness, so it counts as one that was not kept.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.rounds import Spread, arguments, interleaved, number, report, table
from benchmarks.serving import LoopLag
from labmon import config
from labmon.app import App
from labmon.device import Channel, Driver
from labmon.device.health import Health
from labmon.turns import new_event_loop

PERIOD_S = 0.1
GOAL_S = 0.02
PATIENCE_S = 30
CONFIG = """\
server: {{port: 0}}
data_dir: {folder}
devices:
{devices}
"""
KINDS = {
    "four values": "{driver: 'benchmarks.devices:FourValues', period_s: 0.1}",
    "a line of text": "{driver: serial_line, port: 'sim://gauge', period_s: 0.1,"
    ' request: "PR?\\r\\n", channels: {chamber: {}, foreline: {}, loadlock: {}}}',
}
METHOD = (
    "Each device is polled ten times a second for {seconds:g} s by a whole server: pollers, hub,"
    " recorder, SQLite with a commit every 100 ms, web server without viewers, all in one process"
    " of Python. *Four values* come from a driver that does nothing else; *a line of text* is"
    " asked for over `sim://`, with three values in it. A deadline is kept if the poll begins"
    " within 20 ms of it; one that was missed counts as not kept. CPU is that of the process."
    " Goal: 100 devices keep 99%."
)


class FourValues(Driver):
    """Answers at once."""

    a, b, c, d = (Channel() for _ in range(4))

    def poll(self):
        return {"a": 1.0, "b": 2.0, "c": 3.0, "d": time.monotonic()}


class Punctuality:
    """Sees every poll of every device."""

    def __init__(self):
        self.late_s = []
        told = Health.polled

        def polled(health, late_s, took_s):
            self.late_s.append(late_s)
            told(health, late_s, took_s)

        Health.polled = polled
        self._told = told

    def close(self):
        Health.polled = self._told


async def run(kind, count, seconds, lag):
    """One measurement: what is in a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        devices = "\n".join(f"  device{i}: {KINDS[kind]}" for i in range(count))
        path.write_text(CONFIG.format(folder=folder, devices=devices))
        app, punctuality = App(config.load(path)), Punctuality()
        try:
            await app.start()
            await all_online(app)
            port = int(app.address.rpartition(":")[2])
            await asyncio.to_thread(lag.begin, port)
            row = await measured(app, punctuality, seconds)
            await asyncio.to_thread(lag.end, port)
            return row
        finally:
            punctuality.close()
            await app.stop()


async def all_online(app):
    async with asyncio.timeout(PATIENCE_S):
        for device in app.devices.values():
            while device.state != "online":  # noqa: ASYNC110 - nothing announces it to us
                await asyncio.sleep(0.02)
    await asyncio.sleep(10 * PERIOD_S)


async def measured(app, punctuality, seconds):
    missed, used_s = missed_by(app), time.process_time()
    punctuality.late_s.clear()
    await asyncio.sleep(seconds)
    while not punctuality.late_s:  # noqa: ASYNC110 - a machine that stood still has polled nothing
        await asyncio.sleep(PERIOD_S)
    late_s = np.array(punctuality.late_s)
    used_s = time.process_time() - used_s
    missed = missed_by(app) - missed
    return {
        "polls": len(late_s),
        "kept": 100 * np.count_nonzero(late_s <= GOAL_S) / (len(late_s) + missed),
        "p50": 1e3 * np.quantile(late_s, 0.5),
        "p99": 1e3 * np.quantile(late_s, 0.99),
        "most": 1e3 * late_s.max(),
        "missed": missed,
        "cpu": 100 * used_s / seconds,
        "poll": 1e6 * used_s / len(late_s),
    }


def missed_by(app):
    return sum(device.status()["missed"] for device in app.devices.values())


def row_of(kind, count, rounds):
    column = {key: Spread([each[key] for each in rounds]) for key in rounds[0]}
    least = f"{min(column['kept'].values):.2f}"
    kept = f"{column['kept'].median:.2f}" + (f" (least {least})" if len(rounds) > 1 else "")
    lateness = [column["p50"], column["p99"], column["most"]]
    costs = [number(column["cpu"].median), number(column["poll"].median)]
    return [kind, count, number(column["polls"].median), kept, *lateness, column["missed"], *costs]


def main():
    chosen = arguments(__doc__, devices=(100, 5), seconds=(10, 1))
    most = int(chosen.devices)
    sizes, lag = (most,) if chosen.quick else (most // 10, most), LoopLag()

    def one(kind, count):
        async def once(_turn):
            return await run(kind, count, chosen.seconds, lag)

        return once

    runs = {(kind, count): one(kind, count) for kind in KINDS for count in sizes}
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        found = runner.run(interleaved(chosen.rounds, runs))
    rows = [row_of(kind, count, rounds) for (kind, count), rounds in found.items()]
    head = ["a poll gives", "devices", "polls", "kept, %", "late p50, ms"]
    head += ["p99, ms", "most, ms", "missed", "CPU, % of a core", "µs a poll"]
    body = f"{table(head, rows)}\n\n{lag}"
    report("devices", METHOD.format(seconds=chosen.seconds), body, chosen, "tornado")


if __name__ == "__main__":
    main()

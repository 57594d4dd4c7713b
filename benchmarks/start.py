"""How long until the server is ready: with nothing on disk, with a year, and after a crash."""

import asyncio
import tempfile
from pathlib import Path

from benchmarks.asking import forget_pages
from benchmarks.queries import Data, filled
from benchmarks.rounds import Spread, arguments, report, table
from benchmarks.serving import Serving
from benchmarks.stores import CONTENDERS

METHOD = """\
From the start of the process, the interpreter included, until `GET /readyz` says that readings are
recorded: `labmon serve` with a simulated wavemeter, on an empty folder, and on the store of the
benchmark `queries` ({hours:g} h of 40 streams, {days:g} days of one at 1 Hz). Cold: its files were
dropped from the memory of the system before. After a crash: the server before was killed while it
recorded. Goal: 2 s with a year of data."""

DEVICES = "devices:\n  laser: {driver: simulated_wavemeter, period_s: 0.1}\n"


def ready_s(folder, *, crash=False):
    """One start; (seconds, MB)."""
    server = Serving(folder, DEVICES)
    found = server.ready_s, server.resident_mb
    server.kill() if crash else server.stop()
    return found


def measured(chosen, full):
    """Row -> [(seconds, MB) of each round]."""
    found = {name: [] for name in ("nothing", "a year", "a year, cold", "a year, after a crash")}
    for _ in range(chosen.rounds):
        with tempfile.TemporaryDirectory(dir=chosen.folder) as empty:
            found["nothing"].append(ready_s(Path(empty)))
        found["a year"].append(ready_s(full))
        forget_pages(full)
        found["a year, cold"].append(ready_s(full, crash=True))
        found["a year, after a crash"].append(ready_s(full))
    return found


def main():
    chosen = arguments(__doc__, hours=(25, 0.1), days=(365, 0.1))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        asyncio.run(filled(Data(chosen.hours, chosen.days), [CONTENDERS["labmon"]], folder))
        found = measured(chosen, Path(folder))
    rows = [
        [name, *(Spread(column) for column in zip(*rounds, strict=True))]
        for name, rounds in found.items()
    ]
    method = METHOD.format(hours=chosen.hours, days=chosen.days)
    report("start", method, table(["on disk", "ready after, s", "MB"], rows), chosen)


if __name__ == "__main__":
    main()

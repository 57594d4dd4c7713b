"""What `labmon export` and `labmon import` take for a year at 1 Hz, in each format."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.lab_data import year
from benchmarks.rounds import Spread, arguments, interleaved, number, report, table
from benchmarks.stores import Labmon

METHOD = """\
A stream of {days:g} days at 1 Hz ({count:,} temperatures, times with a jitter at whole
microseconds, rollups of mean, deviation, minimum and maximum) in a store on SQLite, written into a
file by `labmon export`, and put from there into a new store by `labmon import`. Each is a process
of its own, timed from its start to its end, when all of it is durable. CPU is that of all its
threads, user and system; memory its greatest resident size. The formats take turns, three rounds at
most, because each of them writes {written:.2g} GB of files. Goal: well under a minute."""

FORMATS = ("csv", "jsonl", "parquet")
PATH = "thermometer/ch1"


async def filled(folder, days):
    """Make the store; returns how many datapoints it has."""
    store = await Labmon(folder).open([PATH])
    count = 0
    for t, v in year(days):
        await store.take_columns(0, t, v)
        count += len(t)
    await store.commit()
    await store.close()
    return count


def run(*words):
    """(seconds, CPU seconds, MB at most) of one command of labmon."""
    command = [sys.executable, "-m", "labmon", *map(str, words)]
    with tempfile.TemporaryFile() as told:
        start_s = time.perf_counter()
        process = subprocess.Popen(command, stdout=told, stderr=told)
        _, status, used = os.wait4(process.pid, 0)
        took_s = time.perf_counter() - start_s
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"labmon {words[0]}: {told.read().decode()}")
    return took_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def there_and_back(store, folder, kind, sizes):
    """What export and import take in one format; what they write is removed."""

    async def once(_):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place) / f"year.{kind}"
            exported = run("export", "--store", store, "--output", path)
            sizes[kind] = path.stat().st_size
            return exported, run("import", "--store", Path(place) / "new.db", path)

    return once


async def measured(chosen):
    """(count of datapoints, format -> bytes, format -> [(export, import) of each round])."""
    sizes = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        count = await filled(folder, chosen.days)
        store = Path(folder) / "labmon" / "labmon.db"
        used = [kind for kind in FORMATS if kind not in chosen.without.split(",")]
        contenders = {kind: there_and_back(store, folder, kind, sizes) for kind in used}
        return count, sizes, await interleaved(chosen.rounds, contenders)


def main():
    chosen = arguments(__doc__, days=(365, 0.5))
    chosen.rounds = min(chosen.rounds, 3)
    count, sizes, found = asyncio.run(measured(chosen))
    rows = []
    for i, what in enumerate(("export", "import")):
        for kind, rounds in found.items():
            columns = zip(*(both[i] for both in rounds), strict=True)
            rows.append([what, kind, *map(Spread, columns), number(sizes[kind] / count)])
    method = METHOD.format(days=chosen.days, count=count, written=sum(sizes.values()) / 1e9)
    head = ["", "format", "seconds", "CPU, s", "memory, MB", "bytes a datapoint in the file"]
    report("transfer", method, table(head, rows), chosen, "numpy", "orjson", "pyarrow")


if __name__ == "__main__":
    main()

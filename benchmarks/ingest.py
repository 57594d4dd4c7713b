"""How many datapoints a second become durable: live, and as a bulk import with rollups."""

import asyncio
import gc
import os
import tempfile
import time
from statistics import median

from benchmarks.lab_data import PER_SECOND, Laboratory
from benchmarks.rounds import Spread, arguments, interleaved, number, ratios, report, table
from benchmarks.stores import CONTENDERS, NUMBERS

METHOD = """\
40 streams interleaved in the order of time, as fast as each contender takes them, into a new file
each time. Everybody commits after the same datapoints and goes on when they are on disk (SQLite:
WAL, `synchronous=FULL`; DuckDB: its WAL with fsync; labmon: its default). Live, everything starts
from Python numbers, as drivers give them; SQLite takes them with `executemany` into a table
clustered by stream and time, DuckDB as numpy columns made for each commit (single rows would take
it 2 ms each), labmon as one batch for each poll, as the recorder does (`append_batch_now`). labmon
compresses and makes rollups meanwhile, the others do not; what it has not sealed when the last
commit returns is in its journal. What is fed is kept from Python's garbage collector, which would
go through all of it for whoever makes objects. Bulk: columns in chunks of up to 65,536 datapoints
of a stream; labmon's time includes all blocks and rollups, the others store rows alone. After the
speed stands the CPU time of one datapoint, on all threads. One fdatasync of 8 KiB takes {sync} ms
here."""


async def fed(contender, groups, take, folder):
    """(seconds, CPU seconds) of one contender for groups that are committed one by one."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = await contender(place).open()
        gc.collect()
        gc.freeze()  # what is fed would be gone through again whenever somebody makes objects
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        for group in groups:
            await take(store, group)
            await store.commit()
        took = time.perf_counter() - start_s, time.process_time() - start_cpu_s
        gc.unfreeze()
        await store.close()
    return took


async def compared(chosen, what, count, groups, take):
    """A row of the table: datapoints a second of each contender, and how they compare."""

    def runner(contender):
        return lambda _: fed(contender, groups, take, chosen.folder)

    used = {n: c for n, c in CONTENDERS.items() if n not in chosen.without.split(",")}
    found = await interleaved(chosen.rounds, {n: runner(c) for n, c in used.items()})
    speeds = {name: Spread([count / s / 1000 for s, _ in took]) for name, took in found.items()}
    cells = {
        name: f"{speeds[name]}; {number(1e6 * median(cpu_s for _, cpu_s in took) / count, 2)} µs"
        for name, took in found.items()
    }
    ours = speeds["labmon"].values
    others = [speed for name, speed in speeds.items() if name != "labmon"]
    row = [what, *(cells.get(name, "") for name in CONTENDERS)]
    return [*row, *(ratios(ours, other.values) for other in others)]


def grouped(values, size):
    """A list in pieces of one size."""
    return [values[i : i + size] for i in range(0, len(values), size)]


async def take_polls(store, polls):
    await store.take_polls(polls)


async def take_readings(store, readings):
    await store.take_readings(readings)


async def take_arrays(store, arrays):
    for number_, t, v in arrays:
        await store.take_columns(number_, t, v)


async def take_devices(store, devices):
    """Columns of all channels of some devices; those of one device at the same time."""
    for arrays in devices:
        await asyncio.gather(*(store.take_columns(*array) for array in arrays))


def arrays_of_minutes(minutes):
    """For each minute the (number, t, v) of all streams."""
    found = [[] for _ in range(minutes)]
    for device, parts in Laboratory(is_shared=False).chunks(minutes * 60):
        size = 60 * device.hertz
        for stream, (t, v) in zip(NUMBERS[device.name], parts, strict=True):
            for minute in range(len(t) // size):
                piece = slice(minute * size, (minute + 1) * size)
                found[minute].append((stream, t[piece], v[piece]))
    return found


def devices_whole(seconds):
    """For each chunk of a device the (number, t, v) of its streams."""
    return [
        [(n, t, v) for n, (t, v) in zip(NUMBERS[device.name], parts, strict=True)]
        for device, parts in Laboratory(is_shared=False).chunks(seconds)
    ]


def sync_ms(folder):
    """What making 8 KiB durable costs, in the middle of 50."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(50):
            os.write(file.fileno(), bytes(8192))
            start_s = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1000 * (time.perf_counter() - start_s))
    return median(took)


def polls_by_device(seconds):
    """(name of the device, time, values) of each poll."""
    polls = Laboratory(is_shared=True).polls(seconds)
    return [(device.name, time_ns, values) for device, time_ns, values in polls]


async def measured(chosen):
    """The rows of the table."""
    minutes, seconds = int(chosen.minutes), int(chosen.seconds)
    polls = polls_by_device(60 * minutes)
    each_minute = grouped(polls, len(polls) // minutes)
    few = polls_by_device(seconds)
    each_second = grouped(few, len(few) // seconds)
    readings = Laboratory(is_shared=False).readings(60 * minutes)
    singly = grouped(readings, 60 * PER_SECOND)
    total, bulk_s = 60 * minutes * PER_SECOND, int(3600 * chosen.hours)
    minute, second = f"{60 * PER_SECOND:,}", f"{PER_SECOND:,}"
    return [
        await compared(
            chosen, f"live, polls, a commit every {minute}", total, each_minute, take_polls
        ),
        await compared(
            chosen,
            f"live, polls, a commit every {second}",
            seconds * PER_SECOND,
            each_second,
            take_polls,
        ),
        await compared(
            chosen, f"live, a time each, a commit every {minute}", total, singly, take_readings
        ),
        await compared(
            chosen,
            f"live, arrays of a minute, a commit every {minute}",
            total,
            arrays_of_minutes(minutes),
            take_arrays,
        ),
        await compared(
            chosen,
            "bulk import, a time each",
            bulk_s * PER_SECOND,
            [devices_whole(bulk_s)],
            take_devices,
        ),
    ]


def main():
    chosen = arguments(__doc__, minutes=(60, 2), seconds=(900, 5), hours=(3, 0.2))
    rows = asyncio.run(measured(chosen))
    head = ["thousand datapoints/s", "labmon", "SQLite rows", "DuckDB", "to SQLite", "to DuckDB"]
    method = METHOD.format(sync=number(sync_ms(chosen.folder)))
    report("ingest", method, table(head, rows), chosen, "pcodec", "numpy", "duckdb")


if __name__ == "__main__":
    main()

"""Bytes for each datapoint on disk, rollups included, with times of their own and shared ones."""

import asyncio
import tempfile

from benchmarks.ingest import take_devices
from benchmarks.lab_data import PATHS, PER_SECOND, Laboratory
from benchmarks.rounds import arguments, number, report, table
from benchmarks.stores import CONTENDERS, NUMBERS
from labmon.datastream import Granularity

METHOD = """\
{hours:g} h of 40 streams ({count:,} datapoints), imported device by device into a new file; then
the file is closed, and all files of the store are counted: also what labmon keeps of its journal,
and what is free in them. labmon's rollups are in it (`mean`, `min`, `max`, `std_dev`, `count`,
first and last), at the levels that pay: {levels}. SQLite: rows clustered by stream and time,
without any index beside, after a checkpoint of its WAL. DuckDB: rows in the order of stream and
time, without an index, after CHECKPOINT. The sizes come out the same each time."""


async def sized(contender, seconds, is_shared, folder):
    """(bytes of all files, a word about the levels) of one contender."""
    levels = ""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = await contender(place).open()
        for device, parts in Laboratory(is_shared).chunks(seconds):
            numbered = zip(NUMBERS[device.name], parts, strict=True)
            await take_devices(store, [[(n, t, v) for n, (t, v) in numbered]])
            await store.commit()
        if store.name == "labmon":
            levels = stored_levels(store.streams)
        await store.close()
        return store.size(), levels


def stored_levels(streams):
    """Up to where the first stream of 10 Hz and one of 1 Hz are rolled up, in words."""
    words = []
    for path, rate in ((PATHS[0], "10 Hz"), (PATHS[-1], "1 Hz")):
        until = streams.describe(streams.stream_id(path))["downsampled_until"]
        stored = [Granularity.find(name).name for name, time_ns in until.items() if time_ns]
        words.append(f"{rate}: {', '.join(stored) or 'none'}")
    return "; ".join(words)


async def measured(chosen):
    """(rows of the table, the word about levels)."""
    seconds = int(3600 * chosen.hours)
    count = seconds * PER_SECOND
    rows, levels = [], ""
    for is_shared, what in ((False, "a time of its own"), (True, "shared by a device")):
        sizes = {}
        for name, contender in CONTENDERS.items():
            if name not in chosen.without.split(","):
                size, words = await sized(contender, seconds, is_shared, chosen.folder)
                sizes[name] = size / count
                levels = words or levels
        ours = sizes["labmon"]
        others = [number(ours / sizes[name]) for name in CONTENDERS if name in sizes][1:]
        rows.append([what, *(number(sizes[n]) if n in sizes else "" for n in CONTENDERS), *others])
    return rows, levels


def main():
    chosen = arguments(__doc__, hours=(24, 0.5))
    chosen.rounds = 1
    rows, levels = asyncio.run(measured(chosen))
    head = ["bytes a datapoint", "labmon", "SQLite rows", "DuckDB", "to SQLite", "to DuckDB"]
    count = int(3600 * chosen.hours) * PER_SECOND
    method = METHOD.format(hours=chosen.hours, count=count, levels=levels)
    report("size", method, table(head, rows), chosen, "pcodec", "duckdb")


if __name__ == "__main__":
    main()

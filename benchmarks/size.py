"""Bytes for each datapoint on disk, rollups included, with times of their own and shared ones."""

import asyncio
import tempfile

from benchmarks.ingest import take_devices
from benchmarks.lab_data import PER_SECOND, Laboratory
from benchmarks.rounds import arguments, number, report, table
from benchmarks.stores import CONTENDERS, NUMBERS

METHOD = """\
{hours:g} h of 40 streams ({count:,} datapoints), imported device by device into a new file; then
the file is closed, and all files of the store are counted, with what is free in them (labmon's
reserve for a full disk, 4 MiB for any store, is not). labmon's rollups are in it (mean, deviation,
minimum, maximum, sum, count, first and last value, and where they lie in time). SQLite: rows
clustered by stream and time, without any index beside, after VACUUM and a checkpoint of its WAL.
DuckDB: rows in the order of stream and time, without an index, after CHECKPOINT. The sizes come out
the same each time, so there is one round."""


async def sized(contender, seconds, is_shared, folder):
    """Bytes of all files of one contender."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = await contender(place).open()
        for device, parts in Laboratory(is_shared).chunks(seconds):
            numbered = zip(NUMBERS[device.name], parts, strict=True)
            await take_devices(store, [[(n, t, v) for n, (t, v) in numbered]])
            await store.commit()
        await store.pack()
        await store.close()
        return store.size()


async def measured(chosen):
    """The rows of the table."""
    seconds = int(3600 * chosen.hours)
    count = seconds * PER_SECOND
    used = {n: c for n, c in CONTENDERS.items() if n not in chosen.without.split(",")}
    rows = []
    for is_shared, what in ((False, "a time of its own"), (True, "shared by a device")):
        sizes = {
            name: await sized(contender, seconds, is_shared, chosen.folder) / count
            for name, contender in used.items()
        }
        row = [what, *(number(sizes[name]) if name in sizes else "" for name in CONTENDERS)]
        others = [size for name, size in sizes.items() if name != "labmon"]
        rows.append([*row, *(number(sizes["labmon"] / size) for size in others)])
    return rows


def main():
    chosen = arguments(__doc__, hours=(12, 0.5))
    chosen.rounds = 1
    rows = asyncio.run(measured(chosen))
    head = ["bytes a datapoint", "labmon", "SQLite rows", "DuckDB", "of SQLite", "of DuckDB"]
    count = int(3600 * chosen.hours) * PER_SECOND
    method = METHOD.format(hours=chosen.hours, count=count)
    report("size", method, table(head, rows), chosen, "pcodec", "duckdb")


if __name__ == "__main__":
    main()

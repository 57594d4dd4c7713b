"""The contenders: labmon, plain rows in SQLite, and DuckDB, with the same durability.

Each takes what it is best fed with, and nothing of it is prepared before the clock runs. The trap:
DuckDB inserts single rows very slowly, so it gets columns, which are made here and are timed.
"""

import contextlib
import sqlite3
from pathlib import Path

import numpy as np

from benchmarks.lab_data import DEVICES, PATHS
from labmon import datastream
from labmon.reading import Batch

DOWNSAMPLERS = ("mean", "min", "max", "std_dev")
NUMBER = {path: number for number, path in enumerate(PATHS)}
SAME_PATHS = {device.name: device.paths for device in DEVICES}
"""As in the server: a device gives one tuple of paths, the same object with every poll."""
ALL_OK = {device.name: bytes(device.channels) for device in DEVICES}
NUMBERS = {device.name: [NUMBER[path] for path in device.paths] for device in DEVICES}


class Labmon:
    """The engine, through its public front; rollups are made beside."""

    name = "labmon"

    def __init__(self, folder, url=None):
        self.folder = Path(folder) / "labmon"
        self._url = url or f"sqlite:///{self.folder}/labmon.db"
        self.paths = PATHS
        self.ids = []

    async def open(self, paths=PATHS, **options):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.streams = datastream.open(self._url, **options)
        await self.streams.start()
        self.ids = [
            await self.streams.ensure_stream({"path": path}, {}, DOWNSAMPLERS, "raw")
            for path in paths
        ]
        await self.streams.commit()
        return self

    async def close(self):
        await self.streams.close()

    async def take_polls(self, polls):
        append = self.streams.append_batch_now
        for name, time_ns, values in polls:
            append(Batch(name, time_ns, SAME_PATHS[name], values, ALL_OK[name]))

    async def take_readings(self, readings):
        ids = self.ids
        await self.streams.append_multiple(
            [{"stream_id": ids[n], "value": v, "timestamp": t} for n, t, v in readings]
        )

    async def take_columns(self, number, t, v):
        await self.streams.append_array(self.ids[number], t, v)

    async def commit(self):
        await self.streams.commit()

    async def pack(self):
        """Nothing to be done: it never leaves more behind than it reuses."""

    def size(self):
        return _size(self.folder)


class SqliteRows:
    """One row for each reading, clustered by stream and time, as most people would do it."""

    name = "SQLite rows"

    def __init__(self, folder):
        self.folder = Path(folder) / "sqlite"

    async def open(self, paths=PATHS):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(self.folder / "rows.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS readings (stream INTEGER, t INTEGER, v REAL,"
            " PRIMARY KEY (stream, t)) WITHOUT ROWID"
        )
        self.db.execute("BEGIN")
        return self

    async def close(self):
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()

    def _insert(self, rows):
        self.db.executemany("INSERT INTO readings VALUES (?, ?, ?)", rows)

    async def take_polls(self, polls):
        self._insert(
            (n, t, v)
            for name, t, values in polls
            for n, v in zip(NUMBERS[name], values, strict=True)
        )

    async def take_readings(self, readings):
        self._insert(readings)

    async def take_columns(self, number, t, v):
        self._insert(zip([number] * len(t), t.tolist(), v.tolist(), strict=True))

    async def commit(self):
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")

    async def pack(self):
        self.db.execute("COMMIT")
        self.db.execute("VACUUM")
        self.db.execute("BEGIN")

    def size(self):
        return _size(self.folder)


class DuckDb:
    """One row for each reading in columns without an index, which suits it best."""

    name = "DuckDB"

    def __init__(self, folder):
        self.folder = Path(folder) / "duckdb"

    async def open(self, paths=PATHS):
        import duckdb

        self.folder.mkdir(parents=True, exist_ok=True)
        self.db = duckdb.connect(str(self.folder / "rows.duckdb"))
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS readings (stream USMALLINT, t BIGINT, v DOUBLE)"
        )
        self.db.execute("BEGIN")
        return self

    async def close(self):
        self.db.execute("COMMIT")
        self.db.execute("CHECKPOINT")
        self.db.close()

    def _insert(self, stream, t, v):
        columns = {"stream": stream, "t": t, "v": v}
        self.db.register("incoming", columns)
        self.db.execute("INSERT INTO readings SELECT stream, t, v FROM incoming")
        self.db.unregister("incoming")

    async def take_polls(self, polls):
        stream, t, v = [], [], []
        for name, time_ns, values in polls:
            stream += NUMBERS[name]
            t += [time_ns] * len(values)
            v += values
        self._insert(np.array(stream, np.uint16), np.array(t), np.array(v))

    async def take_readings(self, readings):
        stream, t, v = zip(*readings, strict=True)
        self._insert(np.array(stream, np.uint16), np.array(t), np.array(v))

    async def take_columns(self, number, t, v):
        self._insert(np.full(len(t), number, np.uint16), t, v)

    async def commit(self):
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")

    async def pack(self):
        self.db.execute("COMMIT")
        self.db.execute("CHECKPOINT")
        self.db.execute("BEGIN")

    def size(self):
        return _size(self.folder)


CONTENDERS = {"labmon": Labmon, "sqlite": SqliteRows, "duckdb": DuckDb}


def _size(folder):
    """Bytes of all files of a folder but labmon's reserve for a full disk."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".ballast")


@contextlib.asynccontextmanager
async def opened(store, *arguments, **options):
    """A store that is open within."""
    await store.open(*arguments, **options)
    try:
        yield store
    finally:
        await store.close()

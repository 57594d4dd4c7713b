"""The same questions to labmon, to plain rows in SQLite and to DuckDB, answered by numpy columns.

Opened for reading on what `stores` has written. The trap: everybody gets the bucket length that
labmon has chosen, so that all answer with the same columns, which are then compared with numpy.
"""

import os
import sqlite3
from pathlib import Path

import numpy as np

from benchmarks.stores import DuckDb, Labmon, SqliteRows
from labmon.datastream import Granularity

FIELDS = ("mean", "min", "max")
TOTAL = ("count", "mean", "std_dev", "min", "max")
POINTS = 1000


class AskLabmon(Labmon):
    """Questions through the public front."""

    async def open(self, paths):
        await super().open(paths)
        return self

    async def raw(self, stream, start_ns, end_ns):
        found = await self.streams.get_arrays(self.ids[stream], Granularity.Raw, start_ns, end_ns)
        return found["t"], found["v"]

    async def bucket_ns(self, stream, start_ns, end_ns):
        """What labmon takes for a graph of this range."""
        return (await self._graph(stream, start_ns, end_ns)).bucket_ns

    async def graph(self, stream, start_ns, end_ns, bucket_ns):
        columns = (await self._graph(stream, start_ns, end_ns)).columns
        return tuple(columns[name] for name in ("t", *FIELDS))

    async def _graph(self, stream, start_ns, end_ns):
        return await self.streams.get_graph(self.ids[stream], start_ns, end_ns, POINTS, FIELDS)

    async def total(self, stream, start_ns, end_ns):
        found = await self.streams.aggregate(self.ids[stream], start_ns, end_ns, TOTAL)
        return tuple(found[name] for name in TOTAL)

    async def newest(self):
        return [self.streams.latest(stream_id)[:2] for stream_id in self.ids]


class AskSqlite(SqliteRows):
    """Questions in SQL, as one would ask them."""

    async def open(self, paths):
        self.paths = paths
        self.db = sqlite3.connect(self.folder / "rows.db", isolation_level=None)
        return self

    async def close(self):
        self.db.close()

    def _rows(self, what, stream, start_ns, end_ns, values=()):
        return self.db.execute(
            f"SELECT {what[0]} FROM readings WHERE stream = ? AND t >= ? AND t < ? {what[1]}",
            (*values, stream, start_ns, end_ns),
        ).fetchall()

    async def raw(self, stream, start_ns, end_ns):
        t, v = zip(*self._rows(("t, v", "ORDER BY t"), stream, start_ns, end_ns), strict=True)
        return np.array(t), np.array(v)

    async def graph(self, stream, start_ns, end_ns, bucket_ns):
        what = ("t / ? * ?, avg(v), min(v), max(v)", "GROUP BY 1 ORDER BY 1")
        rows = self._rows(what, stream, start_ns, end_ns, (bucket_ns, bucket_ns))
        return tuple(np.array(column) for column in zip(*rows, strict=True))

    async def total(self, stream, start_ns, end_ns):
        what = ("count(*), avg(v), min(v), max(v)", "")
        ((count, mean, least, most),) = self._rows(what, stream, start_ns, end_ns)
        what = ("avg((v - ?) * (v - ?))", "")  # SQLite has no deviation: a second pass
        ((variance,),) = self._rows(what, stream, start_ns, end_ns, (mean, mean))
        return count, mean, variance**0.5, least, most

    async def newest(self):
        select = "SELECT t, v FROM readings WHERE stream = ? ORDER BY t DESC LIMIT 1"
        return [self.db.execute(select, (n,)).fetchone() for n in range(len(self.paths))]


class AskDuckDb(DuckDb):
    """Questions in SQL; answers as numpy columns, which it makes itself."""

    async def open(self, paths):
        import duckdb

        self.db = duckdb.connect(str(self.folder / "rows.duckdb"), read_only=True)
        return self

    async def close(self):
        self.db.close()

    def _columns(self, what, stream, start_ns, end_ns):
        found = self.db.execute(
            f"SELECT {what[0]} FROM readings WHERE stream = ? AND t >= ? AND t < ? {what[1]}",
            (stream, start_ns, end_ns),
        ).fetchnumpy()
        return tuple(found.values())

    async def raw(self, stream, start_ns, end_ns):
        return self._columns(("t, v", "ORDER BY t"), stream, start_ns, end_ns)

    async def graph(self, stream, start_ns, end_ns, bucket_ns):
        bucket = f"t // {bucket_ns} * {bucket_ns}"
        what = (f"{bucket} AS b, avg(v), min(v), max(v)", "GROUP BY b ORDER BY b")
        return self._columns(what, stream, start_ns, end_ns)

    async def total(self, stream, start_ns, end_ns):
        what = ("count(*), avg(v), stddev_pop(v), min(v), max(v)", "")
        return tuple(column[0] for column in self._columns(what, stream, start_ns, end_ns))

    async def newest(self):
        return self.db.execute(
            "SELECT max(t), arg_max(v, t) FROM readings GROUP BY stream ORDER BY stream"
        ).fetchall()


ASKED = {"labmon": AskLabmon, "sqlite": AskSqlite, "duckdb": AskDuckDb}


def forget_pages(folder):
    """Make the system drop what it keeps of the files of a folder in memory."""
    for path in Path(folder).rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def expected_graph(t, v, start_ns, end_ns, bucket_ns):
    """What numpy says of a graph: starts of the buckets, mean, min and max."""
    first, last = np.searchsorted(t, [start_ns, end_ns])
    t, v = t[first:last], v[first:last]
    starts = np.flatnonzero(np.diff(t // bucket_ns, prepend=-1))
    counts = np.diff(starts, append=len(t))
    offsets = v - np.repeat(v[starts], counts)  # means of small numbers lose no digits
    mean = v[starts] + np.add.reduceat(offsets, starts) / counts
    return (
        t[starts] // bucket_ns * bucket_ns,
        mean,
        np.minimum.reduceat(v, starts),
        np.maximum.reduceat(v, starts),
    )


def expected_total(t, v, start_ns, end_ns):
    """What numpy says of a range: count, mean, deviation, min and max."""
    first, last = np.searchsorted(t, [start_ns, end_ns])
    v = v[first:last]
    return len(v), v[0] + (v - v[0]).mean(), (v - v[0]).std(), v.min(), v.max()


def check(name, found, expected):
    """Compare an answer with numpy's: to the last digit, but for the rounding of sums.

    Raises:
        AssertionError: they differ.
    """
    assert len(found) == len(expected), name
    for place, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        is_deviation = name == "total" and place == TOTAL.index("std_dev")
        np.testing.assert_allclose(ours, theirs, rtol=1e-6 if is_deviation else 1e-12)

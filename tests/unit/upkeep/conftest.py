"""A SQLite store on disk with blocks, rollups, late data and a journal, to be broken."""

import asyncio
import contextlib
import sqlite3

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import Granularity
from tests.bodies import change_body

T0 = 1_733_000_000 * 10**9
COUNT = 60_000


async def fill(url):
    rng = np.random.default_rng(3)
    async with datastream.open(url, seal_datapoints=512) as opened:
        tags = {"device": "laser", "unit": "mW"}
        power = await opened.ensure_stream(
            {"path": "laser/power"}, tags, {"mean", "min", "max", "std_dev"}, Granularity.Raw
        )
        twin = await opened.ensure_stream({"path": "laser/twin"}, {}, {"mean"}, Granularity.Raw)
        t = T0 + np.arange(COUNT) * 25_000_000 + rng.integers(0, 1000, COUNT)
        v = np.round(1e3 + rng.standard_normal(COUNT), 3)
        v[::500] = np.nan
        await opened.append_array(power, t, v)
        for i in range(400):  # late, into blocks of their own
            await opened.append(power, 7.5, int(t[5000 + 50 * i]), check_timestamp=False)
        await opened.append_array(power, t[-1:] + np.arange(1, 600) * 25_000_000, np.ones(599))
        await opened.append_array(twin, t, rng.standard_normal(COUNT))
        state = await opened.ensure_stream(
            {"path": "laser/_state"},
            {},
            {"count", "most_often", "frequencies"},
            Granularity.Raw,
            value_type="nominal",
        )
        for i in range(6000):
            await opened.append(state, ["on", "off", None][i % 3], T0 + i * 20_000_000)
        pair = [
            await opened.ensure_stream({"path": f"pair/{name}"}, {}, [], Granularity.Raw)
            for name in "ab"
        ]
        for i in range(600):
            both = [{"stream_id": one, "value": i / 4, "timestamp": T0 + i} for one in pair]
            await opened.append_multiple(both)
        await opened.commit()
        await opened._engine.sealer.idle()
        for i in range(100):
            await opened.append(power, 5.5, int(t[-1]) + 10**12 + i)


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("filled") / "labmon.db"
    asyncio.run(fill(f"sqlite:///{path}"))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, that can be copied
    return path


class Copy:
    """A copy of the store that a test may break."""

    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:///{path}"

    def sql(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(statement, values).fetchall()
            connection.commit()
        return rows

    def change_body(self, where, change, table="blocks"):
        """Change the stored bytes of the first block of a condition; returns its key."""
        if table == "blocks":
            row = self.sql(
                f"SELECT stream, granularity, ordinal, generation, body FROM blocks WHERE {where}"
                " ORDER BY stream, granularity, ordinal"
            )[0]
            with contextlib.closing(sqlite3.connect(self.path)) as connection:
                size = change_body(connection, row[4], change)
            self.sql("UPDATE blocks SET size = ? WHERE body = ?", size, row[4])
            return row[:4]
        key, body = self.sql(f"SELECT rowid, body FROM {table} WHERE {where}")[0]
        self.sql(f"UPDATE {table} SET body = ? WHERE rowid = ?", change(body), key)
        return key


def flipped(body, at=-20):
    changed = bytearray(body)
    changed[at] ^= 4
    return bytes(changed)


@pytest.fixture
def copy(filled, tmp_path):
    path = tmp_path / "labmon.db"
    path.write_bytes(filled.read_bytes())
    return Copy(path)


@pytest.fixture(name="flipped")
def flipped_fixture():
    return flipped

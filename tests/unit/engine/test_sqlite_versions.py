"""A store that version 1 of the schema wrote, which had no packs: it is never written again."""

import gzip
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream.backends.sqlite_schema import SCHEMA_VERSION
from labmon.reading import Batch
from labmon.upkeep.verifying import verify

FIXTURE = Path(__file__).with_name("fixtures") / "version1.db.gz"
T0 = 1_733_000_000 * 10**9
PATHS = ("pair/a", "pair/b")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "labmon.db"
    with gzip.open(FIXTURE) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return path


def version(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


async def check(streams, count):
    values = np.arange(count) / 4
    for name, sign in zip(PATHS, (1, -1), strict=True):
        raw = await streams.get_arrays(streams.stream_id(name), "raw", 0, 2**62)
        np.testing.assert_array_equal(raw["t"], T0 + np.arange(count) * 10**8)
        np.testing.assert_array_equal(raw["v"], sign * values)
        rows = await streams.get_arrays(streams.stream_id(name), "days", 0, 2**62, ["sum"])
        assert rows["sum"].sum() == sign * values.sum()
    assert streams.damage == []


async def append(streams, first, until):
    for i in range(first, until):
        batch = Batch("pair", T0 + i * 10**8, PATHS, (i / 4, -i / 4), bytes(2))
        assert await streams.append_batch(batch) == ()
    await streams.commit()
    await streams._engine.sealer.idle()


async def test_a_store_of_version_1_is_read_and_left_as_it_is(path):
    before = path.read_bytes()
    async with datastream.open(f"sqlite:///{path}", read_only=True) as streams:
        await check(streams, 200)
    assert path.read_bytes() == before
    assert version(path) == 1


async def test_a_store_of_version_1_goes_on_with_packs_and_keeps_its_blocks(path):
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        assert version(path) == SCHEMA_VERSION
        await append(streams, 200, 400)
        await check(streams, 400)
    async with datastream.open(f"sqlite:///{path}") as streams:
        await check(streams, 400)
        await streams.delete_streams({"path": PATHS[1]})
        assert streams.paths() == [PATHS[0]]
    assert (await verify(f"sqlite:///{path}")).is_whole


async def test_nobody_who_knows_no_packs_opens_a_store_that_was_killed_after_the_change(path):
    """The version stands in the file from the first moment on, not only in the WAL."""
    async with datastream.open(f"sqlite:///{path}"):
        assert path.read_bytes()[60:64] == SCHEMA_VERSION.to_bytes(4, "big")

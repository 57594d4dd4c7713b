"""A store of which retention has removed something is whole; exports and backups have the rest."""

import asyncio
import io
import sqlite3

import numpy as np
import pytest
from click.testing import CliRunner

from labmon import datastream
from labmon.cli import main
from labmon.datastream import Granularity, Retention
from labmon.datastream.backends.sqlite import SqliteBackend
from labmon.timestamps import to_iso
from labmon.transfer.exporting import Export, Progress, export
from labmon.transfer.snapshot import Snapshot
from labmon.upkeep.backup import back_up
from labmon.upkeep.inspecting import inspect
from labmon.upkeep.verifying import verify

DAY_NS = 86_400_000_000_000
BEGIN_NS = 19_700 * DAY_NS
DAYS, STEP_NS = 40, 300_000_000_000
T = BEGIN_NS + np.arange(DAYS * DAY_NS // STEP_NS) * STEP_NS
KEPT_NS = BEGIN_NS + 29 * DAY_NS
KEEP = Retention({"raw": "10d", "hours": "forever"})


async def fill(path, *, is_late=True):
    now_ns = int(T[-1])
    async with datastream.open(
        SqliteBackend(path), clock=lambda: now_ns, seal_datapoints=256, retention=[KEEP]
    ) as streams:
        ids = [
            await streams.ensure_stream({"path": name}, {}, {"mean"}, Granularity.Raw)
            for name in ("a", "b")
        ]
        for each in ids:
            await streams.append_array(each, T, np.arange(len(T)) / 4)
        if is_late:  # into blocks of their own, some of which reach over the limit
            for i in range(0, len(T), 30):
                await streams.append(ids[0], 1.5, int(T[i]) + 1, check_timestamp=False)
        await streams.commit()
        for _ in range(20):
            await streams._engine.retainer.run()
        assert streams.describe(ids[0])["removed_until"]["Raw"] == KEPT_NS
        await streams.append(ids[1], 3.25, now_ns)
    return f"sqlite:///{path}"


@pytest.fixture
def store(tmp_path):
    return asyncio.run(fill(tmp_path / "labmon.db"))


def test_it_is_whole(store):
    report = asyncio.run(verify(store))
    assert report.findings == []
    assert report.buckets > 0


def test_a_block_that_is_missing_is_still_found(store):
    with sqlite3.connect(store.removeprefix("sqlite:///")) as connection:
        connection.execute(
            "DELETE FROM blocks WHERE stream = 2 AND granularity = 'r' AND ordinal ="
            " (SELECT max(ordinal) FROM blocks WHERE stream = 2 AND granularity = 'r')"
        )
    connection.close()
    (finding,) = asyncio.run(verify(store)).findings
    assert "datapoints are missing" in finding.text


def test_inspect_counts_what_is_left(store):
    found = asyncio.run(inspect(store))
    by_path = {stream.path: stream for stream in found.streams}
    assert by_path["b"].count == (T >= KEPT_NS).sum() + 1
    assert by_path["b"].levels["hours"] >= 29 * 24
    assert found.problems == []


def test_inspect_tells_what_was_removed_until_when_and_what_is_left(store):
    found = asyncio.run(inspect(store))
    by_path = {stream.path: stream for stream in found.streams}
    finer = ("raw", "seconds", "seconds10", "minutes", "minutes10")
    for stream in by_path.values():
        assert stream.removed_until == dict.fromkeys(finer, KEPT_NS)
        assert stream.oldest_level == "hours"
        assert stream.first_ns == BEGIN_NS
    assert by_path["b"].removed_count == (T < KEPT_NS).sum()
    assert by_path["a"].removed_count == (T < KEPT_NS).sum() + (T[::30] + 1 < KEPT_NS).sum()


def test_the_command_prints_what_was_removed(store):
    told = CliRunner().invoke(main, ["inspect", "--store", store], catch_exceptions=False)
    assert told.exit_code == 0
    (line,) = (line for line in told.stdout.splitlines() if "before" in line and "b  " in line)
    until, since = (to_iso(ns)[:10] for ns in (KEPT_NS, BEGIN_NS))
    assert f"raw seconds seconds10 minutes minutes10 before {until}" in line
    assert line.endswith(f"hours, from {since}")


def test_where_nothing_was_removed_the_command_says_nothing_of_it(filled):
    told = CliRunner().invoke(main, ["inspect", "--store", f"sqlite:///{filled}"])
    assert told.exit_code == 0
    assert "retention" not in told.stdout


def test_a_backup_has_the_same(store, tmp_path):
    copy = tmp_path / "copy.db"
    back_up(store, copy)
    assert asyncio.run(verify(f"sqlite:///{copy}")).findings == []


def exported(store, granularity):
    async def run():
        file, progress = io.BytesIO(), Progress()
        wanted = Export("csv", granularity=Granularity.find(granularity), is_long=True)
        async with Snapshot(store) as snapshot:
            await export(snapshot, wanted, file, progress)
        return file.getvalue().decode(), progress

    return asyncio.run(run())


def test_an_export_has_what_is_left_and_says_what_is_not(store):
    _, progress = exported(store, "raw")
    assert progress.removed == {"a": KEPT_NS, "b": KEPT_NS}
    left = (T >= KEPT_NS).sum()
    assert progress.rows == left + (T[::30] + 1 >= KEPT_NS).sum() + left + 1
    _, progress = exported(store, "hours")
    assert progress.removed == {}
    assert progress.rows == 2 * DAYS * 24


def test_time_columns_that_nobody_needs_any_more_are_gone(store):
    with sqlite3.connect(store.removeprefix("sqlite:///")) as connection:
        ((stored,),) = connection.execute("SELECT count(*) FROM times").fetchall()
        ((needed,),) = connection.execute(
            "SELECT count(DISTINCT times) FROM blocks WHERE times IS NOT NULL"
        ).fetchall()
    connection.close()
    assert stored == needed


async def test_the_file_does_not_grow_while_as_much_goes_as_comes(tmp_path):
    now_ns = BEGIN_NS
    pages = []
    backend = SqliteBackend(tmp_path / "labmon.db")
    rng = np.random.default_rng(1)
    async with datastream.open(
        backend,
        clock=lambda: now_ns,
        uptime_s=lambda: now_ns / 1e9,
        seal_datapoints=256,
        retention=[Retention({"raw": "3d", "days": "forever"})],
    ) as streams:
        one = await streams.ensure_stream({"path": "a"}, {}, {"mean"}, Granularity.Raw)
        for _ in range(20):
            t = now_ns + np.arange(1440) * 60_000_000_000
            now_ns += DAY_NS
            await streams.append_array(one, t, rng.normal(size=1440))
            await streams._engine.retainer.run()
            with sqlite3.connect(tmp_path / "labmon.db") as connection:
                pages.append(connection.execute("PRAGMA page_count").fetchone()[0])
            connection.close()
    assert pages[4] > pages[0] + 10
    assert pages[-1] <= pages[6] + 3

"""What a damaged database still has is copied into the new one, and nothing else is."""

import asyncio
import contextlib
import sqlite3

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import care
from labmon.datastream.backends import sqlite_attic
from labmon.datastream.backends.base import SetAside
from labmon.upkeep.backup import back_up
from labmon.upkeep.verifying import verify
from tests.bodies import bodies as bodies_in
from tests.faults.damaging import (
    SEQS,
    append,
    backend_of,
    fill,
    found_in,
    overwrite,
    overwrite_bodies,
    salvage,
)
from tests.faults.numbered import STREAMS, judge

pytestmark = pytest.mark.usefixtures("nobody_looks_after_it")

AFTER = 400


async def damage(streams, path):
    """Overwrite some pages, have it noticed, and go on."""
    await fill(streams)
    overwrite_bodies(path, 2)
    backend_of(streams)._is_damaged = True  # as it is once somebody has looked there
    await append(streams, range(SEQS, SEQS + AFTER))
    streams._engine.blocks.clear()
    assert backend_of(streams).set_aside.waiting


def asides(path):
    return [file for file in path.parent.iterdir() if ".corrupt." in file.name]


def take_away(path):
    """As people do once they have seen the banner: move the evidence elsewhere."""
    (path.parent / "evidence").mkdir()
    for file in asides(path):
        file.rename(path.parent / "evidence" / file.name)


def counts(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        blocks, missing = connection.execute(
            "SELECT count(*), sum(body = 0) FROM blocks"
        ).fetchone()
        return blocks, len(bodies_in(connection)), missing


async def until(condition):
    """Wait while the store looks after itself."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells when it comes true
            await asyncio.sleep(0.001)


def judged(found):
    sent = {number: set(range(SEQS + AFTER)) for number in found}
    report = judge(found, sent, sent)
    assert (report.dup, report.extra) == (0, 0)
    for values in found.values():
        assert values == sorted(values)
    return report


async def test_all_that_is_readable_is_copied_and_the_old_file_no_longer_needed(tmp_path, caplog):
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        await damage(streams, path)
        before = judged(await found_in(streams))
        assert await salvage(streams) > 3
        assert backend_of(streams).set_aside.waiting == ()
        assert backend_of(streams).set_aside.copied > 100
        streams._engine.blocks.clear()
        assert judged(await found_in(streams)) == before
        lost = backend_of(streams).set_aside.lost
        assert streams.condition.warnings
        take_away(path)
        await backend_of(streams).look_after()
        assert not any("set aside" in each for each in streams.condition.warnings)
    assert any("is copied" in record.message for record in caplog.records)
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        assert judged(await found_in(streams)) == before
        assert backend_of(streams).set_aside == SetAside()
    blocks, bodies, missing = counts(path)
    assert (blocks - bodies, missing) == (lost, lost)
    report = await verify(f"sqlite:///{path}")
    assert {finding.text for finding in report.findings} == {"its body is missing"}
    assert len(report.findings) == lost > 0


async def test_it_goes_on_by_itself_after_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_attic, "STEP", 8)
    path = tmp_path / "labmon.db"
    url = f"sqlite:///{path}"
    async with datastream.open(url, seal_datapoints=64) as streams:
        await damage(streams, path)
        for _ in range(3):
            assert await backend_of(streams).look_after()
        assert backend_of(streams).set_aside.copied > 10
    *_, missing = counts(path)
    assert missing > 50
    monkeypatch.setattr(care, "IDLE_S", 0.001)
    monkeypatch.setattr(care, "BUSY_S", 0.001)
    async with datastream.open(url, seal_datapoints=64) as streams:
        before = judged(await found_in(streams))
        await until(lambda: not backend_of(streams).set_aside.waiting)
        assert backend_of(streams).set_aside.files, "it stays as evidence"
    take_away(path)
    async with datastream.open(url, seal_datapoints=64) as streams:
        assert judged(await found_in(streams)) == before


async def test_what_was_removed_or_replaced_meanwhile_does_not_come_back(tmp_path):
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        await damage(streams, path)
        await backend_of(streams).look_after()
        await streams.delete_streams({"path": STREAMS[0]})
        other = streams.stream_id(STREAMS[1])
        # late data: rollups that are still elsewhere get another generation
        early = await streams.get_arrays(other, "raw", 0, 2**62)
        await streams.append(other, -1.0, int(early["t"][10]), check_timestamp=False)
        await streams.commit()
        streams._engine.sealer.want(streams._engine.catalogue.get(other))
        await streams._engine.sealer.idle()
        await salvage(streams)
    take_away(path)
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        assert streams.stream_id(STREAMS[0]) is None
        found = await streams.get_arrays(other, "raw", 0, 2**62)
        assert (found["v"] == -1.0).sum() == 1
        assert len(np.unique(found["v"])) == len(found["v"])
        rows = await streams.get_arrays(other, "minutes", 0, 2**62, ["count"])
        assert rows["count"].sum() == len(found["v"])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        gone = connection.execute("SELECT count(*) FROM blocks WHERE stream = 1").fetchone()
        owned = {number for (number,) in connection.execute("SELECT body FROM blocks")}
        assert set(bodies_in(connection)) <= owned
    assert gone == (0,)


async def test_a_backup_has_what_is_not_yet_copied(tmp_path):
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        await damage(streams, path)
        before = judged(await found_in(streams))
        copy = tmp_path / "elsewhere" / "copy.db"
        copy.parent.mkdir()
        await asyncio.to_thread(back_up, f"sqlite:///{path}", copy)
        lost = SEQS + AFTER - len((await found_in(streams))[0])
    async with datastream.open(f"sqlite:///{copy}", read_only=True) as streams:
        assert judged(await found_in(streams)) == before
    report = await verify(f"sqlite:///{copy}")
    assert report.is_whole == (lost == 0)


async def test_a_second_damage_loses_nothing_of_the_first_one(tmp_path):
    """The second database is damaged while bodies are still in the first one."""
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        await damage(streams, path)
        before = judged(await found_in(streams))
        await backend_of(streams).look_after()
        backend_of(streams)._is_damaged = True
        await append(streams, ())
        await streams.append(streams.stream_id(STREAMS[0]), -1.0)
        await streams.commit()
        assert len(backend_of(streams).set_aside.waiting) == 2
        await salvage(streams)
    take_away(path)
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        found = await found_in(streams)
        assert found[0].pop() == -1.0
        assert judged(found) == before


async def test_derived_streams_go_on_where_they_were_although_their_marks_are_gone(tmp_path):
    """Every page of the file is overwritten: only memory knows where they were."""
    path = tmp_path / "labmon.db"
    url = f"sqlite:///{path}"
    async with datastream.open(url, seal_datapoints=100_000) as streams:
        await fill(streams)
        sources = [streams.stream_id(name) for name in STREAMS[:2]]
        total = await streams.ensure_stream({"path": "d/sum"}, {}, ["mean"], "raw", sources, "sum")
        late = await streams.ensure_stream(
            *({"path": "d/late"}, {}, ["mean"], "raw", sources, "sum"), derive_backprocess=False
        )
        await append(streams, range(SEQS, SEQS + AFTER))
        await streams.backprocess_streams()
        expected = await streams.get_arrays(total, "raw", 0, 2**62)
        overwrite(path, 0, path.stat().st_size // 4096 + 1)
        backend_of(streams)._is_damaged = True
        await append(streams, range(SEQS + AFTER, SEQS + 2 * AFTER))
    async with datastream.open(url, seal_datapoints=100_000) as streams:
        await streams.backprocess_streams()
        found = await streams.get_arrays(total, "raw", 0, 2**62)
        assert len(found["v"]) == SEQS + 2 * AFTER
        np.testing.assert_array_equal(found["v"][: len(expected["v"])], expected["v"])
        since = await streams.get_arrays(late, "raw", 0, 2**62)
        assert len(since["v"]) == 2 * AFTER, "what was not to be derived is not"

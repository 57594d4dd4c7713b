"""Somebody deletes the database of a running labmon, or replaces it: it is put back, whole."""

import asyncio
import shutil
import sqlite3

import pytest

from labmon import datastream
from labmon.datastream.exceptions import StoreLocked, StoreUnavailable
from labmon.reading import Batch
from tests.faults.damaging import SEQS, append, backend_of, fill, found_in
from tests.faults.disks import Tmpfs, closing
from tests.faults.load import Live, Pusher, Watch, readiness
from tests.faults.numbered import STREAMS, check, time_ns, value

AFTER = 200
CONFIG = """\
devices:
  many: {driver: "tests.faults.odd_drivers:Many", period_s: 0.05}
"""


def whole(found, last):
    seqs = {number: set(range(last)) for number in found}
    check(found, seqs, seqs)


def delete_file(path):
    path.unlink()


def delete_all(path):
    for file in path.parent.glob("labmon.db*"):
        file.unlink()


def delete_folder(path):
    shutil.rmtree(path.parent)
    path.parent.mkdir()


def replace_by_another(path):
    other = path.with_name("other.db")
    sqlite3.connect(other).execute("CREATE TABLE somebody_elses (x)").connection.close()
    other.replace(path)


@pytest.mark.parametrize("lose", [delete_file, delete_all, delete_folder, replace_by_another])
async def test_nothing_is_lost_whatever_becomes_of_the_file(tmp_path, caplog, lose):
    path = tmp_path / "data" / "labmon.db"
    url = f"sqlite:///{path}"
    async with datastream.open(url, seal_datapoints=64) as streams:
        await fill(streams)
        lose(path)
        await append(streams, range(SEQS, SEQS + AFTER))
        await streams.commit()
        assert streams.is_healthy
        assert path.exists()
        assert any("put back" in each for each in streams.condition.warnings)
        streams._engine.blocks.clear()
        whole(await found_in(streams), SEQS + AFTER)
        lose(path)  # and again, with nothing to be written
        await backend_of(streams).look_after()
        assert path.exists()
    said = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert len(said) == 2
    async with datastream.open(url, seal_datapoints=64) as streams:
        whole(await found_in(streams), SEQS + AFTER)
    replaced = [file for file in path.parent.iterdir() if ".replaced." in file.name]
    assert bool(replaced) == (lose in {replace_by_another, delete_file}), replaced


async def test_the_place_is_left_to_another_labmon_that_has_begun_anew_there(tmp_path):
    """Nothing of the other one is touched; this one says so, and its readings wait."""
    path = tmp_path / "labmon.db"
    streams = datastream.open(f"sqlite:///{path}", seal_datapoints=64)
    await streams.start()
    await fill(streams)
    delete_all(path)
    async with datastream.open(f"sqlite:///{path}") as other:
        stream = await other.ensure_stream({"path": "o/a"}, {}, ["mean"], "raw")
        await append_one(streams, SEQS)
        with pytest.raises(StoreLocked):
            await backend_of(streams).look_after()
        assert "in use by process" in str(streams.last_error)
        assert streams.refused_changes == 0
        await other.append(stream, 1.5, 1)
        await other.commit()
    await streams.commit()
    await streams.close()
    assert [file for file in tmp_path.iterdir() if ".replaced." in file.name]
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as again:
        assert again.stream_id("o/a") is None, "it has a file of its own"
        whole(await found_in(again), SEQS + 1)


async def append_one(streams, seq):
    """Without waiting for it; it is tried before this returns."""
    values = tuple(value(number, seq) for number in range(len(STREAMS)))
    await streams.append_batch(Batch("load", time_ns(seq), STREAMS, values, bytes(len(STREAMS))))
    async with asyncio.timeout(30):
        while streams.is_healthy:  # noqa: ASYNC110 - nothing tells when it comes true
            await asyncio.sleep(0.005)


async def test_a_lost_file_is_noticed_when_the_store_is_closed(tmp_path):
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        await fill(streams)
        path.unlink()
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        whole(await found_in(streams), SEQS)


async def test_nothing_is_made_where_the_disk_is_not_mounted(tmp_path):
    with closing(Tmpfs(tmp_path / "disk", "64m")) as disk:
        path = disk.where / "labmon.db"
        streams = datastream.open(f"sqlite:///{path}", seal_datapoints=64)
        await streams.start()
        await fill(streams)
        disk.close()
        assert list(disk.where.iterdir()) == []
        with pytest.raises(StoreUnavailable, match="not mounted"):
            await backend_of(streams).look_after()
        await append(streams, range(SEQS, SEQS + 10))
        assert list(disk.where.iterdir()) == []
        await streams.close(0.1)


@pytest.mark.alone
def test_a_server_goes_on_when_its_database_is_deleted(server_process, tmp_path, until):
    server = server_process(CONFIG)
    server.start()
    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        until(lambda: len(pusher.acked) > 200 and live.values, what="the load")
        delete_all(server.data / "labmon.db")
        acked, seen = len(pusher.acked), len(live.values)
        until(lambda: len(pusher.acked) > acked + 200, what="acknowledgements")
        until(lambda: len(live.values) > seen + 10, what="the live view")
        assert readiness(server)["ready"]
    watch.check()
    assert (server.data / "labmon.db").exists()
    server.end()
    assert sum("it was put back" in line for line in server.lines) == 1
    server.start()
    pusher.verify()

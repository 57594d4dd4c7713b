"""The database file: its marks, its settings, and who may open it."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from labmon import datastream
from labmon.datastream import exceptions
from labmon.datastream.backends.sqlite_schema import SCHEMA_VERSION
from labmon.upkeep.backup import back_up


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labmon.db"


async def fill(path, **options):
    async with datastream.open(f"sqlite:///{path}", **options) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append(stream, 1.0, 5)


def bytes_of(path):
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


async def test_the_file_says_what_it_is_from_the_first_day(path):
    await fill(path)
    header = path.read_bytes()[:100]
    assert header[68:72] == b"labm"
    assert int.from_bytes(header[60:64], "big") == SCHEMA_VERSION
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA page_size").fetchone() == (4096,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("relaxed", 1)])
async def test_durability_is_what_was_asked_for(path, durability, synchronous):
    async with datastream.open(f"sqlite:///{path}", durability=durability) as streams:
        backend = streams._engine.backend
        setting = await backend._run(
            backend._writer,
            lambda: backend._write_connection.execute("PRAGMA synchronous").fetchone(),
        )
    assert setting == (synchronous,)


async def test_a_backup_is_not_mixed_with_the_wal_of_the_store_that_it_replaces(path, caplog):
    """Labmon was killed, and whoever puts the backup in its place forgets the file beside it."""
    wal, copy = path.with_name("labmon.db-wal"), path.with_name("copy.db")
    async with datastream.open(f"sqlite:///{path}") as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append(stream, 1.0, 5)
        await streams.commit()
        await asyncio.to_thread(back_up, f"sqlite:///{path}", copy)
        for t in range(6, 60):
            await streams.append(stream, float(t), t)
        left = wal.read_bytes()
    copy.rename(path)
    wal.write_bytes(left)
    before = bytes_of(path)
    with pytest.raises(exceptions.StoreUnavailable, match=r"labmon\.db-wal is that of another"):
        await datastream.open(f"sqlite:///{path}", read_only=True).start()
    assert bytes_of(path) == before
    async with datastream.open(f"sqlite:///{path}") as streams:
        assert (await streams.get_arrays(stream, "raw", 0, 100))["v"].tolist() == [1.0]
    (aside,) = path.parent.glob("labmon.db-wal.corrupt.*")
    assert aside.read_bytes() == left
    assert "labmon.db-wal is that of another database" in caplog.text
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_newer_schema_is_refused_and_the_file_left_as_it_is(path):
    await fill(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    (path.parent / "labmon.db.lock").unlink()
    before = bytes_of(path)
    for read_only in (True, False):
        with pytest.raises(exceptions.NewerSchema, match=f"version {SCHEMA_VERSION + 1}"):
            await datastream.open(f"sqlite:///{path}", read_only=read_only).start()
    after = bytes_of(path)
    after.pop("labmon.db.lock", None)
    assert after == before


async def test_another_programs_file_is_refused_and_left_as_it_is(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(exceptions.NotADatastream, match="another program"):
        await datastream.open(f"sqlite:///{path}").start()
    assert path.read_bytes() == before
    path.write_bytes(b"just a text, and long enough to be taken for something else" * 3)
    with pytest.raises(exceptions.NotADatastream, match="no SQLite"):
        await datastream.open(f"sqlite:///{path}").start()


async def test_a_young_store_without_its_first_page_is_known_by_its_wal(path, tmp_path):
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    async with datastream.open(f"sqlite:///{path}") as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append(stream, 1.0, 5)
        await streams.commit()
        wal = path.with_name(f"{path.name}-wal").read_bytes()
        copy.write_bytes(bytes(range(256)) * 16 + path.read_bytes()[4096:])
    copy.with_name(f"{path.name}-wal").write_bytes(wal)
    async with datastream.open(f"sqlite:///{copy}") as streams:
        assert await (await streams.find_streams()).count() == 0
    assert any("corrupt" in file.name for file in copy.parent.iterdir())


async def test_an_empty_file_is_a_new_store(path):
    path.touch()
    await fill(path)
    async with datastream.open(f"sqlite:///{path}", read_only=True) as streams:
        assert streams.latest(streams.stream_id("w/a")) == (5, 1.0, 0)


async def test_reading_needs_a_file(path):
    with pytest.raises(exceptions.StoreUnavailable, match="does not exist"):
        await datastream.open(f"sqlite:///{path}", read_only=True).start()
    assert not path.exists()


async def test_a_second_process_is_told_who_holds_the_store(path):
    async with datastream.open(f"sqlite:///{path}"):
        code = (
            "import asyncio, sys; from labmon import datastream\n"
            "asyncio.run(datastream.open('sqlite:///' + sys.argv[1]).start())"
        )
        done = subprocess.run(  # noqa: ASYNC221 - nothing else goes on here
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert f"StoreLocked: {path} is in use by process {os.getpid()}" in done.stderr
        with pytest.raises(exceptions.StoreLocked):
            await datastream.open(f"sqlite:///{path}").start()
    await fill(path)  # the lock ends with its holder


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:x.db", "mysql://x", "", "/data/x.db"])
async def test_an_unknown_address_lists_what_there_is(url):
    with pytest.raises(ValueError, match="sqlite:///data"):
        datastream.open(url)
    with pytest.raises(ValueError, match="relaxed"):
        datastream.open("memory:", durability="none")


async def test_a_relative_address_is_relative_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with datastream.open("sqlite:///data/labmon.db"):
        pass
    assert (tmp_path / "data" / "labmon.db").exists()

"""What is in a store, and copies of it that are whole or not there at all."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from labmon import datastream
from labmon.cli import main
from labmon.datastream.exceptions import NotADatastream, StoreUnavailable
from labmon.errors import BadRequestError
from labmon.upkeep import backup
from labmon.upkeep.backup import back_up
from labmon.upkeep.inspecting import inspect
from labmon.upkeep.verifying import verify
from tests.bodies import change_body


async def described(url):
    async with datastream.open(url, read_only=True) as opened:
        return {
            path: (known["count"], known["earliest_datapoint"], known["latest_datapoint"])
            for path in opened.paths()
            if (known := opened.describe(opened.stream_id(path)))
        }


def test_inspection_agrees_with_the_engine(copy, monkeypatch):
    monkeypatch.setattr("labmon.datastream.sizes.WAIT_S", 30)
    found = asyncio.run(inspect(copy.url))
    assert {s.path: (s.count, s.first_ns, s.last_ns) for s in found.streams} == asyncio.run(
        described(copy.url)
    )
    assert found.problems == []
    power = next(stream for stream in found.streams if stream.path == "laser/power")
    assert (power.unit, power.value_type) == ("mW", "numeric")
    assert power.journal_count == 100
    assert 1 < power.size.bytes_per_datapoint < 30
    assert power.size.datapoints == power.count - power.journal_count
    assert power.levels
    assert found.journal_entries > 0
    stored = copy.sql("SELECT (SELECT sum(size) FROM blocks) + sum(length(body)) FROM times")[0][0]
    told = sum(s.size.raw_bytes + s.size.rollup_bytes + s.size.time_bytes for s in found.streams)
    assert told == pytest.approx(stored)
    assert asyncio.run(sizes(copy.url)) == {stream.path: stream.size for stream in found.streams}


async def sizes(url):
    """What a server that has the store open tells."""
    async with datastream.open(url) as opened:
        told = await opened.get_sizes()
        return {path: told[opened.stream_id(path)] for path in opened.paths()}


def test_inspection_says_what_is_broken(copy):
    copy.sql("UPDATE streams SET document = x'00' WHERE number = (SELECT min(number) FROM streams)")
    assert asyncio.run(inspect(copy.url)).problems


def test_inspection_says_which_blocks_are_not_there_without_reading_any(copy):
    where = "granularity = 'r' AND ordinal = (SELECT max(ordinal) FROM blocks WHERE stream = 1)"
    copy.sql(f"DELETE FROM blocks WHERE stream = 1 AND {where}")
    damage, *_ = asyncio.run(inspect(copy.url)).damage
    assert damage.startswith("laser/power: stream: blocks reach to ordinal ")


def test_inspection_says_what_was_lost_with_an_earlier_damage(copy):
    copy.sql("UPDATE blocks SET body = 0 WHERE stream = 2 AND ordinal = 0")
    copy.sql("INSERT INTO cursors VALUES ('damaged/entry/1/7', x'00')")
    copy.sql("DELETE FROM times")
    copy.path.with_name(copy.path.name + ".corrupt.20261101T000000Z").write_bytes(b"x")
    found = asyncio.run(inspect(copy.url))
    lost = copy.sql("SELECT count(*) FROM blocks WHERE stream = 2 AND ordinal = 0")[0][0]
    assert lost > 1
    assert found.damage == [
        f"laser/twin: the bodies of {lost} blocks are lost",
        "pair/a: the times of 1 block are lost",
        "pair/b: the times of 1 block are lost",
    ]
    assert found.notes == [
        "1 damaged journal entry was set aside by earlier starts",
        "a damaged database was set aside: labmon.db.corrupt.20261101T000000Z",
    ]
    assert found.problems == []


def test_a_backup_of_damaged_blocks_is_made_and_says_which(copy, tmp_path, flipped):
    key = copy.change_body("granularity = 'r' AND ordinal > 2000", flipped)
    copy.change_body("1", flipped, "times")
    made = back_up(copy.url, tmp_path / "copy.db")
    said = asyncio.run(verify(copy.url)).findings
    assert sorted(str(finding.what) for finding in made.damage) == sorted(f.what for f in said)
    assert f"block {'/'.join(map(str, key))}" in {finding.what for finding in made.damage}
    assert asyncio.run(described(f"sqlite:///{made.path}")) == asyncio.run(described(copy.url))


def test_a_damaged_copy_never_takes_the_place_of_one_that_may_be_whole(copy, tmp_path, flipped):
    target = tmp_path / "copy.db"
    assert back_up(copy.url, target).kept is None
    whole = target.read_bytes()
    copy.change_body("granularity = 'r'", flipped)
    made = back_up(copy.url, target, force=True)
    assert made.kept == tmp_path / "copy.db.older"
    assert made.kept.read_bytes() == whole
    assert back_up(copy.url, target, force=True).kept is None
    assert made.kept.read_bytes() == whole


def test_damage_that_only_the_copy_has_is_no_backup(copy, tmp_path, flipped, monkeypatch):
    def salvage(connection, _source):
        (number,) = connection.execute("SELECT max(id) FROM bodies").fetchone()
        change_body(connection, number, flipped)

    monkeypatch.setattr(backup, "salvage_into", salvage)
    with pytest.raises(datastream.exceptions.StoreError, match="is not whole, and was removed"):
        back_up(copy.url, tmp_path / "copy.db")
    assert [p.name for p in tmp_path.iterdir()] == ["labmon.db"]


def test_a_backup_has_everything_and_is_whole(copy, tmp_path):
    seen = []
    made = back_up(copy.url, tmp_path / "copy.db", moved=lambda *now: seen.append(now))
    url = f"sqlite:///{made.path}"
    assert asyncio.run(described(url)) == asyncio.run(described(copy.url))
    assert asyncio.run(verify(url)).findings == []
    assert made.size_bytes == made.path.stat().st_size
    assert seen[-1][0] == seen[-1][1]
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_a_backup_replaces_nothing_unless_forced(copy, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(BadRequestError, match="exists: give --force"):
        back_up(copy.url, target)
    assert target.read_text() == "mine"
    back_up(copy.url, target, force=True)
    assert asyncio.run(inspect(f"sqlite:///{target}")).count > 0


def test_neither_a_folder_nor_a_device_is_replaced(copy, tmp_path):
    for target in (tmp_path, Path(os.devnull)):
        with pytest.raises(BadRequestError, match="is no file"):
            back_up(copy.url, target, force=True)


def test_a_backup_never_goes_over_a_store_in_use_or_the_store_itself(copy, tmp_path):
    with pytest.raises(BadRequestError, match="the store itself"):
        back_up(copy.url, copy.path, force=True)
    target = tmp_path / "other.db"
    target.touch()
    target.with_name("other.db-wal").write_bytes(b"x")
    with pytest.raises(BadRequestError, match="in use, or was not closed"):
        back_up(copy.url, target, force=True)


def test_a_damaged_store_gives_no_backup_that_looks_whole(copy, tmp_path):
    copy.sql("UPDATE streams SET document = x'00' WHERE number = (SELECT min(number) FROM streams)")
    made = back_up(copy.url, tmp_path / "copy.db")
    assert "description" in made.contents.problems[0]
    assert not made.is_whole


def test_what_is_no_store_is_refused(tmp_path):
    path = tmp_path / "x.db"
    with pytest.raises(StoreUnavailable, match="does not exist"):
        back_up(f"sqlite:///{path}", tmp_path / "copy.db")
    path.write_bytes(b"something else" * 100)
    with pytest.raises(NotADatastream):
        back_up(f"sqlite:///{path}", tmp_path / "copy.db")
    with pytest.raises(BadRequestError, match="its database's own tools"):
        back_up("mongodb://localhost/labmon", tmp_path / "copy.db")


WRITER = """
    import asyncio, sys
    from labmon import datastream
    async def main():
        async with datastream.open(sys.argv[1], seal_datapoints=512) as opened:
            one, two = [
                await opened.ensure_stream({"path": path}, {}, {"mean"}, "raw")
                for path in ("a/1", "a/2")
            ]
            n = 0
            while True:
                for _ in range(400):
                    n += 1
                    await opened.append_multiple(
                        [{"stream_id": one, "value": n}, {"stream_id": two, "value": -n}]
                    )
                await opened.commit()
                print(n, flush=True)
    asyncio.run(main())
"""


def test_a_backup_beside_a_writing_process_is_one_moment(tmp_path):
    url = f"sqlite:///{tmp_path}/live.db"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), url], stdout=subprocess.PIPE, text=True
    )
    try:
        counts = []
        for i in range(3):
            acknowledged = int(process.stdout.readline())
            made = back_up(url, tmp_path / f"{i}.db")
            counts.append([stream.count for stream in made.contents.streams])
            assert counts[-1][0] == counts[-1][1] >= acknowledged
            assert asyncio.run(verify(f"sqlite:///{made.path}")).findings == []
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert counts == sorted(counts)


def test_the_commands_say_what_is_damaged_and_end_with_their_codes(copy, tmp_path, flipped):
    def run(*arguments):
        return CliRunner().invoke(main, [*map(str, arguments), "--store", str(copy.path)])

    target = tmp_path / "copy.db"
    assert run("backup", target).exit_code == 0
    key = copy.change_body("granularity = 'r'", flipped)
    seen = run("inspect")
    assert (seen.exit_code, "blocks are not read here" in seen.output) == (0, True)
    made = run("backup", target, "--force")
    assert made.exit_code == 3
    assert f"block {'/'.join(map(str, key))}: does not have its checksum" in made.output
    assert "labmon verify says all that is damaged" in made.output
    assert "copy.db.older: the copy from before" in made.output
    assert run("backup", target).exit_code == 1
    copy.sql("UPDATE blocks SET body = 0 WHERE stream = 2 AND ordinal = 0")
    seen = run("inspect")
    assert (seen.exit_code, "laser/twin: the bodies of" in seen.output) == (1, True)

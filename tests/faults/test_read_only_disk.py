"""A disk that cannot be written: turned read-only for a while, and gone for good."""

import errno
import os
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest

from labmon import datastream
from labmon.datastream.backends.sqlite import SqliteBackend
from tests.conftest import ROOT
from tests.faults.disks import Ext4, closing
from tests.faults.load import Live, Pusher, Watch, lag_p90_s, readiness
from tests.faults.shim import OPEN_TO_WRITE, SYNC, TRUNCATE, WRITE, FailingDisk, compiled

CONFIG = """\
devices:
  many: {driver: "tests.faults.odd_drivers:Many", period_s: 0.05}
"""
QUIET = "devices: {}\n"
CHANGES = WRITE | SYNC | TRUNCATE | OPEN_TO_WRITE


@pytest.fixture
def failing(tmp_path):
    return FailingDisk(compiled(tmp_path), tmp_path / "control", tmp_path / "server0" / "data")


@pytest.mark.alone
@pytest.mark.parametrize("error", [errno.EROFS, pytest.param(errno.EIO, marks=pytest.mark.long)])
def test_a_disk_that_refuses_for_a_while_loses_nothing_acknowledged(
    server_process, failing, tmp_path, until, error
):
    server = server_process(CONFIG, environment=failing.environment)
    server.start()
    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        for _ in range(2):
            acked = len(pusher.acked)
            until(lambda acked=acked: len(pusher.acked) > acked + 60, what="acknowledgements")
            failing.fail(CHANGES, error)
            until(lambda: not readiness(server)["ready"], what="the failure being noticed")
            acked, seen = pusher.acked_or_on_its_way(), len(live.values)
            until(lambda seen=seen: len(live.values) > seen + 10, what="the live view going on")
            assert pusher.acked <= acked, "something was acknowledged that was not written"
            failing.heal()
            until(lambda: readiness(server)["ready"], 60, "the recovery")
    watch.check()
    assert [status for status, _ in pusher.answers if status != 503] == []
    server.close()
    server.start()
    pusher.verify()


@pytest.mark.alone
def test_a_slow_disk_slows_acknowledgements_down_and_nothing_else(
    server_process, failing, tmp_path, until
):
    server = server_process(CONFIG, environment=failing.environment)
    server.start()
    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        until(lambda: len(pusher.acked) > 60 and live.values, what="the load")
        failing.slow(SYNC, 500)
        acked, seen = len(pusher.acked), len(live.values)
        until(lambda: len(live.values) > seen + 60, 12, "the live view at its rate")
        until(lambda: len(pusher.acked) > acked + 60, 60, "acknowledgements, slowly")
        assert readiness(server)["ready"]
        assert readiness(server)["dropped_readings"] == 0
        assert lag_p90_s(server) <= 0.1
        failing.heal()
    watch.check()
    server.end()
    server.start()
    pusher.verify()


@pytest.mark.alone
def test_a_disk_that_is_gone_is_survived_until_the_server_is_stopped(
    server_process, tmp_path, until
):
    server = server_process(CONFIG)
    with closing(Ext4(tmp_path / "disk.img", server.data)) as disk:
        server.start()
        with (
            Pusher(server, tmp_path / "acks") as pusher,
            Live(server, "many/c0") as live,
            Watch(server) as watch,
        ):
            until(lambda: len(pusher.acked) > 200 and live.values, what="the load")
            before = set(pusher.acked)  # what was under way then: see test_power_cut
            disk.cut()
            until(lambda: not readiness(server)["ready"], what="the failure being noticed")
            acked, seen = pusher.acked_or_on_its_way(), len(live.values)
            until(lambda: len(live.values) > seen + 10, what="the live view going on")
            assert pusher.acked <= acked, "something was acknowledged that was not written"
        watch.check()
        code, took_s = server.end()
        assert (code, took_s < 5.0) == (0, True), server.output
        assert "the store takes no data" in server.output
        assert re.search(r"until the end: \d+ readings are lost", server.output), server.output
        disk.restore_power()
        server.start()
        pusher.verify(acked=before)
        server.close()


async def test_what_a_failed_sync_left_behind_is_not_built_upon(tmp_path):
    """The kernel forgets pages that it could not write, and the next sync of the file succeeds."""
    path, wal = tmp_path / "labmon.db", tmp_path / "labmon.db-wal"
    async with datastream.open(f"sqlite:///{path}") as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append(stream, 0.0, 0)
        await streams.commit()
        backend = streams._engine.backend
        assert isinstance(backend, SqliteBackend)
        failing = _FailsToSync(backend._write_connection, wal)
        await streams.append(stream, 1.0, 1)
        await streams.commit()
        assert failing.lost
        kept = tmp_path / "on-disk"
        kept.mkdir()
        shutil.copy(path, kept)
        contents = wal.read_bytes().replace(failing.lost, bytes(len(failing.lost)))
        (kept / wal.name).write_bytes(contents)
    async with datastream.open(f"sqlite:///{kept}/labmon.db") as streams:
        found = await streams.get_arrays(stream, "raw", 0, 2**62)
        assert found["v"].tolist() == [0.0, 1.0]


class _FailsToSync:
    """Makes the next commit of a connection fail after it has written, and keeps what it wrote."""

    def __init__(self, connection, wal):
        self.lost = b""
        self._connection, self._wal = connection, wal
        self._execute = connection.execute
        connection.execute = self._failing

    def _failing(self, statement, *rest):
        if statement != "COMMIT":
            return self._execute(statement, *rest)
        before = self._wal.stat().st_size
        self._execute(statement)
        self.lost = self._wal.read_bytes()[before:]
        raise sqlite3.OperationalError("disk I/O error")


def test_a_server_on_a_read_only_disk_says_so(server_process, tmp_path):
    server = server_process(QUIET)
    with closing(Ext4(tmp_path / "disk.img", server.data)) as disk:
        disk.remount_read_only()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "labmon", "serve", "--config", server.config),
                *("--port", "0", "--data", server.data),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1
        assert "Read-only file system" in done.stderr
        assert str(server.data) in done.stderr
        assert "Traceback" not in done.stderr


async def test_a_store_on_a_read_only_disk_can_be_read(tmp_path):
    with closing(Ext4(tmp_path / "disk.img", tmp_path / "disk")) as disk:
        path = disk.where / "labmon.db"
        async with datastream.open(f"sqlite:///{path}") as streams:
            stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
            await streams.append(stream, 1.5, 1)
        disk.remount_read_only()
        async with datastream.open(f"sqlite:///{path}", read_only=True) as streams:
            assert streams.latest(stream) == (1, 1.5, 0)

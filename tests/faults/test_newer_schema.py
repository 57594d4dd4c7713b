"""A store of a later version, after a downgrade: refused, and not a byte of it is changed."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from labmon import datastream
from labmon.datastream.exceptions import NewerSchema
from tests.conftest import ROOT
from tests.faults.load import Pusher

QUIET = "devices: {}\n"


def contents(folder):
    """Every file but the lock: bytes and time of the last change."""
    return {
        file: (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


def become_newer(path, *, in_wal=False):
    """What a later labmon would have left: cleanly closed, or killed with a WAL beside it."""
    with subprocess.Popen(
        [sys.executable, "-c", LATER, path, str(in_wal)],
        stdin=subprocess.PIPE,  # never ends: it is killed while it waits
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        process.kill()


LATER = """\
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA user_version = 3")
if sys.argv[2] == "True":
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("CREATE TABLE later (x)")
else:
    connection.close()
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=[False, True], ids=["closed", "killed"])
def folder(request, server_process, tmp_path, until):
    """A server's data, written by a later version."""
    server = server_process(QUIET)
    server.start()
    with Pusher(server, tmp_path / "acks") as pusher:
        until(lambda: len(pusher.acked) > 50, what="the load")
    server.end(signal.SIGTERM)
    become_newer(server.data / "labmon.db", in_wal=request.param)
    if request.param:
        assert (server.data / "labmon.db-wal").stat().st_size
    return server


def test_a_server_refuses_the_store_of_a_later_version_and_leaves_it_as_it_is(folder):
    before = contents(folder.data)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "labmon", "serve", "--config", folder.config),
            *("--port", "0", "--data", folder.data),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "has schema version 3, this labmon knows 2" in done.stderr
    assert "use the labmon that wrote it" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(folder.data) == before


async def test_reading_alone_is_refused_too(folder):
    before = contents(folder.data)
    url = f"sqlite:///{folder.data}/labmon.db"
    for read_only in (True, False):
        with pytest.raises(NewerSchema):
            await datastream.open(url, read_only=read_only).start()
    assert contents(folder.data) == before


async def test_the_later_version_can_go_on(folder):
    """What the refusal must not spoil: the store is whole for the labmon that wrote it."""
    with pytest.raises(NewerSchema):
        await datastream.open(f"sqlite:///{folder.data}/labmon.db").start()
    connection = sqlite3.connect(folder.data / "labmon.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    folder.start()
    assert folder.get("/api/v1/latest?path=load/0")["readings"][0]["value"] > 0

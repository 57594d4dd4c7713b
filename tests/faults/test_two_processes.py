"""Two servers on one store: the second is told whose it is, and the first notices nothing."""

import os
import signal
import subprocess
import sys

import pytest

from labmon import datastream
from labmon.datastream.exceptions import StoreLocked
from tests.conftest import ROOT
from tests.faults.load import Pusher

QUIET = "devices: {}\n"


def second(server, data=None):
    """Start another one with the same configuration; returns how it ended."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "labmon", "serve", "--config", server.config),
            *("--port", "0", "--data", data or server.data),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_second_server_on_the_same_store_is_refused(server_process, tmp_path, until):
    server = server_process(QUIET)
    server.start()
    with Pusher(server, tmp_path / "acks") as pusher:
        until(lambda: len(pusher.acked) > 50, what="the load")
        for _ in range(2):
            done = second(server)
            assert done.returncode == 1
            assert f"in use by process {server.process.pid}" in done.stderr
            assert "stop that one first" in done.stderr
            assert "Traceback" not in done.stderr
        acked = len(pusher.acked)
        until(lambda: len(pusher.acked) > acked + 50, what="the first one going on")
    assert server.is_ready()
    pusher.verify()


def test_a_store_by_another_name_is_the_same_store(server_process, tmp_path):
    """A link to the folder, and a link to the file."""
    server = server_process(QUIET)
    server.start()
    folder = tmp_path / "other"
    folder.symlink_to(server.data)
    assert "in use by process" in second(server, folder).stderr
    folder = tmp_path / "another"
    folder.mkdir()
    (folder / "labmon.db").symlink_to(server.data / "labmon.db")
    done = second(server, folder)
    assert (done.returncode, "in use by process" in done.stderr) == (1, True), done.stderr


@pytest.mark.alone
def test_the_lock_ends_with_the_process_however_it_ends(server_process):
    server = server_process(QUIET)
    first_s = server.start()
    server.end(signal.SIGKILL)
    assert (server.data / "labmon.db.lock").exists()
    assert server.start() < max(10.0, 3 * first_s), "it waited for the lock"


async def test_whoever_only_reads_needs_no_lock_and_disturbs_nobody(tmp_path):
    url = f"sqlite:///{tmp_path}/labmon.db"
    async with datastream.open(url) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        for number in range(3):
            await streams.append(stream, float(number), number)
            await streams.commit()
            async with datastream.open(url, read_only=True) as reader:
                found = await reader.get_arrays(stream, "raw", 0, 2**62)
                assert found["v"].tolist() == [float(i) for i in range(number + 1)]
        with pytest.raises(StoreLocked):
            await datastream.open(url).start()


async def test_a_server_on_a_mongodb_that_another_one_writes_is_refused(mongodb_server):
    url = f"{mongodb_server}/two_processes"
    async with datastream.open(url):
        with pytest.raises(StoreLocked, match=f"written by process {os.getpid()}"):
            await datastream.open(url).start()
    async with datastream.open(url):
        pass

"""The disk fills up: nothing acknowledged is lost, live goes on, and it heals by itself."""

import os

import pytest

from tests.faults.disks import Tmpfs
from tests.faults.load import Live, Pusher, Watch, memory_mib, metric, readiness

pytestmark = pytest.mark.alone

CONFIG = """\
recording: {spool_mib: 0.25}
devices:
  many: {driver: "tests.faults.odd_drivers:Many", period_s: 0.02}
"""
KEPT_FREE = 64 << 10


@pytest.fixture
def server(server_process):
    return server_process(CONFIG)


@pytest.fixture
def disk(server):
    disk = Tmpfs(server.data, "32m")
    yield disk
    server.close()
    disk.close()


def fill(disk, name):
    """Take the rest of the disk, so that it does not take hours to fill."""
    with (disk.where / name).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, disk.free_bytes - KEPT_FREE))


def test_a_full_disk_loses_nothing_acknowledged_and_heals_by_itself(server, disk, tmp_path, until):
    server.start()
    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        until(lambda: len(pusher.acked) > 200 and live.values, what="the load")
        reserve = server.data / "labmon.db.ballast"
        until(reserve.exists, 60, "the reserve")
        fill(disk, "somebody-elses")
        until(lambda: not reserve.exists(), 60, "the reserve being given up")
        until(lambda: readiness(server)["degraded"], what="that being said")
        assert any("nearly full" in warning for warning in readiness(server)["warnings"])
        acked = len(pusher.acked)
        until(lambda: len(pusher.acked) > acked, what="recording going on in what was freed")
        fill(disk, "the-rest")
        until(lambda: not readiness(server)["ready"], 60, "the full disk being noticed")
        seen = len(live.values)
        assert "full" in readiness(server)["reasons"][0]
        assert metric(server, "labmon_store_healthy") == 0
        until(lambda: pusher.answers, 60, "the answer to what cannot be recorded")
        status, answer = pusher.answers[0]
        assert (status, answer["error"]["code"]) == (503, "storage_full")
        acked, before = len(pusher.acked), len(pusher.answers)
        # each of them after a wait of ten seconds would be too late
        until(lambda: len(pusher.answers) > before + 20, 30, "refusals at once, not after a wait")
        until(lambda: len(live.values) > seen + 50, what="the live view going on")
        until(lambda: readiness(server)["dropped_readings"], 60, "the end of the spool")
        assert len(pusher.acked) == acked, "something was acknowledged on a full disk"
        assert metric(server, "labmon_dropped_readings_total") > 0
        assert metric(server, "labmon_store_pending_bytes") < 1 << 20
        disk.resize("64m")
        until(lambda: readiness(server)["ready"], 60, "the recovery")
        until(lambda: len(pusher.acked) > acked + 200, what="acknowledgements again")
        until(reserve.exists, 60, "a new reserve")
        assert readiness(server)["ready"]
        assert memory_mib(server) < 300
    watch.check()
    code, took_s = server.end()
    assert (code, took_s < 5.0) == (0, True)
    assert sum("gives up its own reserve" in line for line in server.lines) == 1
    said = [line for line in server.lines if "the store takes" in line]
    assert [("no data" in line) for line in said] == [True, False], "each said once"
    said = [line for line in server.lines if "dropped" in line]
    assert len(said) == 2, "the beginning and the end of what is dropped, each said once"
    server.start()
    pusher.verify()

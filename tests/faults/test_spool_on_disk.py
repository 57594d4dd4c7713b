"""The database is away, and labmon is killed or stopped meanwhile: what waited on disk is kept."""

import itertools
import signal

import pytest

from tests.conftest import until
from tests.faults.load import Live, Pusher, metric, readiness
from tests.faults.mongodb_server import CONFIG, Database

pytestmark = pytest.mark.long


@pytest.fixture
def database(tmp_path):
    with Database.running(tmp_path / "database") as database:
        yield database


@pytest.fixture
def server(server_process, database):
    server = server_process(CONFIG.format(url=database.url))
    server.start()
    return server


def recorded(server, path="many/c7"):
    """The counts of polls that are recorded, without gaps, in the order of time."""
    query = f"stream={path}&start=0&end=4e9&granularity=raw"
    columns = server.get(f"/api/v1/data?{query}")["streams"][0]
    return [value for value in columns["v"] if value is not None]


def runs(counts):
    """The polls of each start: a driver begins to count with 1."""
    starts = [at for at, count in enumerate(counts) if count == 1]
    return [counts[first:end] for first, end in itertools.pairwise([*starts, len(counts)])]


def spool_files(server):
    return list((server.data / "spool").glob("*.spool"))


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_waited_on_disk_is_there_after_a_kill_or_a_stop_without_the_database(
    server, database, tmp_path, how
):
    with Pusher(server, tmp_path / "acks") as pusher, Live(server, "many/c7") as live:
        until(lambda: len(pusher.acked) > 40 and live.values, 30, "the load")
        database.kill()
        until(lambda: not readiness(server)["ready"], 20, "the absence being noticed")
        until(lambda: metric(server, "labmon_spool_disk_readings") > 3000, 40, "the spool")
        assert metric(server, "labmon_spool_disk_bytes") > 10_000
        assert metric(server, "labmon_spool_oldest_timestamp_seconds") > 1.6e9
        assert any("wait on disk" in warning for warning in readiness(server)["warnings"])
        on_disk = metric(server, "labmon_spool_disk_readings")
        until(lambda: metric(server, "labmon_spool_disk_readings") > on_disk, 20, "the next record")
        if how == "kill":
            server.end(signal.SIGKILL)
        else:
            code, took_s = server.end()
            assert (code, took_s < 5.0) == (0, True), server.output
    seen = live.values
    assert spool_files(server)
    database.start()
    server.start(timeout_s=60)
    until(lambda: not spool_files(server), 30, "the spool being recorded")
    until(lambda: len(runs(recorded(server))) == 2, 20, "the next start's polls")
    before, _ = runs(recorded(server))
    assert before == list(range(1, len(before) + 1)), "each poll once, none missing"
    lost = len(seen) - len(before) if how == "kill" else 0
    assert lost < 150, "a kill may take what was not on disk yet: some seconds"
    if how == "stop":
        assert len(before) >= seen[-1]
    assert metric(server, "labmon_dropped_readings_total") == 0
    assert readiness(server)["warnings"] == []
    server.end()
    server.start(timeout_s=60)
    assert runs(recorded(server))[0] == before
    pusher.verify()


def test_killed_while_the_database_is_stopped_and_goes_on_later(server, database, tmp_path):
    """What a killed labmon has asked of a stopped database may land at any time."""
    with Pusher(server, tmp_path / "acks") as pusher:
        until(lambda: len(pusher.acked) > 40, 30, "the load")
        database.send(signal.SIGSTOP)
        try:
            until(lambda: metric(server, "labmon_spool_disk_readings") > 3000, 40, "the spool")
            server.end(signal.SIGKILL)
        finally:
            database.send(signal.SIGCONT)
    server.start(timeout_s=60)
    until(lambda: not spool_files(server), 30, "the spool being recorded")
    for _ in range(2):
        before = runs(recorded(server))[0]
        assert before == list(range(1, len(before) + 1)), "each poll once, none missing"
        server.end()
        server.start(timeout_s=60)
    pusher.verify()


def test_the_spool_does_not_outgrow_what_it_may_take(server_process, database):
    config = "recording: {spool_mib: 0.25, spool_disk_mib: 0.5, commit_readings: 100}\n"
    server = server_process(config + CONFIG.format(url=database.url))
    server.start()
    # killed while it makes its tables, the database of the tests does not start again
    until(lambda: len(recorded(server)) > 60, 60, "the first polls")
    database.kill()
    until(lambda: metric(server, "labmon_dropped_readings_total") > 0, 100, "the limit")
    assert metric(server, "labmon_spool_disk_bytes") < 0.7 * (1 << 20)
    database.start()
    until(lambda: readiness(server)["ready"], 30, "the recovery")
    until(lambda: not spool_files(server), 30, "the spool being recorded")
    counts = recorded(server)
    missing = [
        after - before for before, after in itertools.pairwise(counts) if after != before + 1
    ]
    assert len(missing) == 1, "one gap, of the oldest"
    assert missing[0] > 1
    server.end()

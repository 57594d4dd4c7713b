"""The database server is stopped, or killed and started again, under load."""

import signal

import pytest

from tests.conftest import until
from tests.faults.load import Live, Pusher, Watch, lag_p90_s, memory_mib, metric, readiness
from tests.faults.mongodb_server import CONFIG, Database
from tests.faults.slow_proxy import SlowProxy

pytestmark = pytest.mark.alone


@pytest.fixture
def database(tmp_path):
    with Database.running(tmp_path / "database") as database:
        yield database


@pytest.fixture
def server(server_process, database):
    server = server_process(CONFIG.format(url=database.url))
    server.start()
    return server


def trouble(pusher, live, server, break_it, mend_it, stays_s=0.0):
    """Break the database under load, see that all but recording goes on, and mend it."""
    acked = len(pusher.acked)
    until(lambda: len(pusher.acked) > acked + 40 and live.values, 60, "the load")
    break_it()
    acked, seen = pusher.acked_or_on_its_way(), len(live.values)
    try:
        until(lambda: not readiness(server)["ready"], 60, "the database's absence being noticed")
        until(lambda: len(live.values) > seen + 20 * (1 + stays_s), 90, "the live view going on")
        assert pusher.acked <= acked, "acknowledged without a database"
        assert metric(server, "labmon_store_pending_bytes") > 0
    finally:
        mend_it()
    until(lambda: readiness(server)["ready"], 60, "the recovery")
    acked = len(pusher.acked)
    until(lambda: len(pusher.acked) > acked + 40, 60, "acknowledgements again")
    assert memory_mib(server) < 300


@pytest.mark.parametrize("stays_s", [0, pytest.param(60, marks=pytest.mark.long)])
def test_a_stopped_database_holds_up_recording_alone_and_not_the_end(
    server, database, tmp_path, stays_s
):
    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        trouble(
            *(pusher, live, server),
            lambda: database.send(signal.SIGSTOP),
            lambda: database.send(signal.SIGCONT),
            stays_s,
        )
        watch.check()
        database.send(signal.SIGSTOP)
        try:
            code, took_s = server.end()
        finally:
            database.send(signal.SIGCONT)
    assert (code, took_s < 5.0) == (0, True), server.output
    server.start(timeout_s=60)
    pusher.verify()


def test_a_killed_database_that_comes_back_has_lost_and_doubled_nothing(server, database, tmp_path):
    def kill():
        database.kill()

    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        trouble(pusher, live, server, kill, database.start)
    watch.check()
    server.end()
    server.start()
    pusher.verify()


@pytest.fixture
def proxy(database):
    proxy = SlowProxy(database.port)
    yield proxy
    proxy.close()


def test_a_slow_database_slows_recording_down_and_nothing_else(
    server_process, database, proxy, tmp_path, request
):
    """200 ms each way, then longer than any operation may take, so that writes land unheard.

    `directConnection`: else the database says where it really is, and the proxy is passed by.
    """
    server = server_process(CONFIG.format(url=f"mongodb://127.0.0.1:{proxy.port}"))
    request.addfinalizer(server.close)  # before the proxy goes
    server.start()
    with (
        Pusher(server, tmp_path / "acks") as pusher,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        until(lambda: len(pusher.acked) > 40 and live.values, 60, "the load")
        proxy.delay_s = 0.2
        acked, seen = len(pusher.acked), len(live.values)
        until(lambda: len(live.values) > seen + 40, what="the live view at its rate")
        until(lambda: len(pusher.acked) > acked + 60, 60, "acknowledgements, slowly")
        assert readiness(server)["ready"]
        trouble(
            *(pusher, live, server),
            lambda: setattr(proxy, "delay_s", 6.0),
            lambda: setattr(proxy, "delay_s", 0.0),
        )
        assert lag_p90_s(server) <= 0.1
    watch.check()
    server.end()
    server.start(timeout_s=60)
    pusher.verify()

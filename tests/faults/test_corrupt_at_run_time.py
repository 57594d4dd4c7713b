"""The database file is damaged while it is written: set aside, and nothing acknowledged is lost."""

import pytest

from labmon import datastream
from labmon.datastream.upkeep import trim
from tests.faults.damaging import SEQS, append, fill, found_in, overwrite, overwrite_bodies
from tests.faults.load import Live, Pusher, Watch, metric, readiness
from tests.faults.numbered import judge, time_ns

CONFIG = """\
devices:
  many: {driver: "tests.faults.odd_drivers:Many", period_s: 0.05}
"""
AFTER = 400


def check(found, acked_from, least):
    """All that was written since the damage is there, `least` of the rest, and nothing wrong."""
    acked = {number: set(range(acked_from, SEQS + AFTER)) for number in found}
    report = judge(found, acked, {number: set(range(SEQS + AFTER)) for number in found})
    assert (report.lost, report.dup, report.extra) == (0, 0, 0)
    assert report.found >= least
    for values in found.values():
        assert values == sorted(values)


async def damaged(path, damage, least):
    """Damage some pages under a writing engine, go on, open it again; nothing new is lost."""
    url = f"sqlite:///{path}"
    async with datastream.open(url, seal_datapoints=64) as streams:
        await fill(streams)
        node = streams.node
        damage()
        streams._engine.blocks.clear()
        await found_in(streams)  # somebody looks at the history, and so it is noticed
        await append(streams, range(SEQS, SEQS + AFTER))
        assert list(path.parent.glob("labmon.db.corrupt.*"))
        assert any("set aside" in each for each in streams.damage)
        assert streams.is_healthy
        check(await found_in(streams), SEQS, least)
    async with datastream.open(url, seal_datapoints=64) as streams:
        assert streams.node == node
        check(await found_in(streams), SEQS, least)


async def test_damage_of_some_blocks_leaves_the_others_readable(tmp_path):
    path = tmp_path / "labmon.db"
    await damaged(path, lambda: overwrite_bodies(path, 2), 2 * SEQS)


async def test_damage_of_the_first_pages_loses_what_they_lead_to_and_nothing_later(tmp_path):
    path = tmp_path / "labmon.db"
    await damaged(path, lambda: overwrite(path, 3, 50), 0)


@pytest.mark.parametrize("is_noticed", [True, False], ids=["in-upkeep", "at-the-end"])
@pytest.mark.usefixtures("nobody_looks_after_it")
async def test_what_was_not_yet_in_blocks_is_said_again_from_memory(tmp_path, is_noticed):
    """All streams, and their newest datapoints, are in the new file, whatever the old one has."""
    path = tmp_path / "labmon.db"
    url = f"sqlite:///{path}"
    async with datastream.open(url, seal_datapoints=100_000) as streams:
        await fill(streams)
        size = path.stat().st_size
        overwrite(path, 0, size // 4096 + 1)  # every page
        if is_noticed:
            await trim(streams._engine, time_ns(0) * 2)
        await append(streams, range(SEQS, SEQS + AFTER))
        assert any(path.parent.glob("labmon.db.corrupt.*")) == is_noticed
    assert any(path.parent.glob("labmon.db.corrupt.*"))
    async with datastream.open(url, seal_datapoints=100_000) as streams:
        found = await found_in(streams)
        assert all(len(values) == SEQS + AFTER for values in found.values())
        check(found, 0, 0)


@pytest.mark.alone
def test_a_server_goes_on_while_its_database_is_overwritten(server_process, tmp_path, until):
    server = server_process(CONFIG)
    server.start()
    with Pusher(server, tmp_path / "acks", batch=250) as pusher:
        until(lambda: len(pusher.acked) > SEQS, 120, what="some history")
    server.end()  # all of it stands in the database file now
    server.start()
    with (
        Pusher(server, tmp_path / "acks2") as second,
        Live(server, "many/c0") as live,
        Watch(server) as watch,
    ):
        second.next = pusher.next
        until(lambda: len(second.acked) > 50 and live.values, what="the load")
        overwrite(server.data / "labmon.db", 3, 50)

        def is_set_aside():
            server.get("/api/v1/data?stream=load/*&start=0&end=%2B1d")
            return list(server.data.glob("labmon.db.corrupt.*"))

        until(is_set_aside, 60, "the damage being noticed")
        acked, seen = len(second.acked), len(live.values)
        until(lambda: len(second.acked) > acked + 100, what="acknowledgements")
        until(lambda: len(live.values) > seen + 10, what="the live view")
        until(lambda: not metric(server, "labmon_store_salvage_files"), 60, "the salvage")
        said = readiness(server)
        assert (said["ready"], said["degraded"]) == (True, True)
        assert any("was set aside" in warning for warning in said["warnings"])
        assert metric(server, "labmon_store_set_aside_files") == 1
        assert metric(server, "labmon_store_warnings") >= 1
    watch.check()
    server.end()
    assert sum("was set aside" in line for line in server.lines) == 1
    server.start()
    second.verify(sent=range(second.next))

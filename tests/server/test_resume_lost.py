"""After a crash: what viewers saw and no disk holds is taken back, and nothing else."""

import shutil

import pytest

from labmon.datastream.spool import Spool
from labmon.datastream.spool_file import Head
from labmon.datastream.spool_record import SpoolRecord, encode_record
from labmon.web.wire import seconds


def keep(spool, node, batches):
    """Leave readings on disk, as a server does that is killed while its store is away."""
    epoch = node.hub.epoch
    record = encode_record(SpoolRecord(node.hub.node, epoch, batches))
    first, last = batches[0], batches[-1]
    count = sum(map(len, batches))
    head = Head(len(record), count, 0, epoch, first.seq, last.last_seq, first.time_ns)
    spool.open()
    spool.write(head, record)
    spool.close()


@pytest.fixture
async def crash(make_node, tmp_path, eventually):
    """A function: crashes a node whose last readings a viewer saw, but no disk.

    It gives the node after the crash, the cursor of the viewer and the last durable batch.
    """

    async def crash(spooled=0):
        """Of what only the viewer saw, so many batches waited on disk."""
        folder = tmp_path / "crashed"
        folder.mkdir()
        node = await make_node(f"sqlite:///{tmp_path}/labmon.db")
        for number in range(10):
            node.publish(("lab/a", number))
        last = node.publish(("lab/a", 10), ("lab/b", 0))
        await node.recorder.flush()
        for file in tmp_path.glob("labmon.db*"):
            if "lock" not in file.name:
                shutil.copy(file, folder / file.name)
        socket = await node.socket()
        await socket.subscribe("lab/*")
        await eventually(lambda: node.live.topics)
        seen = [node.publish(("lab/a", 11), ("lab/b", 1), ("lab/new", 2))]
        if spooled:
            seen.append(node.publish(("lab/a", 12)))
        got = []
        while len(got) < sum(map(len, seen)):
            message = await socket.next("readings")
            got += message["readings"]
        await node.stop()
        spool = Spool(folder / "spool", 1 << 30)
        if spooled:
            keep(spool, node, seen[:spooled])
        again = await make_node(f"sqlite:///{folder}/labmon.db", spool=spool)
        return again, message["cursor"], seen[spooled - 1] if spooled else last

    return crash


async def test_what_never_became_durable_is_taken_back(crash):
    crashed, cursor, last = await crash()
    after = crashed.publish(("lab/a", 12))
    await crashed.recorder.flush()
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    lost = await socket.receive()
    assert lost["type"] == "lost"
    assert lost["streams"] == {
        "lab/a": seconds(last.time_ns),
        "lab/b": seconds(last.time_ns),
    }
    message = await socket.next("readings")
    assert message["readings"] == [["lab/a", seconds(after.time_ns), 12, 0]]
    assert "lab/new" not in lost["streams"]
    socket.close()


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("is_durable", [True, False])
async def test_what_is_durable_stays_whatever_times_come_after_a_crash(crash, is_durable, restarts):
    """A clock that was set back, and readings of an hour ago pushed from outside."""
    crashed, cursor, last = await crash()
    behind = [
        crashed.publish(("lab/a", 12), time_ns=last.time_ns - 10**9),
        crashed.publish(("lab/b", 13), time_ns=last.time_ns - 3600 * 10**9),
        crashed.publish(("lab/a", 14)),
    ]
    if is_durable:
        await crashed.recorder.flush()
    for _ in range(restarts):
        await crashed.restart()
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    lost = await socket.receive()
    assert lost["type"] == "lost"
    durable_s = seconds(last.time_ns)
    assert lost["streams"] == {"lab/a": durable_s, "lab/b": durable_s}
    got = []
    while len(got) < len(behind):
        got += (await socket.next("readings"))["readings"]
    assert [(path, t, value) for path, t, value, _ in got] == [
        (batch.paths[0], seconds(batch.time_ns), batch.values[0]) for batch in behind
    ]
    socket.close()


@pytest.mark.parametrize("spooled", [1, 2])
async def test_what_waited_on_disk_is_not_taken_back(crash, spooled, monkeypatch):
    monkeypatch.setattr("labmon.spooling.LOOK_S", 0.01)
    crashed, cursor, last = await crash(spooled)
    after = crashed.publish(("lab/a", 13))
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    if spooled == 1:  # the second batch was in memory alone
        lost = await socket.receive()
        assert lost["type"] == "lost"
        assert lost["streams"] == dict.fromkeys(last.paths, seconds(last.time_ns))
    message = await socket.receive()
    assert message["type"] == "readings"
    assert message["readings"] == [["lab/a", seconds(after.time_ns), 13, 0]]
    for path, value in zip(last.paths, last.values, strict=True):
        kept = await crashed.get(f"/api/v1/data?stream={path}&start=0&end=4e9&granularity=raw")
        assert kept["streams"][0]["v"].count(value) == 1
    socket.close()


async def test_what_is_pushed_for_a_stream_of_the_past_takes_nothing_back(crash):
    crashed, cursor, last = await crash()
    crashed.publish(("lab/past", 1), time_ns=last.time_ns - 3600 * 10**9)
    await crashed.recorder.flush()
    socket = await crashed.socket()
    await socket.subscribe("lab/*", after=cursor)
    durable_s = seconds(last.time_ns)
    lost = await socket.receive()
    assert lost["streams"] == {"lab/a": durable_s, "lab/b": durable_s, "lab/past": None}
    socket.close()

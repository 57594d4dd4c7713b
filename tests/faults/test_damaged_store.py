"""Stores that were damaged, filled up or made to fail: never a wrong value, the rest readable."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import StoreError, StoreUnavailable
from tests.bodies import change_body

COUNT = 640


async def fill(path, count=COUNT, first=0):
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.append_array(stream, np.arange(first, first + count), np.arange(float(count)))


async def read(path):
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        stream = streams.stream_id("w/a")
        if stream is None:
            assert streams.damage
            return np.empty(0), np.empty(0), {}, streams.damage
        found = await streams.get_arrays(stream, "raw", 0, 2**62)
        rows = await streams.get_arrays(stream, "days", 0, 2**62, ["count", "sum"])
        return found["t"], found["v"], rows, streams.damage


def flipped(body):
    changed = bytearray(body)
    changed[len(body) // 2] ^= 0x10
    return bytes(changed)


async def test_a_damaged_block_is_reported_and_the_rest_stays_readable(tmp_path, caplog):
    path = tmp_path / "labmon.db"
    await fill(path)
    connection = sqlite3.connect(path)
    change_body(connection, 3, flipped)
    connection.close()
    t, v, rows, damage = await read(path)
    np.testing.assert_array_equal(t, v)
    assert len(t) == COUNT - 64
    assert rows["count"].tolist() == [COUNT - 64]
    assert len(damage) == 1
    assert "block 1/r/128/0" in damage[0]
    assert any("damaged" in record.message for record in caplog.records)


async def test_a_damaged_journal_entry_is_set_aside_and_what_follows_is_kept(tmp_path):
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        for i in range(5):
            await streams.append(stream, float(i), i)
            await streams.commit()
    connection = sqlite3.connect(path)
    position, body = connection.execute("SELECT position, body FROM journal").fetchall()[2]
    body = body[:-1] + bytes([body[-1] ^ 1])
    connection.execute("UPDATE journal SET body = ? WHERE position = ?", (body, position))
    connection.commit()
    connection.close()
    for _ in range(3):  # the second time, the journal has been written anew
        t, v, _, _ = await read(path)
        assert t.tolist() == v.tolist() == [0, 1, 3, 4]
    await fill(path, 64, 5)
    t, *_ = await read(path)
    assert len(t) == 68


async def test_torn_and_damaged_files_never_give_wrong_values(tmp_path):
    original = tmp_path / "original"
    original.mkdir()
    await fill(original / "labmon.db")
    async with datastream.open(f"sqlite:///{original}/labmon.db", seal_datapoints=64) as streams:
        stream = streams.stream_id("w/a")
        for i in range(20):  # leave something in the WAL and in the journal
            await streams.append(stream, float(COUNT + i), COUNT + i)
        await streams.commit()
        live = tmp_path / "live"
        shutil.copytree(original, live)
    seed = random.randrange(10**6)
    print("seed", seed)
    dice = random.Random(seed)
    opened = 0
    for round_ in range(40):
        copy = tmp_path / f"copy{round_}"
        shutil.copytree(live, copy)
        (copy / "labmon.db-shm").unlink(missing_ok=True)
        _damage(copy / dice.choice(["labmon.db", "labmon.db-wal"]), dice)
        try:
            t, v, *_ = await read(copy / "labmon.db")
        except StoreError:
            continue
        opened += 1
        np.testing.assert_array_equal(t, v)
        assert len(np.unique(t)) == len(t)
    assert opened > 10, "most damage is survived"


def _damage(path, dice):
    data = bytearray(path.read_bytes())
    if not data:
        return
    kind = dice.randrange(3)
    at = dice.randrange(len(data))
    if kind == 0:
        data = data[:at]
    elif kind == 1:
        data[at] ^= 1 << dice.randrange(8)
    else:
        data[at : at + 512] = dice.randbytes(min(512, len(data) - at))
    path.write_bytes(data)


class FailsAt(MemoryBackend):
    """Fails the n-th write, once before and once after it was done."""

    def __init__(self, n, *, is_done):
        super().__init__()
        self.left = n
        self._is_done = is_done

    async def apply(self, change):
        self.left -= 1
        if self.left == 0 and not self._is_done:
            raise StoreUnavailable("failed before it was written")
        await super().apply(change)
        if self.left == 0:
            raise StoreUnavailable("it was written, but nobody was told")


@pytest.mark.parametrize("is_done", [False, True])
async def test_a_write_that_fails_at_any_point_is_made_up_for(is_done, caplog):
    for n in range(2, 40):
        backend = FailsAt(n, is_done=is_done)
        async with datastream.open(backend, seal_datapoints=16, commit_interval_s=0) as streams:
            stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
            for i in range(100):
                await streams.append(stream, float(i), i * 10**8)
                if i % 5 == 0:
                    await streams.commit()
            await streams._engine.sealer.idle()
        was_reached, backend.left = backend.left <= 0, 0
        async with datastream.open(backend, seal_datapoints=16) as streams:
            found = await streams.get_arrays(stream, "raw", 0, 2**62)
            assert found["v"].tolist() == [float(i) for i in range(100)]
            rows = await streams.get_arrays(stream, "seconds", 0, 2**62, ["count"])
            assert rows["count"].tolist() == [10] * 10
        if not was_reached:
            break
    assert n > 20


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_a_full_disk_stops_acknowledgements_and_heals_by_itself(tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(  # noqa: ASYNC221
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        await _fill_the_disk(mount)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)  # noqa: ASYNC221


async def _committed(streams):
    """Wait until all is durable, or the store says that it takes nothing."""
    commit = asyncio.create_task(streams.commit())
    while streams.is_healthy and not commit.done():
        await asyncio.wait([commit], timeout=0.02)
    is_done = commit.done() or not commit.cancel()
    await asyncio.wait([commit])
    return is_done


async def _fill_the_disk(mount):
    async with datastream.open(f"sqlite:///{mount}/labmon.db", seal_datapoints=4096) as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        acked, i = -1, 0
        values = np.random.default_rng(1)
        sent = []
        while streams.is_healthy and i < 200_000:
            for value in values.normal(size=500).tolist():
                sent.append(value)
                await streams.append(stream, value, i)
                i += 1
            if not await _committed(streams):
                break
            acked = i
        assert 0 < acked < 200_000
        assert "full" in streams.last_error
        await streams.append(stream, 1.5, i)  # live goes on
        assert streams.latest(stream)[1] == 1.5
        found = await streams.get_arrays(stream, "raw", 0, 2**62)
        assert found["v"].tolist() == [*sent, 1.5]
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)  # noqa: ASYNC221
        await asyncio.wait_for(streams.commit(), 30)
        assert streams.is_healthy
    async with datastream.open(f"sqlite:///{mount}/labmon.db") as streams:
        found = await streams.get_arrays(stream, "raw", 0, 2**62)
        assert found["v"].tolist() == [*sent, 1.5]

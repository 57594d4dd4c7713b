"""What is durable in blocks is sealed once, whatever goes wrong behind it or beside it."""

import asyncio
import contextlib
import threading

import pytest

from labmon import datastream
from labmon.datastream import sealing
from labmon.datastream.backends.memory import MemoryBackend
from labmon.reading import Batch

SECOND = 1_000_000_000


class SlowStart(MemoryBackend):
    """Reads how far streams are derived only once blocks were written, or after a while."""

    def __init__(self):
        super().__init__()
        self.is_slow = False
        self.sealed = asyncio.Event()

    async def apply(self, change):
        await super().apply(change)
        if self.is_slow and change.blocks:
            self.sealed.set()

    async def read_cursors(self, prefix=""):
        if self.is_slow and not prefix.startswith("engine/"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.sealed.wait(), 0.2)
        return await super().read_cursors(prefix)


async def values(streams, path):
    found = await streams.get_arrays(streams.stream_id(path), "raw", 0, 2**62)
    return found["v"].tolist()


async def test_a_start_that_is_slow_to_derive_seals_nothing_twice(clock):
    backend = SlowStart()
    right = [float(i) for i in range(6)]
    async with datastream.open(backend, clock=clock, seal_datapoints=64) as streams:
        source = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        await streams.ensure_stream({"path": "z"}, {}, ["mean"], "raw", [source], "scale", {"a": 2})
        for i in range(6):
            await streams.append(source, float(i), i * SECOND)
    backend.is_slow = True
    for _ in range(3):
        async with datastream.open(backend, clock=clock, seal_datapoints=4) as streams:
            await streams._engine.sealer.idle()
            assert await values(streams, "w/a") == right
            assert streams.describe(streams.stream_id("w/a"))["count"] == 6


class Stumbles:
    """A follower with a bug: it raises the first time."""

    def __init__(self):
        self.calls = 0

    def arrived(self):
        """Not of interest."""

    def keep(self, _stream, _count):
        self.calls += 1
        if self.calls == 1:
            raise KeyError("a bug")

    def rewound(self, _stream, _time_ns):
        """Not of interest."""


@pytest.mark.parametrize("others", [0, 3])
async def test_a_bug_behind_the_write_seals_nothing_twice(clock, others):
    backend = MemoryBackend()
    async with datastream.open(backend, clock=clock, seal_datapoints=64) as streams:
        paths = ["w/a", *(f"w/{n}" for n in range(others))]
        for path in paths:
            await streams.ensure_stream({"path": path}, {}, ["mean"], "raw")
            for i in range(6):
                await streams.append(streams.stream_id(path), float(i), i * SECOND)
        engine, stumbles = streams._engine, Stumbles()
        engine.catalogue.get(streams.stream_id("w/a")).follow(stumbles)
        engine.sealer.size = 4
        await streams.commit()
        engine.sealer.look_at([stream.number for stream in engine.catalogue])
        async with asyncio.timeout(30):
            while any(stream.head.length >= 4 for stream in engine.catalogue):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for path in paths:
            assert await values(streams, path) == [float(i) for i in range(6)]
    async with datastream.open(backend, clock=clock) as streams:
        for path in paths:
            assert await values(streams, path) == [float(i) for i in range(6)]


async def test_a_stream_that_is_removed_while_it_is_sealed_leaves_nothing(
    streams, backend, monkeypatch
):
    removed, is_at_it, real = threading.Event(), asyncio.Event(), sealing._split_and_encode
    loop = asyncio.get_running_loop()

    def wait_and_encode(*args):
        loop.call_soon_threadsafe(is_at_it.set)
        assert removed.wait(30)
        return real(*args)

    monkeypatch.setattr(sealing, "_split_and_encode", wait_and_encode)
    for path in ("w/gone", "w/stays"):
        await streams.ensure_stream({"path": path}, {}, ["mean"], "raw")
    batches = [
        Batch("w", i * SECOND, ("w/gone", "w/stays"), (float(i), float(i)), bytes(2))
        for i in range(64)
    ]
    for batch in batches:
        await streams.append_batch(batch)
    await streams.commit()
    await is_at_it.wait()
    await streams.delete_streams({"path": "w/gone"})
    removed.set()
    await streams._engine.sealer.idle()
    blocks = {outline.key.stream for change in backend.asked for outline in _raw(change)}
    assert blocks == {streams._engine.catalogue.at("w/stays").number}
    assert await values(streams, "w/stays") == [float(i) for i in range(64)]


def _raw(change):
    return [row.outline for row in change.blocks if row.outline.key.granularity == "r"]

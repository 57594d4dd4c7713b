"""What streams take on disk: counted once for all who ask, and nobody waits for long."""

import asyncio

import pytest

from labmon.datastream import sizes
from labmon.datastream.backends.base import StreamSize
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import StoreUnavailable

PATIENCE_S = 30
ONE = {1: StreamSize(10, 0, 0.0, 4)}


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Who asks waits for a count that is only slow."""
    monkeypatch.setattr(sizes, "WAIT_S", PATIENCE_S)


class Counting(MemoryBackend):
    """Says how often it was asked; answers when it is told to."""

    def __init__(self):
        super().__init__()
        self.asked = 0
        self.goes_on = asyncio.Event()

    async def read_sizes(self):
        self.asked += 1
        await self.goes_on.wait()
        return ONE


async def test_they_are_counted_once_for_all_who_ask(monkeypatch):
    backend = Counting()
    found = sizes.Sizes(backend)
    backend.goes_on.set()
    assert await asyncio.gather(found.of_all(), found.of_all()) == [ONE, ONE]
    assert await found.of_all() == ONE
    assert backend.asked == 1
    monkeypatch.setattr(sizes, "FRESH_S", 0)
    monkeypatch.setattr(sizes, "REST", 0)
    found._due_s = 0.0
    await found.of_all()
    await found.of_all()
    assert backend.asked == 3


async def test_nobody_waits_for_long_and_the_last_count_is_told_meanwhile(monkeypatch):
    monkeypatch.setattr(sizes, "WAIT_S", 0.001)
    backend = Counting()
    found = sizes.Sizes(backend)
    assert await found.of_all() is None
    assert await found.of_all() is None
    assert backend.asked == 1
    backend.goes_on.set()
    monkeypatch.setattr(sizes, "WAIT_S", PATIENCE_S)
    assert await found.of_all() == ONE
    monkeypatch.setattr(sizes, "WAIT_S", 0.001)
    backend.goes_on.clear()
    found._due_s = 0.0
    assert await found.of_all() == ONE
    assert backend.asked == 2
    await found.stop()


async def test_a_store_that_is_away_is_asked_again_later(monkeypatch):
    class Away(Counting):
        async def read_sizes(self):
            if self.goes_on.is_set():
                return await super().read_sizes()
            raise StoreUnavailable("away")

    backend = Away()
    found = sizes.Sizes(backend)
    assert await found.of_all() is None
    backend.goes_on.set()
    assert await found.of_all() is None
    found._due_s = 0.0
    assert await found.of_all() == ONE
    await found.stop()


async def test_they_are_told_by_id_of_what_is_sealed(streams):
    stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    await streams.ensure_stream({"path": "w/b"}, {}, ["mean"], "raw")
    count = 3 * streams._engine.sealer.size
    await streams.append_array(stream, range(count), [float(i % 7) for i in range(count)])
    await streams.commit()
    await streams._engine.sealer.idle()
    (found,) = (await streams.get_sizes()).items()
    assert found[0] == stream
    assert found[1].datapoints == count
    assert 0 < found[1].bytes_per_datapoint < 30

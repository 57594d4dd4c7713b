"""What of a server records, on a store that can be away and a spool that outlives it."""

import asyncio

import numpy as np

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import StoreUnavailable
from labmon.datastream.spool import Spool
from labmon.hub import Hub
from labmon.reading import Batch
from labmon.recorder import Recorder

MEMORY = 64 * 400
DISK = 1 << 20
PATHS = ("gauge/a", "gauge/b")


class AwayBackend(MemoryBackend):
    """A store that can be away, and whose answers can be lost."""

    is_away = False
    is_mute = False

    async def apply(self, change):
        if self.is_away:
            raise StoreUnavailable("it is away")
        await super().apply(change)
        if self.is_mute:
            raise StoreUnavailable("the answer is lost")


class Server:
    """What of a server records, on a store and a folder that outlive it."""

    def __init__(self, backend, folder, disk=DISK):
        self.backend = backend
        self.folder = folder
        self.disk = disk

    async def start(self):
        self.store = datastream.open(self.backend, commit_interval_s=0.001)
        await self.store.start()
        self.spool = Spool(self.folder, self.disk, lambda _: 1 << 40)
        self.spool.open()
        self.recorder = Recorder(self.store, MEMORY, self.spool)
        self.hub = Hub(self.store.node, self.store.epoch, self.recorder.record)
        self.recorder.start()
        return self

    async def publish(self, first, last, *, paced=True):
        """Readings whose values are their times; memory has room for them where that is asked."""
        for i in range(first, last):
            self.hub.publish(Batch("gauge", i, PATHS, (float(i), -float(i)), bytes(2)))
            await asyncio.sleep(0)
            if paced:
                await until(lambda: self.recorder.waiting_bytes < MEMORY // 2)

    async def kill(self):
        """End without a word."""
        engine = self.store._engine
        for task in (
            *(self.recorder._task, self.recorder._saving, engine._upkeep, engine._care),
            *(engine.deriver._task, engine.sealer._task, engine.journal._task),
        ):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self.spool.close()
        await engine.backend.close()

    async def stop(self, within_s=30.0):
        try:
            await asyncio.wait_for(self.recorder.stop(), within_s)
        finally:
            await self.store.close(0.01)

    async def values(self, path="gauge/a"):
        found = await self.store.get_arrays(self.store.stream_id(path), "raw", 0, 10**12)
        assert "quality" not in found or not np.any(found["quality"]), "nothing counts as late"
        return found["v"].tolist()


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it is a condition of any kind
            await asyncio.sleep(0.005)


def saved(server):
    """Whether all that is not durable is on disk."""

    def is_saved():
        last = server.spool.frames[-1].head if server.spool.frames else None
        here = (server.store.epoch, server.hub.last_seq)
        return last is not None and (last.epoch, last.last_seq) == here

    return is_saved


async def settled(server):
    """Wait until nothing waits, and nothing is in the spool any more."""
    recorder, spool = server.recorder, server.spool
    await recorder.flush()
    await until(
        lambda: not (recorder.waiting_readings or spool.frames or any(spool.folder.glob("*.spool")))
    )
    assert recorder.dropped_readings == 0


def expected(last, sign=1.0):
    return [sign * i for i in range(1, last)]

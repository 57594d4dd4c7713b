"""Stores for the contract suites: every test runs once for every backend."""

import asyncio
import uuid

import pytest

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.backends.mongodb import MongodbBackend
from labmon.datastream.backends.sqlite import SqliteBackend
from tests.stepped_clock import SteppedClock


class Store:
    """One store that can be opened again, as after a restart."""

    def __init__(self, make):
        self._make = make

    def backend(self):
        """A backend that is not open, on the same data as the one before."""
        return self._make()


def _memory(request):
    backend = MemoryBackend()
    return Store(lambda: backend)


def _sqlite(request):
    path = request.getfixturevalue("tmp_path") / "data" / "labmon.db"
    return Store(lambda: SqliteBackend(path))


def _mongodb(request):
    url = f"{request.getfixturevalue('mongodb_server')}/test_{uuid.uuid4().hex}"
    return Store(lambda: MongodbBackend(url))


STORES = {"memory": _memory, "sqlite": _sqlite, "mongodb": _mongodb}


@pytest.fixture(params=STORES)
def store(request):
    return STORES[request.param](request)


@pytest.fixture
def clock():
    return SteppedClock()


class Opener:
    """Opens the same store again and again; whatever was open before is closed first."""

    def __init__(self, store, clock):
        self._store = store
        self._clock = clock
        self._current = None

    async def __call__(self, **options):
        await self.close(30)  # whatever the machine does meanwhile, nothing may be lost
        options = {"clock": self._clock, "seal_datapoints": 64, **options}
        self._current = datastream.open(self._store.backend(), **options)
        await self._current.start()
        return self._current

    async def close(self, flush_s=3):
        if self._current is not None:
            await self._current.close(flush_s)
            self._current = None

    async def kill(self):
        """Stop without a word, as a killed process does: nothing more is written."""
        engine, self._current = self._current._engine, None
        tasks = (engine._upkeep, engine.deriver._task, engine.sealer._task, engine.journal._task)
        for task in tasks:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await engine.backend.close()


@pytest.fixture
async def opened(store, clock):
    """`await opened()` opens the store, or opens it again; `await opened.kill()` kills it."""
    opener = Opener(store, clock)
    yield opener
    await opener.close()


@pytest.fixture
async def streams(opened):
    """An open datastream that makes blocks of 64 datapoints."""
    return await opened()

"""MongoDB has no transactions: whichever write is the last before a kill, the store is whole."""

import asyncio
import random
import uuid

import pytest

from labmon.datastream import sealing
from labmon.datastream.backends.base import Change
from labmon.datastream.backends.mongodb import MongodbBackend
from labmon.datastream.exceptions import StoreUnavailable
from tests.contract.conftest import Opener, Store
from tests.contract.recorded import NUMBERS, Checker, Recorded

SECOND = 1_000_000_000


class Killed(MongodbBackend):
    """Nothing reaches the database any more after so many writes."""

    def __init__(self, url, writes):
        super().__init__(url)
        self.writes_left = writes
        self.killed = asyncio.Event()

    async def _write(self, collection, requests):
        if self.writes_left <= 0:
            self.killed.set()
            raise StoreUnavailable("killed")
        self.writes_left -= 1
        await super()._write(collection, requests)


class Lab:
    """Two streams of one database, and what they should be."""

    PATHS = ("n/a", "n/b")

    def __init__(self, url, clock):
        self.random = random.Random(7)
        self.clock = clock
        self.writes = 10**9
        self.opened = Opener(Store(lambda: Killed(url, self.writes)), clock)
        self.recorded = {path: Recorded() for path in self.PATHS}

    async def open(self):
        self.streams = await self.opened(seal_datapoints=8, commit_interval_s=0)
        for path in self.PATHS:
            await self.streams.ensure_stream({"path": path}, {}, NUMBERS, "raw")

    async def append(self, count, late_s=0):
        """Datapoints of a few a second; some of them earlier than what is there."""
        for path, one in self.recorded.items():
            for i in range(count):
                self.clock.now_ns += SECOND // 3
                time_ns = self.clock.now_ns - (late_s * SECOND if i % 5 == 2 else 0)
                value = round(self.random.gauss(20, 3), 3)
                stream = self.streams.stream_id(path)
                await self.streams.append(stream, value, time_ns, check_timestamp=False)
                one.add(time_ns, value, 0)

    async def commit(self):
        await self.streams.commit()
        self.durable = {path: len(one.rows) for path, one in self.recorded.items()}

    async def kill(self):
        await self.opened.kill()
        await self.open()
        for path, one in self.recorded.items():
            left = self.streams.describe(self.streams.stream_id(path))["count"]
            assert self.durable[path] <= left <= len(one.rows)
            del one.rows[left:]

    async def seal(self):
        """Until all is sealed, or nothing can be written any more."""
        engine = self.streams._engine
        ends = engine.sealer.idle(), engine.backend.killed.wait()
        ends = [asyncio.create_task(end) for end in ends]
        _, left = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for one in left:
            one.cancel()

    async def check(self):
        for path, one in self.recorded.items():
            checker = Checker(self.streams, self.streams.stream_id(path), one, self.random)
            for _ in range(6):
                await checker.check()


@pytest.fixture
async def lab(mongodb_server, clock, monkeypatch):
    monkeypatch.setattr(sealing, "PAYS_FROM", 2)
    monkeypatch.setattr(sealing, "PAUSE_S", 1000.0)
    one = Lab(f"{mongodb_server}/test_{uuid.uuid4().hex}", clock)
    await one.open()
    yield one
    await one.opened.close()


@pytest.mark.parametrize("late_s", [pytest.param(0, marks=pytest.mark.long), 60])
@pytest.mark.parametrize("writes", range(9))
async def test_a_sealing_that_was_killed_leaves_nothing_that_counts(lab, writes, late_s):
    await lab.append(30)
    await lab.commit()
    await lab.seal()
    async with lab.streams._engine.sealer._turn:
        await lab.append(21, late_s)
        await lab.commit()
        lab.streams._engine.backend.writes_left = writes
        await lab.append(9, late_s)
    await lab.seal()
    await lab.kill()
    async with lab.streams._engine.sealer._turn:  # more comes before what was there is sealed again
        await lab.append(17, 30)
    await lab.check()
    await lab.seal()
    await lab.check()
    await lab.append(40, 90)
    await lab.seal()
    await lab.check()
    await lab.open()
    await lab.check()


async def test_a_state_that_is_written_alone_takes_no_blocks_away_at_the_next_start(
    lab, monkeypatch
):
    monkeypatch.setattr(sealing, "PAYS_FROM", 10**9)  # the last blocks are datapoints
    await lab.append(30)
    await lab.commit()
    await lab.seal()
    engine = lab.streams._engine
    for path in lab.PATHS:
        stream = engine.catalogue.get(lab.streams.stream_id(path))
        state = stream.state.copy()
        state.levels["s"].buckets += 1  # retention writes such a state before its rollups
        await engine.journal.submit(Change(states={stream.number: state.encode()}))
    await lab.open()
    await lab.check()


async def test_a_state_that_lands_after_its_time_finds_its_blocks(lab, monkeypatch):
    """The database is slow, so a sealing is tried again; then labmon is killed."""
    await lab.append(30)
    await lab.commit()
    await lab.seal()
    backend = lab.streams._engine.backend
    write, late = backend._write, []

    async def slow(collection, requests):
        if collection == "states" and not late:
            late.append(requests)
            raise StoreUnavailable("timed out")
        if late and late[-1] is not None:
            await write("states", late[-1])
            late.append(None)
            backend.writes_left = 1
        await write(collection, requests)

    monkeypatch.setattr(backend, "_write", slow)
    await lab.append(21)
    await lab.commit()
    await lab.seal()
    assert late[-1] is None
    await lab.kill()
    await lab.check()

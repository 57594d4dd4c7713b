"""Retention and derived streams: what they need stays, and nothing is made anew from nothing."""

import asyncio
import contextlib
import random

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import Granularity, Retention
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.exceptions import InvalidTimestamp
from labmon.datastream.retained import DAY_NS
from labmon.datastream.upkeep import upkeep

SECOND_NS = 1_000_000_000
BEGIN_NS = 19_700 * DAY_NS
STEP_NS = 600 * SECOND_NS
SHORT = Retention({"raw": "5d", "hours": "forever"}, "source/*")
BOTH = Retention({"raw": "5d", "hours": "forever"})


class Lab:
    """A source, and streams derived from it, over restarts."""

    def __init__(self):
        self.backend = MemoryBackend()
        self.now_ns = BEGIN_NS
        self.streams = None
        self.t = np.empty(0, np.int64)
        self.v = np.empty(0)

    async def open(self, *retention):
        if self.streams is not None:
            await self.streams.close()
        self.streams = datastream.open(
            self.backend,
            clock=lambda: self.now_ns,
            uptime_s=lambda: self.now_ns / 1e9,
            seal_datapoints=64,
            retention=retention,
        )
        await self.streams.start()
        self.source = await self.streams.ensure_stream(
            {"path": "source/a"}, {}, {"mean"}, Granularity.Raw
        )

    async def derive(self, op, granularity="raw", **arguments):
        return await self.streams.ensure_stream(
            {"path": f"derived/{op}"},
            {},
            {"mean"},
            granularity,
            derive_from=[self.source],
            derive_op=op,
            derive_args=arguments,
        )

    async def record(self, days):
        for _ in range(days):
            t = self.now_ns + np.arange(DAY_NS // STEP_NS) * STEP_NS
            v = np.arange(len(self.t), len(self.t) + len(t)) % 100 / 4
            await self.streams.append_array(self.source, t, v)
            self.t, self.v = np.append(self.t, t), np.append(self.v, v)
            self.now_ns += DAY_NS
        await self.streams.backprocess_streams()
        await self.streams.commit()

    async def enforce(self, runs=20):
        for _ in range(runs):
            await upkeep(self.engine)

    async def kill(self, *retention):
        engine = self.engine
        tasks = (engine._upkeep, engine.deriver._task, engine.sealer._task, engine.journal._task)
        for task in tasks:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.streams = None
        await self.open(*retention)

    @property
    def engine(self):
        return self.streams._engine

    def floor(self, ident, granularity="r"):
        return self.engine.catalogue.get(ident).state.floors.get(granularity, 0)

    async def raw(self, ident, start_ns=0):
        await self.streams.backprocess_streams()
        found = await self.streams.get_arrays(ident, "raw", max(start_ns, self.floor(ident)), 2**62)
        assert found.granularity is Granularity.Raw
        return found


@pytest.fixture
async def lab():
    made = Lab()
    yield made
    if made.streams is not None:
        await made.streams.close()


async def test_a_derived_stream_keeps_what_its_source_has_lost(lab):
    await lab.open(SHORT)
    double = await lab.derive("scale", a=2.0)
    await lab.record(20)
    await lab.enforce()
    assert lab.floor(lab.source) == BEGIN_NS + 14 * DAY_NS
    for _ in range(2):
        found = await lab.raw(double)
        assert found["t"].tolist() == lab.t.tolist()
        np.testing.assert_array_equal(found["v"], lab.v * 2)
        await lab.kill(SHORT)
        await lab.record(1)
        await lab.enforce()


async def test_what_an_operator_looks_back_on_stays_until_it_is_worked_in(lab):
    await lab.open()
    await lab.record(20)
    mean = await lab.derive("moving_average", window_s=3 * 86400)
    await lab.open(SHORT)
    await lab.streams.backprocess_streams()
    await lab.enforce()
    # the newest mark may have to go on, and looks back over two windows from there
    derived = lab.engine.deriver._derived[lab.engine.catalogue.get(mean).number]
    left_ns = derived.looks_back_to(derived.resumes_ns())
    assert 0 < lab.floor(lab.source) <= left_ns
    before = await lab.raw(mean)
    await lab.kill(SHORT)
    await lab.record(3)
    after = await lab.raw(mean)
    np.testing.assert_array_equal(after["v"][: len(before["v"])], before["v"])
    right = [lab.v[(lab.t > t - 3 * DAY_NS) & (lab.t <= t)].mean() for t in lab.t[-100:].tolist()]
    np.testing.assert_allclose(after["v"][-100:], right)


async def test_late_datapoints_change_what_can_still_be_worked_out(lab):
    await lab.open(SHORT)
    double = await lab.derive("scale", a=2.0)
    await lab.record(20)
    await lab.enforce()
    floor_ns = lab.floor(lab.source)
    late_ns = int(lab.t[-1]) - DAY_NS // 2
    await lab.streams.append(lab.source, 1000.0, late_ns, check_timestamp=False)
    await lab.streams.backprocess_streams()
    found = await lab.raw(double)
    assert len(found["t"]) == len(lab.t) + 1
    assert found["v"].max() == 2000.0
    # from when on it cannot be put back, a late datapoint is left out; nothing else is lost
    await lab.streams.append(lab.source, 3000.0, floor_ns, check_timestamp=False)
    await lab.streams.backprocess_streams()
    again = await lab.raw(double)
    assert len(lab.t) + 1 <= len(again["t"]) <= len(lab.t) + 2
    assert set(found["t"].tolist()) <= set(again["t"].tolist())


async def test_both_may_lose_their_oldest_datapoints(lab):
    await lab.open(BOTH)
    double = await lab.derive("scale", a=2.0)
    await lab.record(20)
    await lab.enforce()
    floor_ns = BEGIN_NS + 14 * DAY_NS
    assert lab.floor(lab.source) == lab.floor(double) == floor_ns
    await lab.streams.append(lab.source, 50.0, int(lab.t[-1]) - DAY_NS // 2, check_timestamp=False)
    await lab.streams.backprocess_streams()
    for _ in range(2):
        found = await lab.raw(double)
        source = await lab.raw(lab.source)
        assert found["t"].tolist() == source["t"].tolist()
        np.testing.assert_array_equal(found["v"], source["v"] * 2)
        hours = await lab.streams.get_arrays(double, "hours", BEGIN_NS, floor_ns, ["mean", "count"])
        assert hours["count"].tolist() == [6] * 14 * 24
        right = 2 * lab.v[lab.t < floor_ns].reshape(-1, 6).mean(axis=1)
        np.testing.assert_allclose(hours["mean"], right)
        await lab.kill(BOTH)


async def test_a_new_derived_stream_begins_at_what_its_source_has_left(lab):
    await lab.open(SHORT)
    await lab.record(20)
    await lab.enforce()
    floor_ns = lab.floor(lab.source)
    double = await lab.derive("scale", a=2.0)
    await lab.streams.backprocess_streams()
    found = await lab.raw(double)
    assert found["t"].tolist() == lab.t[lab.t >= floor_ns].tolist()
    await lab.record(10)
    await lab.enforce()
    await lab.kill(SHORT)
    found = await lab.raw(double)
    assert found["t"].tolist() == lab.t[lab.t >= floor_ns].tolist()


async def test_a_source_that_has_ended_and_lost_most_changes_nothing_after_a_crash(lab):
    await lab.open(SHORT)
    other = await lab.streams.ensure_stream({"path": "other"}, {}, {"mean"}, Granularity.Raw)
    double = await lab.derive("scale", a=2.0)
    await lab.record(8)
    for _ in range(30):
        lab.now_ns += DAY_NS
        await lab.streams.append(other, 1.0)
    await lab.enforce()
    assert lab.floor(lab.source) == BEGIN_NS + 7 * DAY_NS
    await lab.kill(SHORT)
    await lab.streams.backprocess_streams()
    assert (await lab.raw(double))["t"].tolist() == lab.t.tolist()


async def test_streams_derived_of_rollups_need_those(lab):
    await lab.open(Retention({"raw": "5d", "hours": "8d", "days": "forever"}, "source/*"))
    slope = await lab.derive("derivative", "hours")
    await lab.record(20)
    before = await lab.raw(slope)
    await lab.enforce()
    assert lab.floor(lab.source, "h") == BEGIN_NS + 11 * DAY_NS
    await lab.kill(SHORT)
    await lab.streams.backprocess_streams()
    after = await lab.raw(slope)
    assert after["t"].tolist() == before["t"].tolist()


POLICIES = [(), (SHORT,), (BOTH,)]
EVENTS = ["record", "record", "late", "enforce", "kill", "restart"]


async def happens(lab, event, rnd, late):
    policy = rnd.choice(POLICIES)
    if event == "record":
        await lab.record(rnd.randint(1, 6))
    elif event == "enforce":
        await lab.enforce(rnd.randint(1, 5))
    elif event == "restart":
        await lab.open(*policy)
    elif event == "kill":
        await lab.streams.commit()
        await lab.kill(*policy)
    elif len(lab.t):
        time_ns = int(lab.t[-1]) - rnd.randint(0, 9 * 86400) * SECOND_NS + 1
        with contextlib.suppress(InvalidTimestamp):
            await lab.streams.append(lab.source, 77.0, time_ns, check_timestamp=False)
            late[time_ns] = 77.0


async def check(lab, double, late):
    """Each regular datapoint is derived, once and rightly; late ones may have been left out."""
    found = await lab.raw(double)
    told = dict(zip(found["t"].tolist(), found["v"].tolist(), strict=True))
    assert len(told) == len(found["t"])
    floor_ns = lab.floor(double)
    values = dict(zip(lab.t.tolist(), lab.v.tolist(), strict=True))
    assert {t for t in values if t >= floor_ns} <= set(told)
    assert all(value == 2 * (values | late)[t] for t, value in told.items())
    hours = await lab.streams.get_arrays(double, "hours", BEGIN_NS, floor_ns, ["count"])
    gone = (lab.t < floor_ns).sum()
    assert gone <= hours["count"].sum() <= gone + len(late)


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_derived_is_lost_or_wrong_whatever_happens(lab, seed):
    rnd = random.Random(seed)
    late = {}
    await lab.open(*rnd.choice(POLICIES))
    double = await lab.derive("scale", a=2.0)
    for _ in range(14):
        await happens(lab, rnd.choice(EVENTS), rnd, late)
        await check(lab, double, late)

"""Whatever happens to streams that do not keep all, what is left is what numpy says of it."""

import asyncio
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labmon import datastream
from labmon.datastream import Granularity, Retention
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.retained import DAY_NS, ladder_of
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch, Quality
from labmon.upkeep.verifying import verify

SECOND = 1_000_000_000
BEGIN_NS = 19_700 * DAY_NS + 5 * 3600 * SECOND
POLICIES = [
    [],
    [Retention({"raw": "3d", "minutes10": "6d", "hours": "12d", "days": "forever"})],
    [Retention({"raw": "2d", "hours": "5d", "days": "9d"})],
    [Retention({"raw": "4d", "days": "4d"}, "w/a"), Retention({"raw": "1d", "hours6": "forever"})],
]
FIELDS = ["mean", "sum", "min", "max", "std_dev", "count"]


class World:
    """Streams, what was ever recorded in them, a clock that can be set, and an uptime."""

    def __init__(self):
        self.backend = MemoryBackend()
        self.true_ns = BEGIN_NS
        self.offset_ns = 0
        self.recorded = {"w/a": [], "w/b": [], "w/c": []}
        self.has_jumped = False
        self.lowest = {}

    async def open(self, policy):
        self.policy = POLICIES[policy]
        self.streams = datastream.open(
            self.backend,
            clock=lambda: self.true_ns + self.offset_ns,
            uptime_s=lambda: self.true_ns / 1e9,
            seal_datapoints=8,
            commit_interval_s=0.001,
            retention=self.policy,
        )
        await self.streams.start()
        self.engine = self.streams._engine
        await self.streams.ensure_stream({"path": "w/a"}, {}, FIELDS, "raw")
        await self.streams.ensure_stream({"path": "w/b"}, {}, FIELDS, "minutes")
        await self.streams.ensure_stream({"path": "w/c"}, {}, [], "raw", value_type="nominal")

    async def restart(self, policy):
        await self.streams.close()
        await self.open(policy)

    async def kill(self, policy):
        engine = self.engine
        for task in (
            engine._upkeep,
            engine.deriver._task,
            engine.sealer._task,
            engine.journal._task,
        ):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.open(policy)

    async def record(self, minutes, count, paths):
        for i in range(count):
            self.true_ns += minutes * 60 * SECOND
            await self._append(self.true_ns + self.offset_ns, paths, float(i % 7 - 3))
        await self.streams.commit()

    async def late(self, hours_ago):
        await self._append(
            max(0, self.true_ns + self.offset_ns - hours_ago * 3600 * SECOND), "abc", 9.5
        )
        await self.streams.commit()

    async def _append(self, time_ns, paths, value):
        names = [f"w/{letter}" for letter in paths]
        values = tuple(str(value) if name == "w/c" else value for name in names)
        refused = await self.streams.append_batch(
            Batch("w", time_ns, tuple(names), values, bytes(len(names)))
        )
        for name, one in zip(names, values, strict=True):
            is_refused = any(each.path == name for each in refused)
            assert is_refused == (time_ns < self.floor(name, Granularity.Raw))
            if not is_refused:
                times = [t for t, _, _ in self.recorded[name]]
                is_late = bool(times) and time_ns < max(times)
                self.recorded[name].append((time_ns, one, is_late))

    async def jump(self, days):
        self.offset_ns = days * DAY_NS
        self.has_jumped = True

    async def enforce(self, runs):
        for _ in range(runs):
            await self.engine.retainer.run()

    async def upkeep(self, keep_s):
        await upkeep(self.engine, keep_s * SECOND)

    def stream(self, name):
        return self.engine.catalogue.at(name)

    def floor(self, name, granularity):
        return self.stream(name).state.floors.get(granularity.key, 0)

    async def check(self):
        for name in self.recorded:
            rungs = ladder_of(self.stream(name))
            floors = [self.floor(name, granularity) for granularity in rungs]
            assert floors == sorted(floors, reverse=True)
            assert floors[0] <= max(0, self.true_ns * 2 - BEGIN_NS - DAY_NS)
            for granularity in rungs:
                key = name, granularity
                assert self.floor(*key) >= self.lowest.get(key, 0)
                self.lowest[key] = self.floor(*key)
            rows = sorted(self.recorded[name], key=lambda row: row[0])
            t = np.array([row[0] for row in rows], np.int64)
            v = [row[1] for row in rows]
            await self._check_raw(name, t, v, rows)
            if name != "w/c" and len(t):
                await self._check_levels(name, t, np.array(v))
                await self._check_aggregates(name, t, np.array(v))
        await self.streams.commit()
        assert (await verify(self.streams._engine.backend)).findings == []

    async def _check_raw(self, name, t, v, rows):
        floor = self.floor(name, Granularity.Raw)
        first = int(np.searchsorted(t, floor))
        ident = self.streams.stream_id(name)
        raw = await self.streams.get_arrays(ident, "raw", floor, 2**62)
        assert raw["t"].tolist() == t[first:].tolist()
        assert raw["v"].tolist() == v[first:]
        late = [Quality.LATE if row[2] else 0 for row in rows[first:]]
        assert raw["quality"].tolist() == late
        assert self.stream(name).count == len(t) - first
        whole = await self.streams.get_data(ident, "raw", start=0)
        assert await whole.count() == len(await whole.fetch())
        if len(t) and whole.granularity is Granularity.Raw:
            earliest = self.stream(name).earliest_ns
            assert await whole.count() == (t >= min(earliest, floor or earliest)).sum()

    async def _check_levels(self, name, t, v):
        ident = self.streams.stream_id(name)
        for granularity in ladder_of(self.stream(name))[1:]:
            floor = self.floor(name, granularity)
            rows = await self.streams.get_arrays(ident, granularity, floor, 2**62, FIELDS)
            assert rows.granularity is granularity
            buckets = t - t % granularity.duration_ns
            starts = np.unique(buckets[buckets >= floor])
            assert rows["t"].tolist() == starts.tolist()
            parts = [v[buckets == start] for start in starts.tolist()]
            assert rows["count"].tolist() == [len(part) for part in parts]
            assert rows["min"].tolist() == [part.min() for part in parts]
            assert rows["max"].tolist() == [part.max() for part in parts]
            for field, of in (("mean", np.mean), ("sum", np.sum), ("std_dev", np.std)):
                right = [of(part) for part in parts]
                np.testing.assert_allclose(rows[field], right, rtol=1e-9, atol=1e-9)
            graph = await self.streams.get_graph(ident, floor, int(t[-1]) + 1, 5, ["count"])
            of_graph = graph.columns["count"].sum() if graph.bucket_ns else len(graph.columns["t"])
            lowest = max(min(floor, int(graph.columns["t"][0])), self.lowest_floor(name))
            assert of_graph == (t >= lowest).sum()

    async def _check_aggregates(self, name, t, v):
        ident = self.streams.stream_id(name)
        some = [0, int(t[0]) + 1, *t[:: len(t) // 4 + 1].tolist(), int(t[-1]) + 1, 2**62]
        left = max(self.lowest_floor(name), 0)
        for start, end in pairwise(some):
            found = await self.streams.aggregate(ident, start, end, FIELDS)
            assert found.start_ns <= start
            assert found.end_ns >= end
            inside = v[(t >= max(found.start_ns, left)) & (t < found.end_ns)]
            assert found["count"] == len(inside)
            if len(inside):
                assert (found["min"], found["max"]) == (inside.min(), inside.max())
                np.testing.assert_allclose(found["std_dev"], inside.std(), rtol=1e-9, atol=1e-9)

    def lowest_floor(self, name):
        return min(self.floor(name, granularity) for granularity in ladder_of(self.stream(name)))


events = st.one_of(
    st.tuples(
        st.just("record"),
        st.sampled_from([7, 61, 400]),
        st.integers(1, 40),
        st.sampled_from(["abc", "a", "bc"]),
    ),
    st.tuples(st.just("late"), st.integers(0, 24 * 14)),
    st.tuples(st.just("enforce"), st.integers(1, 3)),
    st.tuples(st.just("upkeep"), st.sampled_from([-1, 300])),
    st.tuples(st.just("jump"), st.sampled_from([0, 0, -2, 30, 365])),
    st.tuples(st.just("restart"), st.integers(0, len(POLICIES) - 1)),
    st.tuples(st.just("kill"), st.integers(0, len(POLICIES) - 1)),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.integers(1, 3), story=st.lists(events, min_size=2, max_size=14))
def test_what_is_left_is_what_numpy_says_of_it(first, story):
    async def run():
        world = World()
        await world.open(first)
        await world.record(240, 60, "abc")
        await world.enforce(1)
        for event, *arguments in story:
            await getattr(world, event)(*arguments)
            await world.check()
        await world.streams.close()

    asyncio.run(run())

"""A store whose days pass at once, and what must remain of all that it was given."""

import numpy as np

from labmon import datastream
from labmon.datastream import Granularity, Retention
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.retained import DAY_NS
from labmon.upkeep.verifying import verify

SECOND_NS = 1_000_000_000
BEGIN_NS = 19_700 * DAY_NS  # a midnight
STEP_NS = 600 * SECOND_NS
PER_DAY = DAY_NS // STEP_NS
TEN_DAYS = Retention({"raw": "10d", "hours": "30d", "days": "forever"})
ALL = {"mean", "min", "max", "std_dev"}


class Time:
    """A clock and an uptime that go on together, until the clock is set."""

    def __init__(self):
        self.now_ns = BEGIN_NS
        self.uptime = 0.0

    def days(self, count):
        self.now_ns += round(count * DAY_NS)
        self.uptime += count * 86400


class Lab:
    """A store that is opened again and again, with one stream of a value every ten minutes."""

    def __init__(self, backend=None):
        self.backend = MemoryBackend() if backend is None else backend
        self.time = Time()
        self.streams = None
        self.t = np.empty(0, np.int64)
        self.v = np.empty(0)

    async def open(self, *retention, **options):
        if self.streams is not None:
            await self.streams.close()
        self.streams = datastream.open(
            self.backend,
            clock=lambda: self.time.now_ns,
            uptime_s=lambda: self.time.uptime,
            seal_datapoints=64,
            retention=retention,
            **options,
        )
        await self.streams.start()
        self.id = await self.streams.ensure_stream({"path": "a/b"}, {}, ALL, Granularity.Raw)
        return self.streams

    async def record(self, days):
        t = self.time.now_ns + np.arange(round(days * PER_DAY)) * STEP_NS
        v = np.round(np.random.default_rng(len(self.t)).normal(20, 3, len(t)), 2)
        await self.streams.append_array(self.id, t, v)
        await self.streams.commit()
        self.t, self.v = np.append(self.t, t), np.append(self.v, v)
        self.time.days(days)

    async def enforce(self, runs=20):
        for _ in range(runs):
            await self.streams._engine.retainer.run()

    @property
    def stream(self):
        return self.streams._engine.catalogue.get(self.id)

    @property
    def floors(self):
        return {Granularity.find(key): ns for key, ns in self.stream.state.floors.items()}

    def means(self, step_ns, start_ns=0):
        """(starts, means) of the buckets of all that was ever recorded."""
        buckets = self.t - self.t % step_ns
        starts, which, counts = np.unique(buckets, return_inverse=True, return_counts=True)
        means = np.bincount(which, self.v) / counts
        return starts[starts >= start_ns], means[starts >= start_ns]

    async def check(self):
        """Everything that is asked equals numpy over what must remain."""
        for granularity in Granularity.values:
            floor_ns = self.floors.get(granularity, 0)
            found = await self.streams.get_arrays(
                self.id,
                granularity,
                floor_ns,
                2**62,
                None if not granularity.duration_ns else ["mean", "count"],
            )
            assert found.granularity is granularity
            if granularity is Granularity.Raw:
                is_left = self.t >= floor_ns
                np.testing.assert_array_equal(found["t"], self.t[is_left])
                np.testing.assert_array_equal(found["v"], self.v[is_left])
                assert self.stream.count == is_left.sum()
            else:
                starts, means = self.means(granularity.duration_ns, floor_ns)
                np.testing.assert_array_equal(found["t"], starts)
                np.testing.assert_allclose(found["mean"], means, rtol=1e-12)
        await self.streams.commit()
        assert (await verify(self.backend)).findings == []

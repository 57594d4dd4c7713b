"""Whatever happened to a stream, every granularity says what numpy says of the raw datapoints."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labmon import datastream
from labmon.datastream import Granularity
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch, Quality

SECOND = 1_000_000_000
DOWNSAMPLERS = ["mean", "sum", "min", "max", "std_dev", "sum_squares", "count"]
START_NS = 1_700_000_000 * SECOND


@dataclass
class Model:
    """The datapoints as they were appended."""

    t: list = field(default_factory=list)
    v: list = field(default_factory=list)
    q: list = field(default_factory=list)

    def add(self, time_ns, value, quality):
        late = bool(self.t) and time_ns < max(self.t)
        self.t.append(time_ns)
        self.v.append(value)
        self.q.append(quality | (Quality.LATE if late else 0))

    def columns(self):
        order = np.argsort(np.array(self.t, np.int64), kind="stable")
        values = np.array([np.nan if v is None else v for v in self.v], np.float64)
        return np.array(self.t, np.int64)[order], values[order], np.array(self.q, np.uint8)[order]


async def check(ds, stream, model):
    t, v, q = model.columns()
    raw = await ds.get_arrays(stream, Granularity.Raw, 0, 2**62)
    np.testing.assert_array_equal(raw["t"], t)
    np.testing.assert_array_equal(raw["v"].astype(float), v)
    np.testing.assert_array_equal(raw["quality"], q)
    assert ds.describe(stream)["count"] == len(t)
    fields = [*DOWNSAMPLERS, "bad", "flags", "first", "last", "t_first", "t_last", "t_mean"]
    for granularity in Granularity.values[1:]:
        rows = await ds.get_arrays(stream, granularity, 0, 2**62, fields)
        _check_level(rows, granularity, t, v, q)
    await _check_aggregates(ds, stream, t, v, q)
    if len(t):
        graph = await ds.get_graph(stream, int(t[0]), int(t[-1]) + 1, 7)
        if graph.bucket_ns:
            assert len(graph.columns["t"]) <= 14
        total = graph.columns["count"].sum() if graph.bucket_ns else len(graph.columns["t"])
        usable = np.isfinite(v) & ((q & Quality.CODE_MASK) == 0)
        assert total == (usable.sum() if graph.bucket_ns else len(t))


async def _check_aggregates(ds, stream, t, v, q):
    if not len(t):
        assert (await ds.aggregate(stream, 0, 2**62))["count"] == 0
        return
    some = [0, int(t[0]), int(t[0]) + 1, *t[:: len(t) // 5 + 1].tolist(), int(t[-1]) + 1, 2**62]
    for start, end in [*zip(some, reversed(some), strict=True), *zip(some, some[2:], strict=False)]:
        found = await ds.aggregate(stream, start, end, [*DOWNSAMPLERS, "bad"])
        inside = (t >= start) & (t < end)
        good = (q & Quality.CODE_MASK) == 0
        counted = v[inside & good & np.isfinite(v)]
        assert found["count"] == len(counted)
        assert found["bad"] == (inside & (~good | np.isinf(v))).sum()
        if not len(counted):
            assert found["mean"] is found["std_dev"] is found["min"] is None
            continue
        assert (found["min"], found["max"]) == (counted.min(), counted.max())
        scale = np.abs(counted).max()
        close = {"rtol": 1e-11, "atol": 1e-12 * scale}
        np.testing.assert_allclose(found["mean"], counted.mean(), **close)
        np.testing.assert_allclose(found["std_dev"], counted.std(), rtol=1e-8, atol=1e-12 * scale)


def _check_level(rows, granularity, t, v, q):
    starts = granularity.round_timestamps(t)
    np.testing.assert_array_equal(rows["t"], np.unique(starts), str(granularity))
    good = (q & Quality.CODE_MASK) == 0
    for i, start in enumerate(rows["t"]):
        inside = starts == start
        counted = inside & good & np.isfinite(v)
        values, times = v[counted], t[counted]
        what = f"{granularity} {start}"
        assert rows["count"][i] == len(values), what
        assert rows["bad"][i] == (inside & (~good | np.isinf(v))).sum(), what
        assert rows["flags"][i] == np.bitwise_or.reduce(q[inside] & Quality.FLAG_MASK), what
        if not len(values):
            assert np.isnan(rows["mean"][i]), what
            continue
        assert rows["min"][i] == values.min(), what
        assert rows["max"][i] == values.max(), what
        assert rows["first"][i] == values[0], what
        assert rows["last"][i] == values[-1], what
        assert rows["t_first"][i] == times[0], what
        assert rows["t_last"][i] == times[-1], what
        t_mean = times[0] + int(np.mean(times - times[0]))
        assert abs(rows["t_mean"][i] - t_mean) <= 20, what  # each merge rounds down
        scale = np.abs(values).max()
        np.testing.assert_allclose(rows["mean"][i], values.mean(), rtol=1e-12, atol=1e-12 * scale)
        np.testing.assert_allclose(rows["sum"][i], values.sum(), rtol=1e-12, atol=1e-10 * scale)
        np.testing.assert_allclose(
            rows["std_dev"][i], values.std(), rtol=1e-8, atol=1e-12 * scale, err_msg=what
        )


values = st.one_of(
    st.floats(-1e6, 1e6, allow_nan=False, width=32),
    st.floats(632.99, 632.9901),
    st.none(),
    st.just(float("inf")),
    st.integers(-(10**6), 10**6),
)
qualities = st.sampled_from([0, 0, 0, 0, Quality.FAULT, Quality.SIMULATED])
steps = st.sampled_from([0, 1, 10**6, SECOND // 10, SECOND, 7 * SECOND, 90 * SECOND, 5000 * SECOND])
runs = st.tuples(st.just("run"), st.integers(1, 150), steps, st.integers(0, 9))
lates = st.tuples(st.just("late"), st.floats(0, 1), values, qualities)
singles = st.tuples(st.just("one"), steps, values, qualities)
asks = st.tuples(st.just("ask"), st.sampled_from(Granularity.values), st.integers(0, 40))
others = st.sampled_from([("restart",), ("kill",), ("commit",), ("upkeep",), ("idle",), ("look",)])


class BusyBackend(MemoryBackend):
    """A store that takes a while, so that questions and sealing come between one another."""

    async def read_outlines(self, stream, granularity):
        await asyncio.sleep(0)
        found = await super().read_outlines(stream, granularity)
        await asyncio.sleep(0)
        return found

    async def read_blocks(self, keys):
        await asyncio.sleep(0)
        found = await super().read_blocks(keys)
        await asyncio.sleep(0)
        return found

    async def apply(self, change):
        await asyncio.sleep(0)
        await super().apply(change)


class World:
    """One stream in one store, and what it should be."""

    def __init__(self, size):
        self.size = size
        self.backend = BusyBackend()
        self.asking = []
        self.model = Model()
        self.now_ns = START_NS
        self.ds = None
        self.stream = ""

    async def open(self):
        self.ds = datastream.open(
            self.backend, clock=lambda: self.now_ns, seal_datapoints=self.size, commit_interval_s=0
        )
        await self.ds.start()
        self.stream = await self.ds.ensure_stream({"path": "a/b"}, {}, DOWNSAMPLERS, "raw")

    async def append(self, time_ns, value, quality):
        batch = Batch("a", time_ns, ("a/b",), (value,), bytes([quality]))
        assert await self.ds.append_batch(batch) == ()
        self.model.add(time_ns, value, quality)

    async def do(self, action):  # noqa: C901 - a list of things that happen
        kind, *rest = action
        if kind == "run":
            count, step_ns, seed = rest
            for value in np.random.default_rng(seed).normal(20, 3, count).tolist():
                self.now_ns += step_ns
                await self.append(self.now_ns, value, 0)
        elif kind == "one":
            self.now_ns += rest[0]
            await self.append(self.now_ns, *rest[1:])
        elif kind == "late":
            at = START_NS - SECOND + int(rest[0] * (self.now_ns - START_NS + SECOND))
            await self.append(at, *rest[1:])
        elif kind == "ask":
            asked = self.ds.get_arrays(self.stream, rest[0], 0, 2**62)
            self.asking.append(asyncio.create_task(asked))
            for _ in range(rest[1]):
                await asyncio.sleep(0)
        elif kind == "restart":
            await asyncio.gather(*self.asking)
            await self.ds.close()
            await self.open()
        elif kind == "kill":
            await self.kill()
        elif kind == "commit":
            await self.ds.commit()
        elif kind == "upkeep":
            self.now_ns += 600 * SECOND
            await upkeep(self.ds._engine)
        elif kind == "idle":
            await self.ds.commit()
            await self.ds._engine.sealer.idle()
        else:
            await check(self.ds, self.stream, self.model)

    async def kill(self):
        """End without a word, after a commit: what is acknowledged must be there again."""
        await asyncio.gather(*self.asking)
        await self.ds.commit()
        engine = self.ds._engine
        engine._upkeep.cancel()
        await asyncio.gather(engine._upkeep, return_exceptions=True)
        await engine.sealer.stop()
        await engine.journal.stop()
        await self.open()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(
    st.sampled_from([8, 32, 64]),
    st.lists(st.one_of(runs, runs, lates, lates, singles, asks, others), max_size=25),
)
def test_every_granularity_equals_numpy_at_any_moment(size, actions):
    async def run():
        world = World(size)
        await world.open()
        for action in actions:
            await world.do(action)
        await check(world.ds, world.stream, world.model)
        await world.do(("idle",))
        await check(world.ds, world.stream, world.model)
        await world.do(("restart",))
        await check(world.ds, world.stream, world.model)
        await world.ds.close()

    asyncio.run(run())


class GatedBackend(MemoryBackend):
    """The next reading of blocks waits until it may go on."""

    gate = None

    async def read_blocks(self, keys):
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.reached.set()
            await gate.passed.wait()
        return await super().read_blocks(keys)


@dataclass
class Gate:
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    passed: asyncio.Event = field(default_factory=asyncio.Event)


async def test_what_is_sealed_while_somebody_asks_is_in_this_answer_and_in_the_next():
    backend = GatedBackend()
    options = {"seal_datapoints": 64, "commit_interval_s": 0}
    async with datastream.open(backend, **options) as ds:
        stream = await ds.ensure_stream({"path": "a/b"}, {}, DOWNSAMPLERS, "raw")
        for i in range(64):
            await ds.append(stream, float(i), START_NS + i)
        await ds.commit()
        await ds._engine.sealer.idle()
    async with datastream.open(backend, **options) as ds:  # nothing is in a cache
        gate = backend.gate = Gate()
        asking = asyncio.create_task(ds.get_arrays(stream, "days", 0, 2**62, ["count"]))
        await gate.reached.wait()
        for i in range(64):
            await ds.append(stream, float(i), START_NS + i, check_timestamp=False)
        await ds.commit()
        await ds._engine.sealer.idle()
        assert ds._engine.catalogue.get(stream).head_length == 0
        gate.passed.set()
        assert (await asking)["count"].tolist() == [128]
        assert (await ds.get_arrays(stream, "days", 0, 2**62, ["count"]))["count"].tolist() == [128]

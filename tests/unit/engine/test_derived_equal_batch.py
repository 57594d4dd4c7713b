"""Whatever happens, derived streams are what their operators give for all raw data at once."""

import asyncio
import warnings

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.columns import Columns
from labmon.datastream.operators import find_operator
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
HOLD = {"align": {"hold_s": 5}}
DERIVED = [
    ("sum", ["w/a", "w/b"], {}, "raw"),
    ("held", ["w/a", "x/c"], HOLD, "raw"),
    ("slope", ["sum"], {}, "raw"),
    ("mean", ["slope"], {"window_s": 7}, "raw"),
    ("chain", ["mean", "x/c"], HOLD, "raw"),
    ("resets", ["w/a"], {}, "raw"),
    ("rate", [{"name": "reset", "stream": "resets"}, "w/a"], {"max_value": 100}, "raw"),
    ("side", ["x/c"], {"level": 3, "hysteresis": 2}, "raw"),
    ("buckets", ["w/a", "x/c"], {}, "Seconds10"),
    ("slopes", ["buckets"], {}, "Seconds10"),
]
OPERATORS = {
    "sum": "sum",
    "held": "difference",
    "slope": "derivative",
    "mean": "moving_average",
    "chain": "sum",
    "resets": "counter_reset",
    "rate": "counter_derivative",
    "side": "threshold",
    "buckets": "sum",
    "slopes": "derivative",
}


class World:
    """A store with sources and derived streams, that can be stopped and killed."""

    def __init__(self):
        self.backend = MemoryBackend()
        self.now_ns = START_NS
        self.streams = None

    async def open(self):
        self.streams = datastream.open(
            self.backend, clock=lambda: self.now_ns, seal_datapoints=8, commit_interval_s=0.001
        )
        await self.streams.start()
        for path in ("w/a", "w/b", "x/c"):
            await self.streams.ensure_stream({"path": path}, {}, ["mean"], "raw")

    async def derive(self):
        for name, sources, args, granularity in DERIVED:
            given = [
                {**s, "stream": self.id(s["stream"])} if isinstance(s, dict) else self.id(s)
                for s in sources
            ]
            await self.streams.ensure_stream(
                {"path": name}, {}, ["count"], granularity, given, OPERATORS[name], args
            )

    def id(self, path):
        return self.streams.stream_id(path)

    async def kill(self):
        engine = self.streams._engine
        for task in (engine._upkeep, engine.deriver._task, engine.sealer._task):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        engine.journal._task.cancel()
        await asyncio.gather(engine.journal._task, return_exceptions=True)
        if engine.journal._timer:
            engine.journal._timer.cancel()
        self.streams = None

    async def columns(self, path, granularity="raw"):
        stream = self.id(path)
        if granularity != "raw" and path in ("w/a", "w/b", "x/c"):
            rows = await self.streams.get_arrays(stream, granularity, 0, 2**62, ["mean", "flags"])
            return Columns(rows["t"], rows["mean"], None, rows["flags"])
        raw = await self.streams.get_arrays(stream, "raw", 0, 2**62)
        return Columns(raw["t"], raw["v"], None, raw["quality"])

    async def check(self):
        await asyncio.wait_for(self.streams.backprocess_streams(), 30)
        for name, sources, args, granularity in DERIVED:
            names = [s["stream"] if isinstance(s, dict) else s for s in sources]
            columns = [await self.columns(one, granularity) for one in names]
            # a bucket that is still filling, or a source that is behind, is waited for
            until = self._until(name)
            columns = [one.between(0, until) for one in columns]
            called = [s.get("name") if isinstance(s, dict) else None for s in sources]
            operator = find_operator(OPERATORS[name], args, called)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _, expected = operator.advance(operator.start(), columns)
            found = await self.columns(name)
            assert found.t.tolist() == expected.t.tolist(), name
            if operator.output == "nominal":
                assert found.python_values() == expected.python_values(), name
            elif granularity == "raw":
                np.testing.assert_array_equal(found.v, expected.v, name)
            else:
                np.testing.assert_allclose(found.v, expected.v, rtol=1e-12, err_msg=name)
            assert found.qualities().tolist() == expected.qualities().tolist(), name
            assert not self.streams.describe(self.id(name))["pending_backprocess"]

    def _until(self, name):
        derived = self.streams._engine.catalogue.get(self.id(name))
        return self.streams._engine.deriver._derived[derived.number].until_ns


VALUES = st.sampled_from([0.0, 1.5, 2.5, 7.0, 40.0, None])
STEPS = st.one_of(
    st.tuples(st.just("both"), st.lists(VALUES, min_size=1, max_size=20)),
    st.tuples(st.just("c"), st.lists(VALUES, min_size=1, max_size=20)),
    st.tuples(st.just("late"), st.tuples(st.integers(0, 60), VALUES, st.booleans())),
    st.tuples(st.just("wait"), st.integers(0, 30)),
    st.tuples(
        st.sampled_from(["derive", "kill", "restart", "upkeep", "settle", "commit", "yield"]),
        st.none(),
    ),
)


async def _do(world, step, argument):  # noqa: C901 - a list of things that happen
    ds = world.streams
    if step == "both":
        for value in argument:
            world.now_ns += SECOND // 2
            batch = Batch("w", world.now_ns, ("w/a", "w/b"), (value, 1.0), bytes(2))
            await ds.append_batch(batch)
    elif step == "c":
        for value in argument:
            world.now_ns += SECOND
            await ds.append(ds.stream_id("x/c"), value)
    elif step == "late":
        seconds, value, is_c = argument
        paths = ("x/c",) if is_c else ("w/a", "w/b")
        at = world.now_ns - seconds * SECOND
        await ds.append_batch(Batch("w", at, paths, (value,) * len(paths), bytes(len(paths))))
    elif step == "wait":
        world.now_ns += argument * SECOND
    elif step == "derive":
        await world.derive()
    elif step == "kill":
        await world.kill()
        await world.open()
    elif step == "restart":
        await ds.close()
        await world.open()
    elif step == "upkeep":
        await upkeep(ds._engine)
    elif step == "settle":
        await world.derive()
        await world.check()
    elif step == "commit":
        await ds.commit()
    else:
        await asyncio.sleep(0.001)


UP_AND_DOWN = ("both", [0.0, 1.5, 7.0, 2.5, 40.0, 1.5])
SETTLED = [("derive", None), UP_AND_DOWN, ("settle", None)]


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=25))
# a window reaches back behind a restart, and behind a kill
@example([*SETTLED, ("restart", None), UP_AND_DOWN])
@example([*SETTLED, ("commit", None), ("upkeep", None), ("kill", None), UP_AND_DOWN])
# late by nothing: at the very time that was worked in last
@example([*SETTLED, ("late", (0, 7.0, False))])
@example([("derive", None), ("c", [1.5, 2.5]), ("settle", None), ("late", (0, 7.0, True))])
# a reset behind what is sealed
@example(
    [("derive", None), ("both", [40.0, 2.5] * 20), ("settle", None), ("late", (9, 0.0, False))]
)
def test_streaming_gives_what_a_batch_computation_gives(steps):
    async def story():
        world = World()
        await world.open()
        for step, argument in steps:
            await _do(world, step, argument)
        await world.derive()
        await world.check()
        await world.kill()
        await world.open()
        await world.check()
        await world.streams.close()

    asyncio.run(story())

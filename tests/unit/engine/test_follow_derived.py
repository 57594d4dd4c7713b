"""Who follows derived streams has what they are in the end, wherever it was away in between."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labmon import datastream
from labmon.datastream.backends.base import Change
from labmon.datastream.backends.memory import MemoryBackend
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch, Quality

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
HOLD = {"align": {"hold_s": 5}}
DERIVED = [
    ("sum", ["w/a", "w/b"], "sum", {}, "raw"),
    ("slope", ["sum"], "derivative", {}, "raw"),
    ("mean", ["slope"], "moving_average", {"window_s": 7}, "raw"),
    ("held", ["w/a", "x/c"], "difference", HOLD, "raw"),
    ("buckets", ["w/a", "x/c"], "sum", {}, "Seconds10"),
]
NAMES = [name for name, *_ in DERIVED]


async def kill(opened):
    """End without a word, after a commit."""
    await opened.commit()
    engine = opened._engine
    for task in (engine._upkeep, engine.deriver._task, engine.sealer._task):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await engine.journal.stop()


class Mirror:
    """A copy of derived streams, kept by following: revised spans are dropped, and told again."""

    def __init__(self):
        self.backend = MemoryBackend()
        self.now_ns = START_NS
        self.cursor = 0
        self.told = {name: [] for name in NAMES}

    async def open(self):
        self.ds = datastream.open(
            self.backend, clock=lambda: self.now_ns, seal_datapoints=8, commit_interval_s=0.001
        )
        await self.ds.start()
        for path in ("w/a", "w/b", "x/c"):
            await self.ds.ensure_stream({"path": path}, {}, ["mean"], "raw")
        for name, sources, op, args, granularity in DERIVED:
            ids = [self.ds.stream_id(path) for path in sources]
            await self.ds.ensure_stream({"path": name}, {}, [], granularity, ids, op, args)
        self.paths = {self.ds.stream_id(name): name for name in NAMES}
        self.follow()

    def follow(self):
        self.follower = self.ds.follow(list(self.paths), self.cursor)

    async def take(self, count, timeout_s=0.02):
        for _ in range(count):
            step = asyncio.ensure_future(anext(self.follower))
            done, _ = await asyncio.wait([step], timeout=timeout_s)
            if not done:
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
                self.follow()
                return
            self.note(step.result())

    def note(self, one):
        self.cursor = one.cursor
        for span in one.revised:
            mine = self.told[self.paths[span.stream]]
            mine[:] = [point for point in mine if not span.start_ns <= point[0] < span.end_ns]
        for stream, part in one.columns.items():
            points = zip(part.t.tolist(), part.python_values(), strict=True)
            self.told[self.paths[stream]] += points

    async def stored(self):
        await asyncio.wait_for(self.ds.backprocess_streams(), 30)
        found = {}
        for stream, name in self.paths.items():
            points = await (await self.ds.get_data(stream, "raw", 0)).fetch()
            found[name] = [(point["t"], point["v"]) for point in points]
        return found

    async def check(self):
        stored = await self.stored()
        for _ in range(50):
            if self.told == stored:
                return
            await self.take(1, 0.2)
        assert self.told == stored

    async def do(self, kind, argument):  # noqa: C901 - a list of things that happen
        if kind == "both":
            for value in argument:
                self.now_ns += SECOND // 2
                await self.batch(self.now_ns, ("w/a", "w/b"), value)
        elif kind in ("w/a", "x/c"):
            for value in argument:
                self.now_ns += SECOND
                await self.batch(self.now_ns, (kind,), value)
        elif kind == "late":
            paths = ("x/c",) if argument % 2 else ("w/a", "w/b")
            await self.batch(self.now_ns - argument * SECOND - 1, paths, float(argument))
        elif kind == "take":
            await self.take(argument)
        elif kind == "again":
            await self.follower.aclose()
            self.follow()
        elif kind in ("kill", "restart"):
            await self.follower.aclose()
            await (kill(self.ds) if kind == "kill" else self.ds.close())
            await self.open()
        elif kind == "upkeep":
            await upkeep(self.ds._engine)
        elif kind == "settle":
            await self.stored()
        else:
            await asyncio.sleep(0.001)

    async def batch(self, time_ns, paths, value):
        await self.ds.append_batch(
            Batch("w", time_ns, paths, (value,) * len(paths), bytes(len(paths)))
        )


VALUES = st.lists(st.sampled_from([0.0, 1.5, 2.5, 40.0, None]), min_size=1, max_size=20)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["both", "both", "w/a", "x/c"]), VALUES),
    st.tuples(st.sampled_from(["late"]), st.integers(0, 60)),
    st.tuples(st.just("take"), st.integers(1, 4)),
    st.tuples(
        st.sampled_from(["again", "kill", "restart", "upkeep", "settle", "settle", "yield"]),
        st.none(),
    ),
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=25))
def test_a_mirror_of_derived_streams_is_what_they_are(steps):
    async def story():
        mirror = Mirror()
        await mirror.open()
        for step in steps:
            await mirror.do(*step)
        await mirror.check()
        await mirror.do("kill", None)
        await mirror.check()
        await mirror.follower.aclose()
        await mirror.ds.close()

    asyncio.run(story())


async def _following(streams, stream, cursor=0):
    told = streams.follow([stream], cursor)
    found = [await asyncio.wait_for(anext(told), 30)]
    await told.aclose()
    return found[0]


async def test_one_who_was_away_is_told_what_was_revised_in_a_derived_stream(streams, clock):
    source = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    slope = await streams.ensure_stream({"path": "s"}, {}, [], "raw", [source], "derivative")
    for i in range(20):
        await streams.append(source, float(i), i * SECOND)
    await streams.backprocess_streams()
    first = await _following(streams, slope)
    assert len(first.columns[slope]) == 19
    late_ns = 10 * SECOND + SECOND // 2
    await streams.append(source, 99.0, late_ns, check_timestamp=False)
    await streams.backprocess_streams()
    again = await _following(streams, slope, first.cursor)
    assert [(r.stream, r.end_ns) for r in again.revised] == [(slope, 19 * SECOND + 1)]
    assert 9 * SECOND < again.revised[0].start_ns <= late_ns
    assert again.columns[slope].t.tolist() == [late_ns, *(i * SECOND for i in range(11, 20))]
    # and once it is told, nothing more is said of it
    await streams.append(source, 20.0, 20 * SECOND)
    await streams.backprocess_streams()
    last = await _following(streams, slope, again.cursor)
    assert last.revised == ()
    assert last.columns[slope].t.tolist() == [20 * SECOND]


async def test_what_is_worked_out_anew_behind_what_was_told_revises_nothing(streams):
    source = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    twice = await streams.ensure_stream({"path": "s"}, {}, [], "raw", [source], "scale", {"a": 2})
    told = streams.follow([twice], 0)
    for i in range(10):
        await streams.append(source, float(i), i * SECOND)
        await streams.backprocess_streams()
    await anext(told)
    for i in range(10, 20):
        await streams.append(source, float(i), i * SECOND)
        await streams.backprocess_streams()
    late_ns = 15 * SECOND + 1
    await streams.append(source, 99.0, late_ns, check_timestamp=False)
    await streams.backprocess_streams()
    rest = await asyncio.wait_for(anext(told), 30)
    assert rest.revised == ()
    right = sorted([late_ns, *(i * SECOND for i in range(10, 20))])
    assert rest.columns[twice].t.tolist() == right
    await told.aclose()


async def test_nothing_comes_twice_from_before_where_a_derived_stream_is_worked_out_anew(streams):
    source = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    twice = await streams.ensure_stream({"path": "s"}, {}, [], "raw", [source], "scale", {"a": 2})
    told = streams.follow([twice], 0)
    for i in range(20):
        await streams.append(source, float(i), i * SECOND)
        await streams.backprocess_streams()
    await anext(told)
    late_ns = 15 * SECOND + 1
    await streams.append(source, 99.0, late_ns, check_timestamp=False)
    await streams.backprocess_streams()
    again = await asyncio.wait_for(anext(told), 30)
    (span,) = again.revised
    assert span.end_ns == 19 * SECOND + 1
    right = sorted([late_ns, *(i * SECOND for i in range(20))])
    assert again.columns[twice].t.tolist() == [one for one in right if one >= span.start_ns]
    assert 14 * SECOND < span.start_ns <= late_ns
    await told.aclose()


async def test_who_wants_later_datapoints_only_is_told_no_earlier_ones_of_a_derived_stream(streams):
    source = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    twice = await streams.ensure_stream({"path": "s"}, {}, [], "raw", [source], "scale", {"a": 2})
    told = streams.follow([twice], 5 * SECOND)
    for i in range(10):
        await streams.append(source, float(i), i * SECOND)
    await streams.backprocess_streams()
    assert (await anext(told)).columns[twice].t.tolist() == [i * SECOND for i in range(6, 10)]
    await streams.append(source, 99.0, 2 * SECOND, check_timestamp=False)
    await streams.backprocess_streams()
    again = await asyncio.wait_for(anext(told), 30)
    assert [one.start_ns for one in again.revised] == [5 * SECOND + 1]
    assert again.columns[twice].t.tolist() == [i * SECOND for i in range(6, 10)]
    await told.aclose()


async def test_a_late_flag_on_what_is_in_order_tells_nothing_twice(streams):
    """As of an import, which keeps the flags that datapoints had elsewhere."""
    stream = await streams.ensure_stream({"path": "w/a"}, {}, [], "raw")
    await streams.append(stream, 1.0, 10)
    told = streams.follow([stream], 0)
    await anext(told)
    waiting = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0)
    await streams.append(stream, 2.0, 20, quality=Quality.LATE)
    live = await waiting
    assert live.revised == ()
    await told.aclose()
    await streams.append(stream, 3.0, 30)
    again = await _following(streams, stream, live.cursor)
    assert again.columns[stream].python_values() == [3.0]


async def test_what_is_worked_out_anew_after_a_crash_does_not_come_twice(backend, clock):
    """The marks are gone, as after damage: all of the stream comes again, in many steps."""
    options = {"clock": clock, "seal_datapoints": 8}
    streams = datastream.open(backend, **options)
    await streams.start()
    source = await streams.ensure_stream({"path": "w/a"}, {}, [], "raw")
    twice = await streams.ensure_stream({"path": "s"}, {}, [], "raw", [source], "scale", {"a": 2})
    for i in range(600):
        await streams.append(source, float(i), 1 + i // 3)
        if i % 100 == 0:
            await streams.backprocess_streams()
    await streams.backprocess_streams()
    told = streams.follow([twice], 0)
    found = []
    while len(found) < 599:
        one = await asyncio.wait_for(anext(told), 30)
        found += one.columns[twice].python_values()
    await told.aclose()
    await kill(streams)
    for name in list(await backend.read_cursors("derived/")):
        await backend.apply(Change(cursors={name: None}))
    async with datastream.open(backend, **options) as again:
        told = again.follow([twice], one.cursor)
        await again.append(source, 600.0, 201)
        while len(found) < 601:
            following = await asyncio.wait_for(anext(told), 30)
            found += following.columns[twice].python_values()
        await told.aclose()
    assert found == [2.0 * i for i in range(601)]


async def test_a_cursor_of_a_moment_before_late_data_was_worked_in_says_so(backend, clock):
    streams = datastream.open(backend, clock=clock)
    await streams.start()
    source = await streams.ensure_stream({"path": "w/a"}, {}, [], "raw")
    twice = await streams.ensure_stream({"path": "s"}, {}, [], "raw", [source], "scale", {"a": 2})
    for i in range(10):
        await streams.append(source, float(i), i * SECOND + 1)
    await streams.backprocess_streams()
    streams._engine.deriver._task.cancel()
    told = streams.follow([source, twice], 0)
    first = await anext(told)
    assert len(first.columns[twice]) == 10
    await streams.append(source, 77.0, 5 * SECOND + 2, check_timestamp=False)
    live = await anext(told)
    assert twice not in live.columns
    await told.aclose()
    await kill(streams)
    async with datastream.open(backend, clock=clock) as again:
        await again.backprocess_streams()
        told = again.follow([source, twice], live.cursor)
        one = await asyncio.wait_for(anext(told), 30)
        await told.aclose()
    assert [(r.stream, r.start_ns) for r in one.revised] == [(twice, 5 * SECOND + 2)]
    assert one.columns[twice].python_values() == [154.0, 12.0, 14.0, 16.0, 18.0]


async def test_late_data_in_the_middle_of_a_bucket_that_was_told_last_revises_it(streams):
    source = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
    twice = await streams.ensure_stream(
        {"path": "s"}, {}, [], "Seconds10", [source], "scale", {"a": 2}
    )
    for i in range(10, 31):
        await streams.append(source, 1.0, i * SECOND)
    await streams.backprocess_streams()
    first = await _following(streams, twice)
    assert first.columns[twice].t.tolist() == [10 * SECOND, 20 * SECOND]
    await streams.append(source, 12.0, 25 * SECOND + 1, check_timestamp=False)
    await streams.backprocess_streams()
    again = await _following(streams, twice, first.cursor)
    assert [(r.stream, r.start_ns) for r in again.revised] == [(twice, 20 * SECOND)]
    assert again.columns[twice].python_values() == [4.0]

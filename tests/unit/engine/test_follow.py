"""Followers are told everything once: history, then what arrives, across cursors and restarts."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labmon import datastream
from labmon.datastream.backends.memory import MemoryBackend
from labmon.reading import Quality

START_NS = 1_700_000_000 * 1_000_000_000


async def make(streams, path="w/a"):
    return await streams.ensure_stream({"path": path}, {}, ["mean"], "raw")


def told_values(found, stream):
    parts = [one.columns[stream] for one in found if stream in one.columns]
    return [value for part in parts for value in part.python_values()]


async def test_history_comes_in_the_order_of_time_and_then_what_arrives(streams, clock):
    one, two = await make(streams), await make(streams, "w/b")
    for i in range(300):
        await streams.append(one, float(i), clock.step(1))
        if i % 3 == 0:
            await streams.append(two, -float(i), clock())
        if i % 50 == 0:
            await streams.commit()
            await streams._engine.sealer.idle()
    told = streams.follow([one, two], 0)
    first = await anext(told)
    assert first.until_ns is not None
    history = [first]
    while history[-1].until_ns <= streams.latest(one)[0]:
        history.append(await anext(told))
    assert told_values(history, one) == [float(i) for i in range(300)]
    assert told_values(history, two) == [-float(i) for i in range(0, 300, 3)]
    for before, after in pairwise(history):
        assert all((part.t < before.until_ns).all() for part in before.columns.values())
        assert all((part.t >= before.until_ns).all() for part in after.columns.values())
    waiting = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0)
    await streams.append(one, 300.0, clock.step(1))
    live = await waiting
    assert live.until_ns is None
    assert live.columns[one].python_values() == [300.0]
    await told.aclose()
    assert streams._engine.catalogue.get(one).followers == set()


async def test_a_late_datapoint_at_the_time_that_was_told_last_comes_once(streams):
    stream = await make(streams)
    for time_ns in (10, 20):
        await streams.append(stream, float(time_ns), time_ns)
    told = streams.follow([stream], 0)
    cursor = (await anext(told)).cursor
    await told.aclose()
    await streams.append(stream, 30.0, 30)
    await streams.append(stream, 20.5, 20, check_timestamp=False)
    told = streams.follow([stream], cursor)
    again = await anext(told)
    await told.aclose()
    assert again.columns[stream].python_values() == [20.5, 30.0]
    assert again.revised == ()


async def test_only_what_comes_after_a_time_is_told(streams, clock):
    stream = await make(streams)
    for i in range(10):
        await streams.append(stream, float(i), i)
    told = streams.follow([stream], 6)
    assert told_values([await anext(told)], stream) == [7.0, 8.0, 9.0]
    await told.aclose()


async def test_late_data_is_flagged_and_revises_what_was_told(streams, clock):
    stream = await make(streams)
    for i in range(10):
        await streams.append(stream, float(i), 10 * i)
    told = streams.follow([stream], 5)
    first = await anext(told)
    waiting = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0)
    await streams.append(stream, 2.5, 25, check_timestamp=False)
    live = await waiting
    assert live.columns[stream].qualities().tolist() == [Quality.LATE]
    assert [(r.stream, r.start_ns, r.end_ns) for r in live.revised] == [(stream, 25, 26)]
    await told.aclose()
    # one who was away is told that the past has changed, not the datapoint itself
    told = streams.follow([stream], first.cursor)
    await streams.append(stream, 10.0, 100)
    again = await anext(told)
    assert [(r.start_ns, r.end_ns) for r in again.revised] == [(25, 26)]
    assert told_values([again], stream) == [10.0]
    await told.aclose()


async def test_a_follower_that_is_far_behind_goes_back_to_history(streams, clock, monkeypatch):
    from labmon.datastream import follow

    monkeypatch.setattr(follow, "KEPT_READINGS", 50)
    stream = await make(streams)
    await streams.append(stream, 0.0, clock.step(1))
    told = streams.follow([stream], 0)
    found = [await anext(told)]
    for i in range(1, 400):
        await streams.append(stream, float(i), clock.step(1))
        if i % 64 == 0:
            await streams.commit()
            await streams._engine.sealer.idle()
    while len(told_values(found, stream)) < 400:
        found.append(await anext(told))
    assert told_values(found, stream) == [float(i) for i in range(400)]
    assert any(one.until_ns is not None for one in found[1:])
    await told.aclose()


async def test_one_who_follows_nothing_any_more_comes_to_the_end(streams):
    one, two = await make(streams), await make(streams, "w/b")
    told = streams.follow([one, two], 0)
    await streams.append(one, 1.0, 1)
    await anext(told)
    waiting = asyncio.ensure_future(anext(told, "the end"))
    await streams.delete_streams({"path": "w/a"})
    await streams.append(two, 2.0, 2)
    assert (await asyncio.wait_for(waiting, 30)).columns[two].python_values() == [2.0]
    waiting = asyncio.ensure_future(anext(told, "the end"))
    await asyncio.sleep(0)
    await streams.append(two, 3.0, 3)
    await streams.delete_streams({"path": "w/b"})
    assert (await asyncio.wait_for(waiting, 30)).columns[two].python_values() == [3.0]
    assert await asyncio.wait_for(anext(told, "the end"), 30) == "the end"


async def test_a_checkpoint_is_a_cursor_that_is_kept(streams, backend, clock):
    stream = await make(streams)
    await streams.append(stream, 1.0, clock.step(1))
    told = streams.follow([stream], 0)
    cursor = (await anext(told)).cursor
    await told.aclose()
    assert await streams.get_checkpoint("alarms") is None
    await streams.set_checkpoint("alarms", cursor)
    await streams.append(stream, 2.0, clock.step(1))
    async with datastream.open(backend, clock=clock) as again:
        assert await again.get_checkpoint("alarms") == cursor
        told = again.follow([stream], cursor)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(told), 0.01)
        await told.aclose()


async def test_what_is_no_cursor_is_refused(streams):
    stream = await make(streams)
    for wrong in ("", "nonsense", "W10="):
        with pytest.raises(ValueError, match="no cursor"):
            streams.follow([stream], wrong)
    async with datastream.open("memory:") as other:
        theirs = await make(other)
        await other.append(theirs, 1.0)
        told = other.follow([theirs], 0)
        cursor = (await anext(told)).cursor
        await told.aclose()
    with pytest.raises(ValueError, match="another store"):
        streams.follow([stream], cursor)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 40), st.sampled_from([0, 0, 1, 10])),
        st.tuples(st.just("late"), st.floats(0, 1)),
        st.tuples(st.just("take"), st.integers(1, 3)),
        st.sampled_from([("seal",), ("resume",), ("restart",), ("loop",)]),
    ),
    max_size=40,
)


class Watch:
    """One follower of two streams, and what it has been told."""

    def __init__(self):
        self.backend = MemoryBackend()
        self.now_ns = START_NS
        self.regular = {"w/a": [], "w/b": []}
        self.late = []
        self.told = {"w/a": [], "w/b": []}
        self.told_late = set()
        self.cursor = 0
        self.value = 0

    async def open(self):
        self.ds = datastream.open(self.backend, seal_datapoints=8, commit_interval_s=0)
        await self.ds.start()
        self.ids = {path: await make(self.ds, path) for path in self.regular}
        self.follower = self.ds.follow(self.ids.values(), self.cursor)

    async def append(self, path, time_ns):
        self.value += 1
        told = await self.ds.append(self.ids[path], self.value, time_ns, check_timestamp=False)
        if told["datapoint"].get("quality", 0) & Quality.LATE:
            self.late.append((path, time_ns, self.value))
        else:
            self.regular[path].append(self.value)

    async def take(self, count, timeout_s=0.002):
        """Ask so often; stop where the follower would wait, or takes long."""
        for _ in range(count):
            step = asyncio.ensure_future(anext(self.follower))
            done, _ = await asyncio.wait([step], timeout=timeout_s)
            if not done:
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
                self.follower = self.ds.follow(self.ids.values(), self.cursor)
                return False
            self.note(step.result())
        return True

    def note(self, one):
        self.cursor = one.cursor
        for path, stream in self.ids.items():
            part = one.columns.get(stream)
            if part is None:
                continue
            is_late = (part.qualities() & Quality.LATE) > 0
            for value, late in zip(part.python_values(), is_late.tolist(), strict=True):
                if late:
                    assert value not in self.told_late, "told twice"
                    self.told_late.add(value)
                else:
                    self.told[path].append(value)
        for span in one.revised:
            for path, time_ns, value in self.late:
                if self.ids[path] == span.stream and span.start_ns <= time_ns < span.end_ns:
                    self.told_late.add(value)

    async def do(self, action):
        kind, *rest = action
        if kind == "append":
            for i in range(rest[0]):
                self.now_ns += rest[1]
                await self.append("w/a", self.now_ns)
                if i % 2:
                    await self.append("w/b", self.now_ns)
        elif kind == "late":
            time_ns = START_NS + int(rest[0] * (self.now_ns - START_NS))
            await self.append("w/a", time_ns)
        elif kind == "take":
            await self.take(rest[0])
        elif kind == "seal":
            await self.ds.commit()
            await self.ds._engine.sealer.idle()
        elif kind == "loop":
            await asyncio.sleep(0)
        else:
            await self.follower.aclose()
            if kind == "restart":
                await self.ds.close()
                await self.open()
            else:
                self.follower = self.ds.follow(self.ids.values(), self.cursor)


@settings(max_examples=60, deadline=None)
@given(actions)
def test_nothing_is_left_out_and_nothing_comes_twice(actions):
    async def run():
        watch = Watch()
        await watch.open()
        for action in actions:
            await watch.do(action)
        # what was late is told itself, or that the past has changed there
        late = {value for *_, value in watch.late}
        while watch.told != watch.regular or not late <= watch.told_late:
            assert await watch.take(1, timeout_s=30), "it waits, and has not told everything"
        await watch.take(1)
        assert watch.told == watch.regular
        await watch.follower.aclose()
        await watch.ds.close()

    asyncio.run(run())

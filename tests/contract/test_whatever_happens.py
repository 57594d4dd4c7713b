"""Whatever is done to a store in whatever order, it answers what a plain list would, exactly."""

import asyncio
import contextlib
import math
import random
from collections import Counter

import numpy as np
import pytest

from labmon.datastream import aggregate, follow, sealing
from labmon.datastream.upkeep import upkeep
from labmon.reading import ArrayBatch, Batch, Quality
from tests.contract.recorded import NUMBERS, Checker, Recorded, exactly

SECOND = 1_000_000_000
PATHS = ("n/a", "n/b", "n/c", "s/w")
STEPS_NS = [0, 0, 1, 10**6, SECOND // 10, SECOND, 7 * SECOND, 90 * SECOND, 5000 * SECOND]
QUALITIES = [0] * 8 + [Quality.FAULT, Quality.LIMIT, Quality.SIMULATED]
ACTIONS = {
    "poll": 10,
    "one": 5,
    "several": 5,
    "array": 4,
    "commit": 2,
    "seal": 2,
    "upkeep": 2,
    "restart": 1,
    "kill": 1,
    "remove": 1,
    "follow": 3,
    "resume": 2,
}


class Lab:
    """A store, what should be in it, and one who follows it."""

    def __init__(self, seed, opened, clock):
        self.random = random.Random(seed)
        self.opened = opened
        self.clock = clock
        self.size = self.random.choice([4, 8, 64])
        self.recorded = {path: Recorded(path != "s/w") for path in PATHS}
        self.durable = dict.fromkeys(PATHS, 0)
        self.numbered = []
        self.mirror = {}
        self.cursor = 0

    async def open(self):
        self.streams = await self.opened(seal_datapoints=self.size, commit_interval_s=0.001)
        self.numbered = []
        for path in PATHS:
            await self.make(path)

    async def make(self, path):
        words = {"value_type": "nominal"} if path == "s/w" else {}
        downsamplers = ["frequencies"] if words else NUMBERS
        await self.streams.ensure_stream({"path": path}, {}, downsamplers, "raw", **words)

    def id(self, path):
        return self.streams.stream_id(path)

    def value(self, path):
        pick = self.random.choice
        if path == "s/w":
            return pick(["on", "1", 1, 1.0, True, None, {"a": [1, None]}, [], ""])
        return pick(
            [
                round(self.random.gauss(20, 3), 3),
                384.2278115 + self.random.gauss(0, 1e-7),
                self.random.randint(-1000, 1000),
                pick([None, math.inf, -math.inf, -0.0, 5e-324, 1e100, 2**63 - 1, 2**53 + 1]),
            ]
        )

    def time_ns(self):
        self.clock.now_ns += self.random.choice(STEPS_NS)
        return self.clock.now_ns

    def note(self, path, time_ns, value, quality, seq):
        self.recorded[path].add(time_ns, value, quality)
        _, value, quality = self.recorded[path].rows[-1]
        self.numbered.append((seq, path, time_ns, exactly(value), quality))

    @property
    def last_seq(self):
        return self.streams._engine.appender.last_seq

    # What happens

    async def poll(self):
        paths = tuple(self.random.sample(PATHS, self.random.randint(1, 4)))
        for _ in range(self.random.choice([1, 5, 40])):
            time_ns = self.time_ns()
            if self.random.random() < 0.1:
                time_ns -= self.random.choice([1, SECOND, 10_000 * SECOND])
            values = tuple(map(self.value, paths))
            qualities = bytes(self.random.choices(QUALITIES, k=len(paths)))
            assert (
                await self.streams.append_batch(Batch("n", time_ns, paths, values, qualities)) == ()
            )
            first = self.last_seq - len(paths) + 1
            for i, path in enumerate(paths):
                self.note(path, time_ns, values[i], qualities[i], first + i)

    async def one(self):
        path, time_ns = self.random.choice(PATHS), self.time_ns() - self.random.choice([0, SECOND])
        value, quality = self.value(path), self.random.choice(QUALITIES)
        await self.streams.append(
            self.id(path), value, time_ns, check_timestamp=False, quality=quality
        )
        self.note(path, time_ns, value, quality, self.last_seq)

    async def several(self):
        points = []
        for path in self.random.choices(PATHS, k=self.random.choice([1, 3, 30])):
            time_ns = max(self.time_ns(), self.recorded[path].latest_ns)
            points.append((path, {"value": self.value(path), "timestamp": time_ns}))
        given = [{"stream_id": self.id(path), **point} for path, point in points]
        await self.streams.append_multiple(given)
        for i, (path, point) in enumerate(points, self.last_seq - len(points) + 1):
            self.note(path, point["timestamp"], point["value"], 0, i)

    async def array(self):
        path, count = self.random.choice(PATHS[:3]), self.random.choice([1, 3, self.size, 70])
        first_ns = max(self.time_ns(), self.recorded[path].latest_ns)
        t = first_ns + np.arange(count) * self.random.choice([0, 10**6, 13 * SECOND])
        self.clock.now_ns = int(t[-1])
        v = np.array([round(self.random.gauss(3, 1), 2) for _ in range(count)])
        if self.random.random() < 0.3:
            v = v.astype(np.int64)
        if self.random.random() < 0.5:
            assert await self.streams.append_batch(ArrayBatch("n", (path,), t, v)) == ()
            first = self.last_seq - count + 1
        else:
            await self.streams.append_array(self.id(path), t, v)
            first = None if count >= self.size else self.last_seq - count + 1
        for i, (time_ns, value) in enumerate(zip(t.tolist(), v.tolist(), strict=True)):
            self.note(path, time_ns, value, 0, None if first is None else first + i)

    async def commit(self):
        await self.streams.commit()
        self.durable = {path: len(one.rows) for path, one in self.recorded.items()}
        await self.check_journal()

    async def seal(self):
        await self.streams._engine.sealer.idle()

    async def upkeep(self):
        await upkeep(self.streams._engine, self.random.choice([-1, 300]) * SECOND)

    async def restart(self):
        await self.open()

    async def kill(self):
        """What was acknowledged is there, and of the rest what came first."""
        await self.opened.kill()
        await self.open()
        for path, one in self.recorded.items():
            left = self.streams.describe(self.id(path))["count"]
            assert self.durable[path] <= left <= len(one.rows)
            del one.rows[left:]
        self.mirror, self.cursor = {}, 0  # it may have been told more than is there

    async def remove(self):
        path = self.random.choice(PATHS)
        await self.streams.delete_streams({"path": path})
        self.recorded[path].rows.clear()
        self.durable[path] = 0
        self.numbered = [row for row in self.numbered if row[1] != path]
        await self.make(path)
        self.mirror, self.cursor = {}, 0

    async def follow(self):
        """Take all that is to be told, then the mirror is what the streams are."""
        told = self.streams.follow(list(map(self.id, PATHS)), self.cursor)
        with contextlib.suppress(TimeoutError):
            while self.differences():
                self.mirrored(await asyncio.wait_for(anext(told), 30))
        await told.aclose()
        assert self.differences() == {}

    async def resume(self):
        """Take some of it only."""
        if not self.differences():
            return
        told = self.streams.follow(list(map(self.id, PATHS)), self.cursor)
        self.mirrored(await asyncio.wait_for(anext(told), 30))
        await told.aclose()

    def mirrored(self, told):
        self.cursor = told.cursor
        for stream, part in told.columns.items():
            points = zip(part.t.tolist(), part.python_values(), strict=True)
            self.mirror.setdefault(stream, []).extend(points)
        for span in told.revised:
            self.revise(span.stream, span.start_ns, span.end_ns)

    def revise(self, stream, start_ns, end_ns):
        """Put what there is now in the place of a span, without what is still to be told."""
        path = next(path for path in PATHS if self.id(path) == stream)
        kept = [one for one in self.mirror.get(stream, ()) if not start_ns <= one[0] < end_ns]
        there = [(t, v) for t, v, _ in self.recorded[path].between(start_ns, end_ns)]
        self.mirror[stream] = kept + there

    def differences(self):
        """What the mirror of each stream has too much, and what is missing in it."""
        found = {}
        for path, one in self.recorded.items():
            told = Counter(as_floats(self.mirror.get(self.id(path), ())))
            right = Counter(as_floats((t, v) for t, v, _ in one.rows))
            if told != right:
                found[path] = (dict(told - right), dict(right - told))
        return found

    # What is asked

    async def check_journal(self):
        since = self.random.choice([0, self.random.randint(0, self.last_seq)])
        tail = await self.streams.journal_since(self.streams.epoch, since)
        told = [row for batch in tail.batches for row in numbered(batch) if row[0] > since]
        right = [row for row in self.numbered if row[0] is not None and row[0] > since]
        assert told == (right if tail.complete else right[len(right) - len(told) :])

    async def check(self):
        path = self.random.choice(PATHS)
        checker = Checker(self.streams, self.id(path), self.recorded[path], self.random)
        await checker.check()


def as_floats(points):
    """In columns of floats, integers are floats as well."""
    return [
        (t, exactly(float(v) if isinstance(v, int | float) and not isinstance(v, bool) else v))
        for t, v in points
    ]


def numbered(batch):
    """(number, path, time, value, quality) of each reading."""
    if isinstance(batch, Batch):
        rows = zip(batch.readings(), range(batch.seq, batch.seq + len(batch)), strict=True)
        return [(seq, r.path, r.time_ns, exactly(r.value), r.quality) for r, seq in rows]
    qualities = [0] * len(batch) if batch.qualities is None else batch.qualities.tolist()
    rows = zip(batch.times_ns.tolist(), batch.values.tolist(), qualities, strict=True)
    return [
        (seq, batch.paths[0], t, exactly(v), q) for seq, (t, v, q) in enumerate(rows, batch.seq)
    ]


async def happens(seed, opened, clock, monkeypatch, steps):
    lab = Lab(seed, opened, clock)
    monkeypatch.setattr(sealing, "PAYS_FROM", lab.random.choice([2, 24]))
    monkeypatch.setattr(aggregate, "FEW", lab.random.choice([0, 1000]))
    monkeypatch.setattr(follow, "KEPT_READINGS", lab.random.choice([10, 200_000]))
    await lab.open()
    for action in lab.random.choices(list(ACTIONS), list(ACTIONS.values()), k=steps):
        await getattr(lab, action)()
        await lab.check()
    await lab.follow()
    await lab.restart()
    await lab.check()


@pytest.mark.parametrize("seed", range(2))
async def test_a_store_answers_what_a_list_would(seed, opened, clock, monkeypatch):
    await happens(seed, opened, clock, monkeypatch, 20)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 130))
async def test_a_store_answers_what_a_list_would_for_long(seed, opened, clock, monkeypatch):
    await happens(seed, opened, clock, monkeypatch, 120)

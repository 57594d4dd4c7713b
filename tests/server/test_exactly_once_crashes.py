"""Exactly once in one process: short memories, crashes, trims, and viewers that are cut.

What takes minutes with real processes takes seconds here: a crash is a node on a copy of the files,
made at any moment between two commits. Each seed is another history.
"""

import asyncio
import os
import random
import shutil
from contextlib import suppress
from itertools import count

import numpy as np
import pytest
from tornado.httpclient import HTTPError
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from labmon import hub as hub_module
from labmon.datastream.exceptions import StoreNotOpen
from labmon.datastream.upkeep import trim
from labmon.reading import ArrayBatch
from labmon.web import replay as replay_module
from labmon.web.wire import seconds

PATHS = ("lab/a", "lab/b", "lab/c", "lab/d")
ARRAYS = "lab/adc"
STEP_NS = 100_000
WATCH_S = 3.0
CUT = (
    *(OSError, EOFError, AssertionError, HTTPError),
    *(WebSocketClosedError, StreamClosedError, StoreNotOpen),
)
"""What a viewer meets where the server stops or is not yet there."""


class Source:
    """Publishes batches of several streams, arrays, and readings that come late or for others."""

    def __init__(self, rng, now_ns):
        self._rng = rng
        self._numbers = count()
        self._samples = 0
        self._start_ns = now_ns - 3600 * 10**9

    def burst(self, node):
        for _ in range(self._rng.randrange(1, 30)):
            self._rng.choices((self._poll, self._array, self._late, self._other), (16, 2, 1, 1))[0](
                node
            )

    def _poll(self, node):
        paths = self._rng.choice((PATHS, self._rng.sample(PATHS, self._rng.randrange(1, 4))))
        node.publish(*((path, float(next(self._numbers))) for path in paths))

    def _array(self, node):
        numbers = np.arange(self._samples, self._samples + self._rng.randrange(1, 60))
        self._samples += len(numbers)
        times_ns = self._start_ns + numbers * STEP_NS
        node.hub.publish(ArrayBatch("lab", (ARRAYS,), times_ns, numbers.astype(float)))

    def _late(self, node):
        ago_ns = self._rng.randrange(10**12)
        node.publish(("lab/late", 0.0), time_ns=node.clock.now_ns() - ago_ns)

    def _other(self, node):
        node.publish(("other/x", 0.0))


class Viewer:
    """Keeps (time, value, how many it stands for) of each stream, as the protocol says."""

    def __init__(self, kind):
        self.kind = kind
        self.cursor = None
        self.rows = {path: [] for path in (*PATHS, ARRAYS)}
        self.gaps = 0
        self.said = []
        """Everything but rows, for the message of a failure."""

    def in_format(self, time_ns):
        return seconds(time_ns) if self.kind == "sse" else time_ns

    async def watch(self, node, messages):
        """Take so many messages, unless the server goes away; then cut."""
        with suppress(TimeoutError, *CUT):
            async with asyncio.timeout(WATCH_S):
                await (self._events if self.kind == "sse" else self._socket)(node, messages)

    async def _socket(self, node, messages):
        socket = await node.socket("labmon.v1.msgpack")
        try:
            self.cursor = self.cursor or socket.hello["cursor"]
            await socket.subscribe("lab/*", after=self.cursor)
            while messages and (message := await socket.receive()):
                messages -= 1
                await self._take(node, message["type"], message, message.get("cursor"))
        finally:
            await socket.closed()

    async def _events(self, node, messages):
        events = await node.events(
            "stream=lab/*", {"Last-Event-ID": self.cursor} if self.cursor else {}
        )
        try:
            while messages and (event := await events.event()):
                messages -= 1
                await self._take(node, event["event"], event["data"], event.get("id"))
        finally:
            self.cursor = self.cursor or events.id
            events.writer.transport.abort()

    async def _take(self, node, kind, fields, cursor):
        if kind == "readings":
            for path, t, value, _quality, *band in fields["readings"]:
                if path in self.rows:
                    self.rows[path].append((t, value, band[2] if band else 1))
            self.cursor = cursor or self.cursor
            return
        self.said.append((kind, cursor, fields))
        if kind == "lost":
            for path, rows in self.rows.items():
                last = fields["streams"].get(path)
                rows[:] = [row for row in rows if last is not None and row[0] <= last]
        elif kind == "gap":
            self.gaps += 1
            await self._fetch(node, fields)

    async def _fetch(self, node, gap):
        """Put history in the place of a gap; what it has in common with live is there once."""
        unit = 10**9 if self.kind == "sse" else 1
        start_ns, end_ns = (int((gap[name] or 0) * unit) for name in ("from", "to"))
        for path in PATHS:
            stream_id = node.datastream.stream_id(path)
            found = await node.datastream.get_arrays(
                stream_id, "raw", start_ns - 1000, end_ns + 1000
            )
            times = map(self.in_format, found["t"].tolist())
            kept = [row for row in self.rows[path] if not start_ns <= row[0] * unit <= end_ns]
            fetched = zip(times, found["v"].tolist(), [1] * len(found["t"]), strict=True)
            self.rows[path] = [*kept, *fetched]

    def values(self, path):
        rows = self.rows[path]
        return [value for _, value, _ in (sorted(set(rows)) if self.gaps else rows)]


class World:
    """A node that lives several lives, its readings, and its viewers."""

    def __init__(self, make_node, folder, rng):
        self._make_node = make_node
        self._folder = folder
        self._rng = rng
        self._limits = {"replay_readings": rng.choice([10, 100, 2000]), "interval_s": 0.005}
        self._trims = rng.random() < 0.7
        self.viewers = [Viewer("ws"), Viewer("sse"), Viewer("ws")]
        self._lives = 0

    async def begin(self):
        await self._start_here()
        self._source = Source(self._rng, self.node.clock.now_ns())
        self.node.publish(*((path, -2.0) for path in (*PATHS, "lab/late", "other/x")))
        await self.node.recorder.flush()

    async def _start_here(self):
        self._place = self._folder / str(self._lives)
        self._place.mkdir(exist_ok=True)
        self.node = await self._make_node(f"sqlite:///{self._place}/labmon.db", limits=self._limits)

    async def live(self):
        """Publish and watch for a while; then stop or crash, and start again."""
        rng, stop = self._rng, asyncio.Event()
        publishing = asyncio.create_task(self._publish(stop))
        awake = [each for each in self.viewers if each.cursor is None or rng.random() < 0.7]
        viewing = [asyncio.create_task(self._view(viewer, stop)) for viewer in awake]
        await asyncio.sleep(rng.uniform(0.05, 0.5))
        is_crash = rng.random() < 0.7
        if is_crash:
            await self._copy()
            await asyncio.sleep(rng.choice([0.01, 0.05, 0.2]))  # what is shown now is lost
        stop.set()
        await publishing
        await asyncio.gather(self.node.stop(), *viewing)
        await (self._start_here() if is_crash else self.node.start())
        if rng.random() < 0.5:
            self._source.burst(self.node)

    async def _publish(self, stop):
        while not stop.is_set():
            self._source.burst(self.node)
            await asyncio.sleep(self._rng.choice([0, 0.001, 0.01]))
            if self._trims and self._rng.random() < 0.1:
                ago_ns = self._rng.choice([0, 10**7, 10**8])
                await trim(self.node.datastream._engine, self.node.clock.now_ns() - ago_ns)

    async def _view(self, viewer, stop):
        while not stop.is_set():
            await viewer.watch(self.node, self._rng.randrange(1, 8))

    async def _copy(self):
        """The files as they are between two commits, for the next life."""
        self._lives += 1
        target = self._folder / str(self._lives)
        target.mkdir()
        async with self.node.datastream._engine.backend._turn:
            for file in self._place.glob("labmon.db*"):
                if file.suffix not in {".lock", ".ballast"}:
                    shutil.copy(file, target / file.name)

    async def end(self):
        """Everybody takes all that there is."""
        self.node.publish(*((path, -1.0) for path in PATHS))
        await self.node.recorder.flush()
        async with asyncio.timeout(60):
            for viewer in self.viewers:
                while not all(viewer.values(path)[-1:] == [-1.0] for path in PATHS):
                    await viewer.watch(self.node, self._rng.randrange(1, 40))

    async def stored(self, path):
        stream_id = self.node.datastream.stream_id(path)
        if stream_id is None:
            return []
        return (await self.node.datastream.get_arrays(stream_id, "raw", 0, 2**62))["v"].tolist()

    async def check(self):
        for viewer in self.viewers:
            for path in PATHS:
                stored, got = await self.stored(path), viewer.values(path)
                assert got == stored[len(stored) - len(got) :], (viewer.kind, path, viewer.said)
            assert {kind for kind, *_ in viewer.said} <= {"lost", "gap", "device", "bye"}
            assert self._trims or not viewer.gaps
            if not viewer.gaps:
                self._check_arrays(viewer, await self.stored(ARRAYS))

    def _check_arrays(self, viewer, stored):
        """Each array is there whole, one behind the other."""
        rows = viewer.rows[ARRAYS]
        end = len(stored) - sum(samples for _, _, samples in rows)
        assert end >= 0
        for _, value, samples in rows:
            end += samples
            assert stored[end - 1] == value, (viewer.kind, viewer.said)


@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
async def test_viewers_have_what_is_stored_whatever_crashes(
    make_node, tmp_path, monkeypatch, complaints, number
):
    seed = int(os.environ.get("LABMON_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    monkeypatch.setattr(hub_module, "RECENT_READINGS", rng.choice([30, 300, 20_000]))
    monkeypatch.setattr(replay_module, "TAIL_READINGS", rng.choice([40, 20_000]))
    world = World(make_node, tmp_path, rng)
    await world.begin()
    for _ in range(rng.randrange(2, 6)):
        await world.live()
    await world.end()
    await world.check()

"""Sealing: full heads become blocks, finished buckets become rollups, late data puts them right.

One task does it, one group of streams after the other, and encodes on another thread. The trap:
memory changes only after the store has the blocks, and then all at once, between two awaits; a
query that awaited meanwhile sees that the stream's version has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream import downsample
from labmon.datastream.backends.base import BlockKey, BlockRow, Change
from labmon.datastream.blockmaking import Sealing, encode_level, encode_raw, split
from labmon.datastream.exceptions import StreamAppendFailed
from labmon.datastream.granularity import Granularity
from labmon.datastream.levels import roll_up
from labmon.datastream.seal_state import LevelState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from labmon.datastream.blocks import Blocks
    from labmon.datastream.catalogue import Catalogue
    from labmon.datastream.columns import Columns
    from labmon.datastream.journal import Journal
    from labmon.datastream.levels import Levels
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.stream import Stream

log = logging.getLogger(__name__)

GROUP: Final = 16
"""So many streams are sealed in one transaction."""
BLOCKS: Final = 64
"""So many blocks of a stream are sealed in one transaction, about."""
PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
"""A stream that cannot be sealed is tried again after a pause, which doubles up to the longest."""
PAYS_FROM: Final = 24
"""A level is stored where its buckets have so many datapoints, on average: a row of rollups takes
as much room as five datapoints, and of fewer it is made in no time. Usual rates lie well off it."""


class Sealer:
    """Seals heads; on the event loop, with one task.

    Args:
        size: so many datapoints make a block.
    """

    def __init__(
        self, catalogue: Catalogue, journal: Journal, blocks: Blocks, levels: Levels, size: int
    ) -> None:
        self._catalogue = catalogue
        self._journal = journal
        self._blocks = blocks
        self._levels = levels
        self.size = size
        self.checkpoint: Callable[[Stream], dict[str, bytes | None]] = _no_cursors
        """Gives the cursors to write together with blocks of all that a stream's head has."""
        self._wanted: dict[int, None] = {}
        self._turn = asyncio.Lock()
        self._alone: Stream | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiters: list[tuple[Stream, asyncio.Future[None]]] = []
        self._pauses_s: dict[int, float] = {}
        self._paused: dict[int, asyncio.TimerHandle] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task that seals."""
        self._task = asyncio.create_task(self._run(), name="datastream-sealing")

    async def stop(self) -> None:
        """End the task; what it was at is found in the journal again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for timer in self._paused.values():
            timer.cancel()
        self._tell(StreamAppendFailed("the store was closed before this was durable"))

    def look_at(self, numbers: Iterable[int]) -> None:
        """Seal those of the streams whose heads are full, soon."""
        for number in numbers:
            stream = self._catalogue.number(number)
            if stream is not None and stream.head_length >= self.size:
                self.want(stream)

    def is_sealing(self, stream: Stream) -> bool:
        """Whether a stream is being sealed, or soon will be, or its blocks are being changed."""
        return stream.number in self._wanted or self._alone is stream

    @contextlib.asynccontextmanager
    async def alone(self, stream: Stream) -> AsyncIterator[None]:
        """Nobody else changes the blocks of a stream within; nothing is sealed meanwhile."""
        async with self._turn:
            self._alone = stream
            self._idle.clear()
            try:
                yield
            finally:
                self._alone = None
                self._rest()

    def want(self, stream: Stream) -> None:
        """Seal a stream, soon; one that could not be sealed a moment ago, later."""
        if stream.number in self._paused:
            return
        self._wanted[stream.number] = None
        self._idle.clear()
        self._wake.set()

    async def through(self, stream: Stream, ordinal: int) -> None:
        """Wait until a stream is sealed up to an ordinal."""
        while stream.state.through < ordinal and self._catalogue.number(stream.number) is stream:
            self.want(stream)
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((stream, waiter))
            await waiter

    def _tell(self, error: Exception | None, number: int | None = None) -> None:
        """Wake those who wait; an error is told only to those who wait for that stream."""
        told = [one for one in self._waiters if number is None or one[0].number == number]
        self._waiters = [one for one in self._waiters if one not in told]
        for _, waiter in told:
            if not waiter.done():
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(error)

    async def idle(self) -> None:
        """Wait until nothing is to be sealed."""
        await self._idle.wait()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._wanted:
                numbers = list(self._wanted)[:GROUP]
                await self._attempt(numbers)
                for number in numbers:
                    self._wanted.pop(number, None)
                self.look_at(numbers)  # there may be more than one sealing takes
            self._rest()

    async def _attempt(self, numbers: list[int]) -> None:
        """Seal some streams together; where that fails each alone, so that none holds up another.

        What is not sealed stays in heads and journal: nothing is lost, but it is said.
        """
        found = [self._catalogue.number(number) for number in numbers]
        try:
            async with self._turn:
                await self._seal([stream for stream in found if stream is not None])
        except Exception as error:
            if len(numbers) > 1:
                for number in numbers:
                    await self._attempt([number])
                return
            log.exception("streams could not be sealed: %s", numbers)
            self._pause(numbers[0])
            self._tell(error, numbers[0])
            return
        for number in numbers:
            self._pauses_s.pop(number, None)
        self._tell(None)

    def _pause(self, number: int) -> None:
        pause_s = self._pauses_s.get(number, PAUSE_S)
        self._pauses_s[number] = min(2 * pause_s, LONGEST_PAUSE_S)
        loop = asyncio.get_running_loop()
        self._paused[number] = loop.call_later(pause_s, self._resume, number)

    def _resume(self, number: int) -> None:
        del self._paused[number]
        self.look_at([number])
        for stream, _ in self._waiters:
            if stream.number == number:
                self.want(stream)

    def _rest(self) -> None:
        if not self._wanted and self._alone is None:
            self._idle.set()

    async def _seal(self, streams: list[Stream]) -> None:
        sealings = [
            Sealing(
                stream.number,
                stream.head.arrivals()[: BLOCKS * self.size],
                stream.state.copy(),
                bool(stream.config.value_downsamplers),
            )
            for stream in streams
            if stream.head.length
        ]
        if not sealings:
            return
        cursors = {s.number: self.checkpoint(s) for s in streams if s.head.length}
        shared = await asyncio.get_running_loop().run_in_executor(
            None, _split_and_encode, sealings, self.size
        )
        patches: dict[int, list[BlockRow]] = {}
        for sealing in sealings:
            if len(sealing.late):
                patches[sealing.number] = await self._patched(streams, sealing)
        # from here to the submission nothing awaits: a stream that is removed later goes for good
        sealings = [one for one in sealings if self._catalogue.number(one.number) in streams]
        change = Change(times=shared)
        for sealing in sealings:
            rows = patches.get(sealing.number, [])
            change.blocks += [*sealing.rows, *rows]
            change.removed_blocks += [_older(row) for row in rows]
            change.states[sealing.number] = sealing.state.encode()
            change.cursors.update(cursors[sealing.number])
        await self._journal.submit(change)
        for sealing in sealings:
            self._sealed(sealing, patches.get(sealing.number, []))
        for sealing in sealings:
            stream = self._catalogue.number(sealing.number)
            if stream is not None and sealing.has_levels:
                await self._seal_levels(stream)

    def _sealed(self, sealing: Sealing, patches: list[BlockRow]) -> None:
        """Take over what the store now has; nothing awaits in here."""
        stream = self._catalogue.number(sealing.number)
        if stream is None:  # removed meanwhile
            return
        before_ns = stream.state.last_ns
        outlines = [row.outline for row in (*sealing.rows, *patches)]
        stream.state = sealing.state
        stream.forget_sealed(len(sealing.arrivals))
        self._blocks.written(stream, outlines, [_older(row) for row in patches])
        for (_, piece), row in zip(sealing.pieces, sealing.rows, strict=True):
            self._blocks.remember(row.outline.key, piece)
        if before_ns >= 0:
            changed_ns = int(sealing.late.t[0]) if len(sealing.late) else before_ns
            self._levels.sealed_since(stream, changed_ns)
        stream.version += 1

    async def _patched(self, streams: list[Stream], sealing: Sealing) -> list[BlockRow]:
        """The stored rollups that late datapoints touch, with them merged in."""
        stream = next(stream for stream in streams if stream.number == sealing.number)
        patched: list[BlockRow] = []
        for granularity in Granularity.values[1:]:
            found = await self._blocks.of(stream, granularity.key)
            late = sealing.late
            first_ns = granularity.round_timestamp(int(late.t[0]))
            for outline in found.overlapping(first_ns, int(late.t[-1]) + 1):
                part = late.between(outline.from_ns, outline.to_ns)
                tables = await self._blocks.tables([outline])
                if not len(part) or not tables:
                    continue
                rows = _merged(stream, tables[0], part, granularity)
                key = outline.key._replace(generation=outline.key.generation + 1)
                patched.append(
                    encode_level(
                        key,
                        granularity,
                        rows,
                        outline.from_ns,
                        outline.to_ns,
                        sealing.state.through,
                    )
                )
        return patched

    async def _seal_levels(self, stream: Stream) -> None:
        """Store the rollups of finished buckets, level by level, where that pays."""
        for granularity in Granularity.values[1:]:
            if granularity >= stream.config.highest_granularity:
                continue
            level = stream.state.levels[granularity.key]
            until_ns = granularity.round_timestamp(stream.state.last_ns)
            if level.buckets < self.size or until_ns <= level.until_ns:
                continue
            if level.datapoints < PAYS_FROM * level.buckets:
                stream.state.levels[granularity.key] = LevelState(until_ns, level.next_ordinal)
                continue
            await self._seal_level(stream, granularity, level, until_ns)

    async def _seal_level(
        self, stream: Stream, granularity: Granularity, level: LevelState, until_ns: int
    ) -> None:
        rows = await self._levels.sealed(stream, granularity, level.until_ns, until_ns)
        if not len(rows):
            return
        made = await asyncio.get_running_loop().run_in_executor(
            None, self._encode_levels, stream, granularity, rows, level, until_ns
        )
        if self._catalogue.number(stream.number) is not stream:
            return
        after = LevelState(until_ns, level.next_ordinal + len(rows))
        state = stream.state.copy()
        state.levels[granularity.key] = after
        await self._journal.submit(Change(blocks=made, states={stream.number: state.encode()}))
        if self._catalogue.number(stream.number) is stream:
            stream.state = state
            self._blocks.written(stream, [row.outline for row in made])
            self._levels.stored(stream, granularity, until_ns)
            stream.version += 1

    def _encode_levels(
        self,
        stream: Stream,
        granularity: Granularity,
        rows: Rollups,
        level: LevelState,
        until_ns: int,
    ) -> list[BlockRow]:
        """The blocks of new rollups; on another thread."""
        through = stream.state.through  # only this task changes it, and waits for us
        made: list[BlockRow] = []
        from_ns = level.until_ns
        for first, last in pairwise([*range(0, len(rows), 2 * self.size), len(rows)]):
            to_ns = until_ns if last == len(rows) else int(rows.t[last])
            key = BlockKey(stream.number, granularity.key, level.next_ordinal + first, 0)
            part = rows.rows(slice(first, last))
            made.append(encode_level(key, granularity, part, from_ns, to_ns, through))
            from_ns = to_ns
        return made


def _no_cursors(stream: Stream) -> dict[str, bytes | None]:
    return {}


def _split_and_encode(sealings: list[Sealing], size: int) -> dict[bytes, bytes]:
    for sealing in sealings:
        split(sealing, size)
    return encode_raw(sealings)


def _older(row: BlockRow) -> BlockKey:
    key = row.outline.key
    return key._replace(generation=key.generation - 1)


def _merged(stream: Stream, table: Rollups, late: Columns, granularity: Granularity) -> Rollups:
    added = roll_up(stream, late, granularity.duration_ns)
    joined = type(table).concatenate((table, added))
    joined = joined.rows(np.argsort(joined.t, kind="stable"))
    return downsample.coarsen(joined, granularity.duration_ns)

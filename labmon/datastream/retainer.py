"""The retainer: removes what is older than it is to be kept, block by block, in the background.

It works in small steps, each of one stream and some days: first the head is sealed where it is that
old, then rollups and state are written in one change, and what nobody sees any more is removed
behind that. The trap: from the moment at which a step begins, nobody may begin to need what goes:
late datapoints are refused, and derived streams no longer go back there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends.base import Change
from labmon.datastream.granularity import Granularity
from labmon.datastream.removal import removal
from labmon.datastream.retained import DAY_NS, counts
from labmon.datastream.retention_age import Age
from labmon.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from labmon.datastream.backends.base import BlockKey
    from labmon.datastream.engine import Engine
    from labmon.datastream.removal import Removal
    from labmon.datastream.retention import Retention
    from labmon.datastream.stream import Stream

log = logging.getLogger(__name__)

REACHED: Final = "engine/retention"
RUN_DAYS: Final = 7
"""One run removes at most so many days of a stream, however old they are."""
RUN_BLOCKS: Final = 4096
"""About so many blocks go in one run: at most so much is lost by a mistake before anyone looks."""
STEP_BLOCKS: Final = 64
"""More blocks than this are removed a day at a time."""
CHANGE_BLOCKS: Final = 128
"""So many blocks are removed in one change, so that commits wait for some milliseconds only."""
_RAW: Final = Granularity.Raw.key


@dataclass(slots=True)
class Outcome:
    """What was removed, by the key of the granularity.

    Attributes:
        datapoints: of rollups the buckets.
    """

    blocks: Counter[str] = field(default_factory=Counter[str])
    datapoints: Counter[str] = field(default_factory=Counter[str])
    removed_bytes: Counter[str] = field(default_factory=Counter[str])

    def add(self, made: Removal) -> None:
        """Count a step."""
        self.blocks.update(key.granularity for key in made.gone)
        self.datapoints.update(made.datapoints)
        self.removed_bytes.update(made.removed_bytes)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far retention is.

    Attributes:
        removed: since the start.
        ran_ns: when its last run ended; None: there was none yet.
        behind_ns: how much longer than it was to be something is still kept, as the last run left
            it; of all streams the most.
    """

    removed: Outcome
    ran_ns: int | None
    behind_ns: int


class Retainer:
    """Enforces how long what is kept; on the event loop, called by upkeep, one run at a time.

    Args:
        engine: of the open store.
        retention: what to keep; the first that selects a stream counts.
        uptime_s: seconds that no setting of the clock changes.
    """

    def __init__(
        self, engine: Engine, retention: Sequence[Retention], uptime_s: Callable[[], float]
    ) -> None:
        self._engine = engine
        self.retention = tuple(retention)
        self._age = Age(engine.clock, uptime_s)
        self._kept_ns = -1
        self._last = 0
        self._swept: set[int] = set()
        self.progress = Progress(Outcome(), None, 0)

    def start(self, kept: bytes | None) -> None:
        """Go on from how old the store was, as it is written down; the streams are loaded."""
        self._kept_ns = int(kept) if kept is not None and kept.isdigit() else -1
        self._age.start(self._kept_ns, self._newest_ns())

    def _newest_ns(self) -> int:
        return max((stream.latest_ns for stream in self._engine.catalogue), default=-1)

    async def run(self) -> None:
        """Remove what is due, as far as one run may; what is left comes with the next one."""
        now_ns = self._age.now_ns(self._newest_ns())
        if self._age.reached_ns > self._kept_ns:
            self._kept_ns = self._age.reached_ns
            self._engine.journal.submit(Change(cursors={REACHED: b"%d" % self._kept_ns}))
        removed, streams = Outcome(), 0
        try:
            for stream in self._in_turn():
                if removed.blocks.total() >= RUN_BLOCKS:
                    break
                self._last = stream.number
                streams += await self._work_on(stream, now_ns, removed)
        except (StorageError, OSError) as error:
            log.warning("retention waits for the store: %s", error)
        total, ran_ns = self.progress.removed, self._engine.clock()
        self.progress = Progress(total, ran_ns, self._behind_ns(now_ns))
        if streams:
            log.info(
                "retention: %d datapoints of %d streams are removed, %d blocks with %.1f MB",
                removed.datapoints[_RAW],
                streams,
                removed.blocks.total(),
                removed.removed_bytes.total() / 1e6,
            )

    def _in_turn(self) -> list[Stream]:
        """All streams, beginning behind the one at which the last run ended."""
        streams = list(self._engine.catalogue)
        return sorted(streams, key=lambda stream: (stream.number <= self._last, stream.number))

    async def _work_on(self, stream: Stream, now_ns: int, removed: Outcome) -> bool:
        """Remove what is due of a stream; returns whether anything was."""
        try:
            await self._sweep(stream)
            return await self._shorten(stream, now_ns, removed)
        except (StorageError, OSError):
            raise
        except Exception:  # the others must not grow for ever because of one
            log.exception("%s: what is due cannot be removed", stream.path or stream.id)
            return False

    async def _shorten(self, stream: Stream, now_ns: int, removed: Outcome) -> bool:
        until = self._due(stream, now_ns)
        steps = 0
        while until != stream.state.floors and removed.blocks.total() < RUN_BLOCKS:
            floors = await self._next(stream, until)
            # what is written must be taken over in memory, even while the store is being closed
            made = await asyncio.shield(asyncio.ensure_future(self._step(stream, floors)))
            if made is None:
                break
            for outcome in (removed, self.progress.removed):
                outcome.add(made)
            steps += 1
            await asyncio.sleep(0)
        return steps > 0

    def _due(self, stream: Stream, now_ns: int) -> dict[str, int]:
        """The floors of a stream after this run."""
        floors = dict(stream.state.floors)
        for key, from_ns, limit_ns in self._limits(stream, now_ns):
            floors[key] = min(limit_ns, from_ns + RUN_DAYS * DAY_NS)
        return floors

    def _limits(self, stream: Stream, now_ns: int) -> Iterator[tuple[str, int, int]]:
        """(granularity, from, until) of all that is due of a stream."""
        policy = next((one for one in self.retention if one.selects(stream)), None)
        if policy is None or stream.earliest_ns < 0:
            return
        for granularity, days in policy.days_of(stream).items():
            limit_ns = min(_midnight(now_ns - days * DAY_NS), _midnight(stream.latest_ns))
            from_ns = _base(stream, granularity.key)
            if limit_ns > from_ns:
                yield granularity.key, from_ns, limit_ns

    def _behind_ns(self, now_ns: int) -> int:
        spans = (span for one in self._engine.catalogue for span in self._limits(one, now_ns))
        return max((until_ns - from_ns for _, from_ns, until_ns in spans), default=0)

    async def _next(self, stream: Stream, until: dict[str, int]) -> dict[str, int]:
        """The floors after the next step: all at once where that is little, else a day."""
        raw_ns = until.get(_RAW, 0)
        found = await self._engine.blocks.of(stream, _RAW)
        if found.count(0, raw_ns) <= STEP_BLOCKS:
            return until
        return {key: min(ns, _base(stream, key) + DAY_NS) for key, ns in until.items()}

    async def _step(self, stream: Stream, floors: dict[str, int]) -> Removal | None:
        """Let a stream begin at later floors; None: that has to wait, nothing was done."""
        sealer = self._engine.sealer
        stream.floors = floors
        try:
            if not self._is_free(stream, floors):
                return None
            if _has_old_head(stream):
                await sealer.through(stream, stream.next_ordinal)
            async with sealer.alone(stream):
                stream.floors = floors
                is_there = self._engine.catalogue.number(stream.number) is stream
                if not is_there or _has_old_head(stream) or not self._is_free(stream, floors):
                    return None
                made = await removal(self._engine, stream, floors)
                await self._write(stream, made)
        finally:
            stream.floors = stream.state.floors
        await self._remove(made.gone[CHANGE_BLOCKS:])
        return made

    def _is_free(self, stream: Stream, floors: dict[str, int]) -> bool:
        """Whether no derived stream needs what lies before the floors."""
        needs = self._engine.deriver.needs(stream)
        return all(floors.get(granularity.key, 0) <= from_ns for granularity, from_ns in needs)

    async def _write(self, stream: Stream, made: Removal) -> None:
        """Write rollups, then the floors; after a crash at any point, what is there is right.

        Not every engine writes a change as a whole, so the ordinals of the rollups are taken first:
        else other rollups could get the same ones.
        """
        engine = self._engine
        number = stream.number
        if made.rows:
            state = stream.state.copy()
            state.levels = {key: replace(level) for key, level in made.state.levels.items()}
            await engine.journal.submit(Change(states={number: state.encode()}))
            stream.state = state
            await engine.journal.submit(Change(blocks=made.rows))
            engine.blocks.written(stream, [row.outline for row in made.rows])
            engine.levels.forget_stream(number)
            stream.version += 1
        states = {number: made.state.encode()}
        some = made.gone[:CHANGE_BLOCKS]
        await engine.journal.submit(Change(states=states, removed_blocks=some))
        stream.forget_removed(made.state)
        engine.blocks.removed(stream)
        engine.levels.forget_stream(number)

    async def _sweep(self, stream: Stream) -> None:
        """Once after a start, remove what a crash left behind: blocks that no longer count."""
        if stream.number in self._swept:
            return
        self._swept.add(stream.number)
        left: list[BlockKey] = []
        for granularity in stream.state.floors:
            outlines = await self._engine.backend.read_outlines(stream.number, granularity)
            left += [one.key for one in outlines if not counts(one, stream.state)]
        await self._remove(left)

    async def _remove(self, keys: list[BlockKey]) -> None:
        """Remove blocks that no longer count, a few at a time."""
        for first in range(0, len(keys), CHANGE_BLOCKS):
            gone = keys[first : first + CHANGE_BLOCKS]
            await self._engine.journal.submit(Change(removed_blocks=gone))


def _midnight(time_ns: int) -> int:
    return max(0, time_ns - time_ns % DAY_NS)


def _base(stream: Stream, granularity: str) -> int:
    """From where on a stream has something that could be removed."""
    return max(stream.state.floors.get(granularity, 0), _midnight(stream.earliest_ns))


def _has_old_head(stream: Stream) -> bool:
    """Whether something that is to go is not sealed yet."""
    head = stream.head
    return bool(head.length) and int(head.columns().t[0]) < max(stream.floors.values(), default=0)

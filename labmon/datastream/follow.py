"""Following streams: stored history in the order of time, then everything as it arrives.

A follower registers first and reads history then, up to what was there at that moment; so nothing
is missed in between and nothing comes twice. The trap: what arrives meanwhile also shows when
blocks and heads are read; it is recognised by its ordinal, and left for later.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.columns import Columns
from labmon.datastream.cursor import ALL, Cursor, Position
from labmon.datastream.follow_missed import missed_late, reworked_from
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import floor_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from numpy.typing import NDArray

    from labmon.datastream.engine import Engine
    from labmon.datastream.stream import Stream

KEPT_READINGS: Final = 200_000
"""A follower that is behind by more goes back to reading history."""


@dataclass(frozen=True, slots=True)
class Revised:
    """What was told of `start_ns <= t < end_ns` is no longer so: late datapoints came.

    Attributes:
        stream: id.
    """

    stream: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Removed:
    """What was to be told of `start_ns <= t < end_ns` is not there: retention has removed it.

    Attributes:
        stream: id.
    """

    stream: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Followed:
    """What a follower is told at a time.

    Attributes:
        columns: by the id of the stream. History: in the order of time, complete for all streams
            up to `until_ns`. Live: in the order of arrival, late ones flagged. They are read-only.
        until_ns: history: the end of the span; None: live.
        revised: what was told before and has changed.
        cursor: follow from here to get what comes next.
        removed: what was to come and is not there any more; history goes on behind it.
    """

    columns: dict[str, Columns]
    until_ns: int | None
    revised: tuple[Revised, ...]
    cursor: str
    removed: tuple[Removed, ...] = ()


class Follower:
    """One who follows streams; on the event loop, made for one iteration.

    Args:
        engine: of the open store.
        streams: what is followed.
        cursor: from where; it is moved along.
    """

    def __init__(self, engine: Engine, streams: Iterable[Stream], cursor: Cursor) -> None:
        self._engine = engine
        self._streams = list(streams)
        self._cursor = cursor
        self._arrived = asyncio.Event()
        self._next: dict[int, int] = {}
        self._owed: dict[int, int] = {}
        self._kept: dict[int, list[Columns]] = {}
        self._kept_readings = 0
        self._revised: list[Revised] = []
        self._is_behind = False

    async def told(self) -> AsyncIterator[Followed]:
        """Everything, until the store is closed or all streams are deleted; nothing of none."""
        if not self._streams:
            return
        try:
            while True:
                self._register()
                async for one in self._history():
                    yield one
                    if self._is_behind:
                        break
                while not self._is_behind:
                    one = self._live()
                    if one is not None:
                        yield one
                    elif self._is_over():
                        return
                    else:
                        await self._arrived.wait()
                    self._arrived.clear()
        finally:
            self._unregister()

    def _is_over(self) -> bool:
        known = self._engine.catalogue.number
        are_gone = all(known(stream.number) is not stream for stream in self._streams)
        return are_gone or not self._engine.is_open

    def _register(self) -> None:
        self._is_behind = False
        self._kept = {stream.number: [] for stream in self._streams}
        self._kept_readings = 0
        for stream in self._streams:
            self._next[stream.number] = stream.head.next_ordinal
            self._owed.pop(stream.number, None)
            stream.follow(self)

    def _unregister(self) -> None:
        for stream in self._streams:
            stream.unfollow(self)

    def arrived(self) -> None:
        """Called when a followed stream has got something."""
        self._arrived.set()

    def keep(self, stream: Stream, count: int) -> None:
        """Called before the head of a stream forgets the `count` datapoints that arrived first."""
        first = max(0, self._untold_from(stream) - stream.head.first_ordinal)
        if first < count:
            self._kept[stream.number].append(stream.head.arrivals()[first:count])
            self._kept_readings += count - first
            self._is_behind = self._kept_readings > KEPT_READINGS

    def _untold_from(self, stream: Stream) -> int:
        """The ordinal from which on neither told nor kept datapoints begin."""
        kept = sum(map(len, self._kept[stream.number]))
        return self._next[stream.number] + kept

    def _waiting(self, stream: Stream) -> Columns:
        """What arrived since the registration, or since it was last told."""
        head = stream.head
        fresh = head.arrivals()[max(0, self._untold_from(stream) - head.first_ordinal) :]
        return Columns.concatenate([*self._kept[stream.number], fresh])

    def rewound(self, stream: Stream, time_ns: int) -> None:
        """Called when a derived stream is worked out anew from a time on; what is before stays."""
        position, number = self._position(stream), stream.number
        left = stream.head.next_ordinal
        self._next[number] = min(self._next[number], left)
        position.ordinal = min(position.ordinal, left)
        kept = Columns.concatenate(self._kept[number])
        self._kept[number] = [kept[: left - self._next[number]]]
        self._kept_readings += len(self._kept[number][0]) - len(kept)
        time_ns = max(time_ns, self._cursor.floor_ns + 1)
        if position.time_ns >= time_ns:
            self._go_back(stream, time_ns)
        self._arrived.set()

    def _go_back(self, stream: Stream, time_ns: int) -> None:
        """Tell that a stream has changed from a time on, and it from there on once more."""
        position = self._position(stream)
        self._revised.append(Revised(stream.id, time_ns, position.time_ns + 1))
        position.time_ns, position.count = time_ns - 1, ALL
        self._owed.pop(stream.number, None)

    # History

    async def _history(self) -> AsyncIterator[Followed]:
        until_ns = max((stream.latest_ns for stream in self._streams), default=-1) + 1
        await self._look_back()
        revised, self._revised = tuple(self._revised), []
        start_ns = min(
            (self._position(stream).time_ns for stream in self._streams), default=until_ns
        )
        cuts = [*await self._cuts(max(0, start_ns), until_ns), until_ns]
        for first_ns, last_ns in zip([max(0, start_ns), *cuts[:-1]], cuts, strict=True):
            columns: dict[str, Columns] = {}
            removed = self._pass_over_removed()
            for stream in self._streams:
                found = await self._between(stream, first_ns, last_ns)
                if len(found):
                    columns[stream.id] = found.fixed()
                    self._advance(stream, found, self._next[stream.number])
            if columns or revised or removed:
                yield Followed(columns, last_ns, revised, self._cursor_now(), removed)
                revised = ()
        for stream in self._streams:
            self._position(stream).ordinal = self._next[stream.number]

    def _pass_over_removed(self) -> tuple[Removed, ...]:
        removed: list[Removed] = []
        for stream in self._streams:
            position = self._position(stream)
            left_ns = floor_ns(stream, Granularity.Raw)
            from_ns = max(position.time_ns + 1, stream.earliest_ns)
            if from_ns < left_ns:
                removed.append(Removed(stream.id, from_ns, left_ns))
                position.time_ns, position.count = left_ns - 1, ALL
        return tuple(removed)

    async def _look_back(self) -> None:
        """Find what has changed, before we registered, of what was told."""
        for stream in self._streams:
            position = self._position(stream)
            if stream.config.derived_from is None:
                left_ns = max(self._cursor.floor_ns + 1, floor_ns(stream, Granularity.Raw))
                span = await missed_late(self._engine, stream, position, left_ns)
                if span is not None:
                    self._revised.append(Revised(stream.id, *span))
                continue
            from_ns = await reworked_from(self._engine, stream, position)
            if from_ns is not None:
                self._go_back(stream, max(from_ns, self._cursor.floor_ns + 1))
            await self._find_owed(stream, position)

    async def _find_owed(self, stream: Stream, position: Position) -> None:
        """After a crash a derived stream may be behind what was told of it: it comes again."""
        if stream.latest_ns > position.time_ns:
            return
        there = await self._engine.raw.count(stream, position.time_ns, position.time_ns + 1)
        there -= int((self._waiting(stream).t == position.time_ns).sum())
        self._owed[stream.number] = ALL if position.count == ALL else position.count - there

    async def _cuts(self, start_ns: int, until_ns: int) -> list[int]:
        found: set[int] = set()
        for stream in self._streams:
            found.update(await self._engine.raw.cuts(stream, start_ns, until_ns))
        cuts = [cut for cut in sorted(found) if start_ns < cut < until_ns]
        return cuts[:: len(self._streams)]

    async def _between(self, stream: Stream, start_ns: int, end_ns: int) -> Columns:
        """The untold datapoints of a range that were there when we registered."""
        position = self._position(stream)
        start_ns = max(start_ns, position.time_ns)
        if start_ns >= end_ns:
            return Columns.empty()
        while True:
            version = stream.version
            found, ordinal = await self._engine.raw.snapshot(stream, start_ns, end_ns)
            if stream.version == version:  # else it may have been worked out anew
                break
        newer = self._waiting(stream)[: max(0, ordinal - self._next[stream.number])]
        newer_t = newer.t[(newer.t >= start_ns) & (newer.t < end_ns)]
        found = _without_last(found, newer_t)
        at, after = np.searchsorted(found.t, [position.time_ns, position.time_ns + 1]).tolist()
        told = after if position.count == ALL else min(after, at + position.count)
        return found[told:]

    # Live

    def _live(self) -> Followed | None:
        columns: dict[str, Columns] = {}
        revised, self._revised = self._revised, []
        for stream in self._streams:
            fresh = self._waiting(stream)
            self._next[stream.number] += len(fresh)
            self._kept[stream.number] = []
            fresh = fresh.take(fresh.t > self._cursor.floor_ns) if len(fresh) else fresh
            if stream.number in self._owed:
                fresh = self._without_owed(stream, fresh)
            if not len(fresh):
                continue
            columns[stream.id] = fresh.fixed()
            is_late = self._is_late(stream, fresh.t)
            if is_late.any():
                t = fresh.t[is_late]
                revised.append(Revised(stream.id, int(t.min()), int(t.max()) + 1))
            regular = fresh.take(~is_late) if is_late.any() else fresh
            self._advance(stream, regular, self._next[stream.number])
        self._kept_readings = 0
        if not columns and not revised:
            return None
        return Followed(columns, None, tuple(revised), self._cursor_now())

    def _is_late(self, stream: Stream, t: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the datapoints that arrived lie before one that is told: the flag is not it.

        A datapoint may be flagged that was late elsewhere, where it was recorded or derived from.
        """
        return t < np.maximum.accumulate(np.append(self._position(stream).time_ns, t))[:-1]

    def _without_owed(self, stream: Stream, fresh: Columns) -> Columns:
        position, owed = self._position(stream), self._owed[stream.number]
        at, after = np.searchsorted(fresh.t, [position.time_ns, position.time_ns + 1]).tolist()
        told = after if owed == ALL else min(after, at + max(0, owed))
        if owed != ALL:
            self._owed[stream.number] = owed - (told - at)
        if told < len(fresh):
            del self._owed[stream.number]
        return fresh[told:]

    def _cursor_now(self) -> str:
        """The cursor as text, with how far derived streams are worked out."""
        for stream in self._streams:
            if stream.config.derived_from is not None:
                position = self._position(stream)
                position.roots, position.dirty_ns = self._engine.deriver.looked_at(stream)
        return self._cursor.encode()

    def _position(self, stream: Stream) -> Position:
        return self._cursor.positions.setdefault(
            stream.number, Position(self._cursor.floor_ns, ALL, 0)
        )

    def _advance(self, stream: Stream, told: Columns, ordinal: int) -> None:
        position = self._position(stream)
        if len(told):
            time_ns = int(told.t[-1])
            count = len(told) - int(np.searchsorted(told.t, time_ns))
            if position.time_ns == time_ns and position.count != ALL:
                count += position.count
            position.time_ns, position.count = time_ns, count
        position.ordinal = ordinal


def _without_last(found: Columns, newer: NDArray[np.int64]) -> Columns:
    """Datapoints without those that came later: of equal times, these are the last ones."""
    if not len(newer):
        return found
    keep = np.ones(len(found), np.bool_)
    times, counts = np.unique(newer, return_counts=True)
    for end, count in zip(
        np.searchsorted(found.t, times, side="right").tolist(), counts.tolist(), strict=True
    ):
        keep[end - count : end] = False
    return found.take(keep)

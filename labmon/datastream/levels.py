"""Rollups of a stream at every granularity: stored ones, computed ones, and the head's.

Stored blocks cover spans of finished buckets; what no block covers is computed from the next
finer level that has something there, and kept in a bounded cache. Where retention has removed what
is finer, blocks cover everything: there are no holes to be computed. The trap: only *sealed*
datapoints go into that cache; the head is rolled up apart and merged by bucket, so an answer is
right at any moment, late datapoints included.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream import downsample
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import floor_ns
from labmon.datastream.tails import Tails, empty, roll_up

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from labmon.datastream.backends.base import BlockOutline
    from labmon.datastream.blocks import Blocks
    from labmon.datastream.rawdata import RawData
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.stream import Stream


NEVER_NS: Final = 1 << 64
"""Behind all times that there are, and behind the ends of their buckets."""


@dataclass(frozen=True, slots=True)
class Span:
    """Computed rollups of all sealed datapoints with `from_ns <= t < until_ns`."""

    from_ns: int
    until_ns: int
    rows: Rollups


@dataclass(eq=False, slots=True)
class Watch:
    """What has become of a stream while its rollups are computed.

    Attributes:
        version: the stream's, if all that has changed is known.
        changed_ns: before this time, nothing has changed.
    """

    number: int
    version: int
    changed_ns: int = NEVER_NS


class Levels:
    """Gives rollups; on the event loop.

    Args:
        blocks: of the open store.
        raw: its datapoints.
        cache_bytes: how much memory computed rollups may take.
    """

    def __init__(self, blocks: Blocks, raw: RawData, cache_bytes: int) -> None:
        self._blocks = blocks
        self._raw = raw
        self._limit = cache_bytes
        self._spans: OrderedDict[tuple[int, str], Span] = OrderedDict()
        self._watches: list[Watch] = []
        self._held = 0
        self._tails = Tails()

    async def rollups(
        self,
        stream: Stream,
        granularity: Granularity,
        start_ns: int,
        end_ns: int,
        fields: Collection[str] | None = None,
    ) -> Rollups:
        """The buckets that have datapoints and start in `start_ns <= t < end_ns`.

        Only the columns in `fields` are sure to be there; None: all of them.
        """
        sealed, tail = await self.parts(stream, granularity, start_ns, end_ns, fields)
        if len(sealed):
            tail = tail.only(sealed.columns)
        return _join(sealed, tail, granularity.duration_ns)

    async def parts(
        self,
        stream: Stream,
        granularity: Granularity,
        start_ns: int,
        end_ns: int,
        fields: Collection[str] | None = None,
    ) -> tuple[Rollups, Rollups]:
        """The same in two parts, for whoever merges all of it: of what is sealed, and of the head.

        A bucket may be in both.
        """
        step_ns = granularity.duration_ns
        start_ns = -(-start_ns // step_ns) * step_ns
        end_ns = min(-(-end_ns // step_ns) * step_ns, NEVER_NS)
        while True:
            start_ns = max(start_ns, floor_ns(stream, granularity))
            with self._watching(stream) as watch:
                sealed = await self.sealed(stream, granularity, start_ns, end_ns, fields)
            if stream.version != watch.version or watch.changed_ns < end_ns:
                continue
            if stream.latest_ns < start_ns or not stream.head.length:
                return sealed, empty(stream)
            return sealed, self._tails.rollups(stream, granularity).between(start_ns, end_ns)

    async def sealed(
        self,
        stream: Stream,
        granularity: Granularity,
        start_ns: int,
        end_ns: int,
        fields: Collection[str] | None = None,
    ) -> Rollups:
        """The buckets of sealed datapoints in a range whose ends are bucket starts.

        Also of those that retention no longer shows, as far as they are there.
        """
        step_ns = granularity.duration_ns
        start_ns = max(start_ns, granularity.round_timestamp(stream.state.first_ns))
        end_ns = min(end_ns, granularity.round_timestamp(stream.state.last_ns) + step_ns)
        if stream.state.last_ns < 0 or start_ns >= end_ns:
            return empty(stream)
        while True:
            found = await self._blocks.of(stream, granularity.key)
            stored = found.overlapping(start_ns, end_ns - 1)
            tables = await self._blocks.tables(stored, fields)
            if tables is not None:
                break
        parts: list[Rollups] = [table.between(start_ns, end_ns) for table in tables]
        for hole_ns, until_ns in holes(stored, start_ns, end_ns):
            parts.append(await self._computed(stream, granularity, hole_ns, until_ns))
        parts = [part for part in parts if len(part)]
        parts.sort(key=lambda part: int(part.t[0]))
        return type(parts[0]).concatenate(parts) if parts else empty(stream)

    async def _computed(
        self, stream: Stream, granularity: Granularity, start_ns: int, end_ns: int
    ) -> Rollups:
        span = self._spans.get((stream.number, granularity.key))
        if span is not None and span.from_ns <= start_ns and end_ns <= span.until_ns:
            self._spans.move_to_end((stream.number, granularity.key))
            return span.rows.between(start_ns, end_ns)
        with self._watching(stream) as watch:
            grown = await self._grown(span, stream, granularity, start_ns, end_ns)
        if stream.version == watch.version:
            # what is right is kept, or a stream that is always sealed again is never answered for
            until_ns = min(grown.until_ns, granularity.round_timestamp(watch.changed_ns))
            if until_ns > grown.from_ns:
                kept = Span(grown.from_ns, until_ns, grown.rows.between(0, until_ns))
                self._keep((stream.number, granularity.key), kept)
        return grown.rows.between(start_ns, end_ns)

    async def _grown(
        self,
        span: Span | None,
        stream: Stream,
        granularity: Granularity,
        start_ns: int,
        end_ns: int,
    ) -> Span:
        """A span with what it lacks of a range; a new one where they do not touch."""
        if span is None or span.until_ns < start_ns or end_ns < span.from_ns:
            rows = await self._compute(stream, granularity, start_ns, end_ns)
            return Span(start_ns, end_ns, rows)
        parts = [span.rows]
        if start_ns < span.from_ns:
            parts.insert(0, await self._compute(stream, granularity, start_ns, span.from_ns))
        if end_ns > span.until_ns:
            parts.append(await self._compute(stream, granularity, span.until_ns, end_ns))
        return Span(
            min(start_ns, span.from_ns),
            max(end_ns, span.until_ns),
            type(span.rows).concatenate(parts),
        )

    async def _compute(
        self, stream: Stream, granularity: Granularity, start_ns: int, end_ns: int
    ) -> Rollups:
        step_ns = granularity.duration_ns
        finer = granularity.finer
        while finer is not None and finer is not Granularity.Raw:
            found = await self._blocks.of(stream, finer.key)
            if found.overlapping(start_ns, end_ns - 1):
                rows = await self.sealed(stream, finer, start_ns, end_ns)
                return downsample.coarsen(rows, step_ns)
            finer = finer.finer
        cuts = [start_ns]
        for cut_ns in await self._raw.cuts(stream, start_ns, end_ns):
            rounded_ns = granularity.round_timestamp(cut_ns)
            if rounded_ns > cuts[-1]:
                cuts.append(rounded_ns)
        parts: list[Rollups] = []
        for first_ns, last_ns in zip(cuts, [*cuts[1:], end_ns], strict=True):
            columns = await self._raw.sealed(stream, first_ns, last_ns)
            parts.append(roll_up(stream, columns, step_ns))
        return type(parts[0]).concatenate(parts)

    def _keep(self, place: tuple[int, str], span: Span) -> None:
        self._drop(place)
        self._spans[place] = span
        self._held += span.rows.nbytes + 200
        while self._held > self._limit and len(self._spans) > 1:
            self._drop(next(iter(self._spans)))

    def _drop(self, place: tuple[int, str]) -> None:
        span = self._spans.pop(place, None)
        if span is not None:
            self._held -= span.rows.nbytes + 200

    def sealed_since(self, stream: Stream, time_ns: int) -> None:
        """Forget what was computed for times from `time_ns` on: datapoints were sealed there.

        Called with each change of the stream's version that this makes, as `stored` is.
        """
        self._tell(stream, time_ns)
        for granularity in Granularity.values[1:]:
            place = (stream.number, granularity.key)
            span = self._spans.get(place)
            if span is None:
                continue
            until_ns = granularity.round_timestamp(time_ns)
            if until_ns <= span.from_ns:
                self._drop(place)
            elif until_ns < span.until_ns:
                self._keep(place, Span(span.from_ns, until_ns, span.rows.between(0, until_ns)))

    def stored(self, stream: Stream, granularity: Granularity, until_ns: int) -> None:
        """Forget what was computed for times before `until_ns`: blocks have it now."""
        self._tell(stream, NEVER_NS)
        place = (stream.number, granularity.key)
        span = self._spans.get(place)
        if span is None or until_ns <= span.from_ns:
            return
        if until_ns >= span.until_ns:
            self._drop(place)
        else:
            rows = span.rows.between(until_ns, span.until_ns)
            # a copy: a slice would keep all of the columns in memory
            self._keep(place, Span(until_ns, span.until_ns, rows.rows(np.arange(len(rows)))))

    @contextmanager
    def _watching(self, stream: Stream) -> Iterator[Watch]:
        watch = Watch(stream.number, stream.version)
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def _tell(self, stream: Stream, changed_ns: int) -> None:
        for watch in self._watches:
            if watch.number == stream.number:
                watch.version += 1
                watch.changed_ns = min(watch.changed_ns, changed_ns)

    def forget_stream(self, number: int) -> None:
        """Forget everything about a stream."""
        self._tails.forget_stream(number)
        for place in [place for place in self._spans if place[0] == number]:
            self._drop(place)


def holes(stored: list[BlockOutline], start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """The spans of a range that no block covers."""
    at_ns = start_ns
    for outline in sorted(stored, key=lambda outline: outline.from_ns):
        if outline.from_ns > at_ns:
            yield at_ns, min(outline.from_ns, end_ns)
        at_ns = max(at_ns, outline.to_ns)
    if at_ns < end_ns:
        yield at_ns, end_ns


def _join(sealed: Rollups, head: Rollups, step_ns: int) -> Rollups:
    """Rollups of sealed datapoints and those of the head, merged by bucket."""
    if not len(head) or not len(sealed):
        return head if len(head) else sealed
    if head.t[0] > sealed.t[-1]:
        return type(sealed).concatenate((sealed, head))
    # mostly one bucket is in both: only what overlaps is merged
    at = int(sealed.t.searchsorted(head.t[0]))
    until = int(head.t.searchsorted(sealed.t[-1], "right"))
    touched = type(sealed).concatenate((sealed.rows(slice(at, None)), head.rows(slice(0, until))))
    touched = touched.rows(np.argsort(touched.t, kind="stable"))
    merged = downsample.coarsen(touched, step_ns)
    parts = (sealed.rows(slice(0, at)), merged, head.rows(slice(until, None)))
    return type(sealed).concatenate(parts)

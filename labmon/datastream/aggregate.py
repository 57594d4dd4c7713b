"""Exact aggregates of any range: rollups inside, datapoints only at the two edges.

The level is the one that makes the least work: coarser means fewer rows inside, and more
datapoints at the edges. Where retention has removed these, whole buckets of the finest level that
is left are taken, and the answer says so. The trap: the parts are read one after the other, so
they are cut at times, and every datapoint is in one part whatever is sealed meanwhile.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream import downsample
from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import UnsupportedDownsampler
from labmon.datastream.granularity import Granularity
from labmon.datastream.graph import needed_columns
from labmon.datastream.retained import finest_from, floor_ns, steady
from labmon.datastream.shape import column
from labmon.datastream.stream import NUMERIC_DOWNSAMPLERS
from labmon.datastream.tails import roll_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labmon.datastream.levels import Levels
    from labmon.datastream.rawdata import RawData
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.stream import Stream

FIELDS: Final = ("mean", "std_dev", "min", "max", "count")
"""What is computed by default."""
_OF_NOTHING: Final[dict[str, Any]] = {"count": 0, "bad": 0, "sum": 0.0, "sum_squares": 0.0}
FEW: Final = 1000
"""So many datapoints are rolled up faster than levels are looked up."""
_ALL_NS: Final = 2**62


class Aggregate(dict[str, Any]):
    """Aggregates by name.

    Attributes:
        start_ns, end_ns: of the range that they are of: wider than the one that was asked for
            where retention has left only buckets at an edge.
    """

    def __init__(self, start_ns: int, end_ns: int, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.start_ns = start_ns
        self.end_ns = end_ns


class Aggregates:
    """Computes aggregates; on the event loop."""

    def __init__(self, raw: RawData, levels: Levels) -> None:
        self._raw = raw
        self._levels = levels

    async def aggregate(
        self, stream: Stream, start_ns: int, end_ns: int, fields: Iterable[str]
    ) -> Aggregate:
        """The fields of all datapoints with `start_ns <= t < end_ns`, None where there is none.

        Raises:
            UnsupportedDownsampler: one is none for this stream.
        """
        names = _checked(stream, fields)

        async def ask() -> Aggregate:
            span = (start_ns, end_ns)
            if stream.state.floors:
                span = _widened(stream, start_ns, end_ns)
            return Aggregate(*span, await self._aggregate(stream, *span, names))

        return await steady(stream, ask)

    async def _aggregate(
        self, stream: Stream, start_ns: int, end_ns: int, names: tuple[str, ...]
    ) -> dict[str, Any]:
        first_ns = max(start_ns, stream.earliest_ns)
        last_ns = min(end_ns, stream.latest_ns + 1)
        if stream.latest_ns < 0 or first_ns >= last_ns:
            return {name: _OF_NOTHING.get(name) for name in names}
        level = _level(stream, first_ns, last_ns)
        parts: list[Rollups] = []
        for finest, from_ns, until_ns in _segments(stream, start_ns, end_ns):
            parts += await self._parts(stream, (from_ns, until_ns), level, finest, names)
        needed = {"count", *needed_columns(names)}
        row = downsample.total(type(parts[0]).concatenate([part.only(needed) for part in parts]))
        if not len(row):
            return {name: _OF_NOTHING.get(name) for name in names}
        return {name: _plain(column(row, name)[0]) for name in names}

    async def _parts(
        self,
        stream: Stream,
        span: tuple[int, int],
        level: Granularity,
        finest: Granularity,
        names: tuple[str, ...],
    ) -> list[Rollups]:
        """Rollups that make up a range, those of the edges from the finest that is there."""
        start_ns, end_ns = span
        step_ns = level.duration_ns
        if step_ns <= finest.duration_ns:
            return await self._of_finest(stream, start_ns, end_ns, finest, names)
        inner_ns, outer_ns = -(-start_ns // step_ns) * step_ns, end_ns // step_ns * step_ns
        if inner_ns >= outer_ns:
            return await self._of_finest(stream, start_ns, end_ns, finest, names)
        inside = await self._levels.parts(stream, level, inner_ns, outer_ns, needed_columns(names))
        if finest is Granularity.Raw:
            return [*inside, await self._edges(stream, (start_ns, inner_ns), (outer_ns, end_ns))]
        return [
            *await self._of_finest(stream, start_ns, inner_ns, finest, names),
            *inside,
            *await self._of_finest(stream, outer_ns, end_ns, finest, names),
        ]

    async def _edges(self, stream: Stream, *spans: tuple[int, int]) -> Rollups:
        """One row of the datapoints beside whole buckets; these would not fill two buckets."""
        columns = [await self._raw.columns(stream, *span) for span in spans]
        return roll_up(stream, Columns.concatenate(columns), _ALL_NS)

    async def _of_finest(
        self,
        stream: Stream,
        start_ns: int,
        end_ns: int,
        finest: Granularity,
        names: tuple[str, ...],
    ) -> list[Rollups]:
        if finest is Granularity.Raw:
            return await self._of_raw(stream, start_ns, end_ns)
        needed = needed_columns(names)
        return [*await self._levels.parts(stream, finest, start_ns, end_ns, needed)]

    async def _of_raw(self, stream: Stream, start_ns: int, end_ns: int) -> list[Rollups]:
        """Rollups of datapoints, read in pieces of a few blocks."""
        cuts = await self._raw.cuts(stream, start_ns, end_ns)
        bounds = [start_ns, *(cut for cut in cuts if start_ns < cut < end_ns), end_ns]
        parts: list[Rollups] = []
        for first_ns, last_ns in pairwise(bounds):
            parts.append(await self._edge(stream, first_ns, last_ns))
        return parts

    async def _edge(self, stream: Stream, start_ns: int, end_ns: int) -> Rollups:
        columns = await self._raw.columns(stream, start_ns, end_ns)
        return roll_up(stream, columns, _ALL_NS)


def _level(stream: Stream, first_ns: int, last_ns: int) -> Granularity:
    """The level from which a range is computed with the least work."""
    earliest_ns = max(stream.earliest_ns, floor_ns(stream, Granularity.Raw))
    spanned_ns = stream.latest_ns - earliest_ns + 1
    per_ns = stream.count / spanned_ns
    asked_ns = last_ns - first_ns
    best, least = Granularity.Raw, per_ns * asked_ns
    if least <= FEW or not stream.config.value_downsamplers:
        return best
    for granularity in Granularity.values[1:]:
        if granularity >= stream.config.highest_granularity:
            continue
        step_ns = granularity.duration_ns
        work = asked_ns / step_ns + per_ns * step_ns
        if step_ns <= asked_ns and work < least:
            best, least = granularity, work
    return best


def _widened(stream: Stream, start_ns: int, end_ns: int) -> tuple[int, int]:
    """A range whose ends are those of buckets, where only buckets are left."""
    first_ns = finest_from(stream, start_ns).round_timestamp(start_ns)
    level = finest_from(stream, end_ns)
    last_ns = level.round_timestamp(end_ns)
    return first_ns, last_ns if last_ns == end_ns else last_ns + level.duration_ns


def _segments(stream: Stream, start_ns: int, end_ns: int) -> Iterator[tuple[Granularity, int, int]]:
    """The pieces of a range between floors, each with the finest level that is left of it."""
    floors = {floor for floor in stream.state.floors.values() if start_ns < floor < end_ns}
    for first_ns, last_ns in pairwise([start_ns, *sorted(floors), end_ns]):
        yield finest_from(stream, first_ns), first_ns, last_ns


def _checked(stream: Stream, fields: Iterable[str]) -> tuple[str, ...]:
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    known = NUMERIC_DOWNSAMPLERS if stream.is_numeric else stream.config.value_downsamplers
    for name in names:
        if name not in {*known, "count", "bad"}:
            raise UnsupportedDownsampler(
                f"{name!r} is no aggregate of this stream: it has {', '.join(known)}"
            )
    return names


def _plain(value: Any) -> Any:
    """A value as plain Python, None for NaN."""
    plain = value.item() if hasattr(value, "item") else value
    return None if plain != plain else plain

"""What a graph of a given width needs: raw datapoints where they are few, else merged buckets.

The level is the coarsest one that still has a bucket for each point; neighbours are merged until
at most twice as many are left. Of a stream that is quicker than the finest level the raw datapoints
of a short range are rolled up on the spot. Buckets are aligned to 1970, not to the asked range: a
graph that is moved shows the same buckets, and does not shimmer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream import downsample
from labmon.datastream.columns import fixed
from labmon.datastream.exceptions import UnsupportedDownsampler
from labmon.datastream.granularity import Granularity
from labmon.datastream.query import answered_granularity
from labmon.datastream.retained import answering, finest_from, steady
from labmon.datastream.shape import column, exact_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from labmon.datastream.levels import Levels
    from labmon.datastream.rawdata import RawData
    from labmon.datastream.stream import Stream

FIELDS: Final = ("mean", "min", "max", "count", "std_dev", "sum", "bad", "flags")
"""Columns of a graph of numbers by default."""
NOMINAL_FIELDS: Final = ("count", "bad", "flags")
_NEEDS: Final = {
    "mean": ("mean", "sum", "count"),
    "std_dev": ("m2", "mean", "sum", "count"),
    "sum_squares": ("m2", "mean", "sum", "count"),
    "first": ("first", "t_first", "count"),
    "last": ("last", "t_last", "count"),
    "t_mean": ("t_mean", "t_first", "t_last", "count"),
    "most_often": ("frequencies", "count"),
    "least_often": ("frequencies", "count"),
}


COARSE: Final = 8
"""With fewer buckets than an eighth of the points, the finest level is too coarse for a graph."""
ROLLED_UP: Final = 300_000
"""So many raw datapoints are rolled up for one graph: 30 s at 10 kHz."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Columns for a graph, ascending.

    Attributes:
        granularity: of the level that was read.
        bucket_ns: length of the buckets after merging, or of those that raw datapoints were rolled
            up to; 0: these are raw datapoints.
        columns: raw: t, v, quality; where an integer beyond 2**53 stands beside nulls or floats, v
            is objects, to keep it. Buckets: t (their starts), and the fields asked for. They are
            read-only.
    """

    granularity: Granularity
    bucket_ns: int
    columns: dict[str, NDArray[Any]]

    def __post_init__(self) -> None:
        """Let nobody change what may be the store's own."""
        for name, values in self.columns.items():
            self.columns[name] = fixed(values)


class Graphs:
    """Makes graphs; on the event loop."""

    def __init__(self, raw: RawData, levels: Levels) -> None:
        self._raw = raw
        self._levels = levels

    async def graph(
        self,
        stream: Stream,
        start_ns: int,
        end_ns: int,
        points: int,
        fields: Iterable[str] | None,
        granularity: Granularity | str | None,
    ) -> Graph:
        """The columns of `start_ns <= t < end_ns` for a graph of a width.

        Raises:
            ValueError: no points are asked for.
            UnsupportedGranularity, UnsupportedDownsampler: there is none of this name.
        """
        if points < 1:
            raise ValueError("a graph has at least one point")
        names = fields if fields is None or isinstance(fields, str) else tuple(fields)
        return await steady(
            stream, lambda: self._graph(stream, start_ns, end_ns, points, names, granularity)
        )

    async def _graph(
        self,
        stream: Stream,
        start_ns: int,
        end_ns: int,
        points: int,
        fields: Iterable[str] | None,
        granularity: Granularity | str | None,
    ) -> Graph:
        if granularity is not None:
            chosen = answered_granularity(stream, granularity, start_ns)
        elif not stream.config.value_downsamplers:
            chosen = Granularity.Raw
        else:
            chosen = await self._choose(stream, start_ns, end_ns, points)
        if chosen is Granularity.Raw:
            return await self._raw_graph(stream, start_ns, end_ns)
        wanted = _fields(stream, fields)
        if granularity is None and await self._is_coarse(stream, chosen, start_ns, end_ns, points):
            return await self._fine_graph(stream, start_ns, end_ns, points, wanted)
        needed = needed_columns(wanted)
        most = 2 * points if granularity is None else None
        chosen, bucket_ns, (first_ns, last_ns) = _frame(stream, chosen, start_ns, end_ns, most)
        rows = await self._levels.rollups(stream, chosen, first_ns, last_ns, needed)
        if bucket_ns != chosen.duration_ns:
            rows = downsample.coarsen(rows, bucket_ns)
        return Graph(chosen, bucket_ns, {"t": rows.t, **{n: column(rows, n) for n in wanted}})

    async def _choose(self, stream: Stream, start_ns: int, end_ns: int, points: int) -> Granularity:
        first_ns, last_ns = _clipped(stream, start_ns, end_ns)
        finest = finest_from(stream, start_ns)
        if finest is Granularity.Raw and await self._raw.is_few(
            stream, start_ns, end_ns, 2 * points
        ):
            return Granularity.Raw
        for granularity in reversed(Granularity.values[1:]):
            if (last_ns - first_ns) // granularity.duration_ns >= points:
                return min(granularity, finest)
        return min(Granularity.Seconds, finest)

    async def _is_coarse(
        self, stream: Stream, chosen: Granularity, start_ns: int, end_ns: int, points: int
    ) -> bool:
        """Whether the finest level shows next to nothing of what the raw datapoints have."""
        first_ns, last_ns = _clipped(stream, start_ns, end_ns)
        if chosen is not Granularity.Seconds or not stream.is_numeric:
            return False
        if finest_from(stream, start_ns) is not Granularity.Raw:
            return False
        if (last_ns - first_ns) // chosen.duration_ns >= points // COARSE:
            return False
        return await self._raw.is_few(stream, start_ns, end_ns, ROLLED_UP)

    async def _fine_graph(
        self, stream: Stream, start_ns: int, end_ns: int, points: int, fields: Iterable[str]
    ) -> Graph:
        first_ns, last_ns = _clipped(stream, start_ns, end_ns)
        bucket_ns = _decimal_ns(first_ns, last_ns, 2 * points)
        columns = await self._raw.columns(
            stream, start_ns // bucket_ns * bucket_ns, -(-end_ns // bucket_ns) * bucket_ns
        )
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(None, downsample.roll_up, columns, bucket_ns)
        found = {"t": rows.t, **{name: column(rows, name) for name in fields}}
        return Graph(Granularity.Raw, bucket_ns, found)

    async def _raw_graph(self, stream: Stream, start_ns: int, end_ns: int) -> Graph:
        columns = await self._raw.columns(stream, start_ns, end_ns)
        return Graph(
            Granularity.Raw,
            0,
            {
                "t": columns.t,
                "v": exact_values(stream, columns),
                "quality": columns.qualities(),
            },
        )


def needed_columns(fields: Iterable[str]) -> set[str]:
    """The columns of rollups that are merged for some fields."""
    return {name for field in fields for name in _NEEDS.get(field, (field, "count"))}


def _clipped(stream: Stream, start_ns: int, end_ns: int) -> tuple[int, int]:
    """First and last time of the part of a range that has datapoints."""
    first_ns = max(start_ns, stream.earliest_ns)
    return first_ns, max(first_ns, min(end_ns - 1, stream.latest_ns))


def _frame(
    stream: Stream, chosen: Granularity, start_ns: int, end_ns: int, most: int | None
) -> tuple[Granularity, int, tuple[int, int]]:
    """The level to read, the length of the buckets that are answered, and where they begin and end.

    The first bucket may begin before the range, where only a coarser level is left.
    """
    while True:
        bucket_ns = chosen.duration_ns
        if most is not None:
            bucket_ns = _merged_ns(bucket_ns, *_clipped(stream, start_ns, end_ns), most)
        first_ns, last_ns = start_ns // bucket_ns * bucket_ns, -(-end_ns // bucket_ns) * bucket_ns
        left = answering(stream, chosen, first_ns)
        if left is chosen:
            return chosen, bucket_ns, (first_ns, last_ns)
        chosen = left


def _merged_ns(step_ns: int, first_ns: int, last_ns: int, most: int) -> int:
    """The shortest multiple of a step of which at most so many reach over a range."""
    merge = max(1, (last_ns - first_ns) // (step_ns * most))
    while last_ns // (merge * step_ns) - first_ns // (merge * step_ns) >= most:
        merge += 1
    return merge * step_ns


def _decimal_ns(first_ns: int, last_ns: int, most: int) -> int:
    """The shortest of 1, 2, 5, 10, ... of which at most so many reach over a range."""
    power_ns = 1
    while True:
        for bucket_ns in (power_ns, 2 * power_ns, 5 * power_ns):
            if last_ns // bucket_ns - first_ns // bucket_ns < most:
                return bucket_ns
        power_ns *= 10


def _fields(stream: Stream, fields: Iterable[str] | None) -> tuple[str, ...]:
    if fields is None:
        return FIELDS if stream.is_numeric else NOMINAL_FIELDS
    wanted = (fields,) if isinstance(fields, str) else tuple(fields)
    known = {*FIELDS, *stream.config.value_downsamplers, "sum_squares", "first", "last"}
    known |= {"t_first", "t_last", "t_mean"}
    for name in wanted:
        if name not in known or (not stream.is_numeric and name in set(FIELDS) - {*NOMINAL_FIELDS}):
            raise UnsupportedDownsampler(f"{name!r} is no column of a graph of this stream")
    return tuple(name for name in wanted if name != "t")

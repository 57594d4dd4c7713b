"""What `get_data` and `get_arrays` answer: ranges, directions and shapes.

A range is turned into one half-open range of times (raw) or of bucket starts, once and here. The
trap: `end` is inside and `end_exclusive` is not, and both are about the start of a bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import downsample
from labmon.datastream.exceptions import UnsupportedDownsampler, UnsupportedGranularity
from labmon.datastream.granularity import Granularity
from labmon.datastream.lazy import Datapoints
from labmon.datastream.retained import answering
from labmon.datastream.stream import TIME_DOWNSAMPLERS
from labmon.datastream.times import to_ns
from labmon.datastream.values import VALUE_KEYS
from labmon.timestamps import MAX_NS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.datastream.levels import Levels
    from labmon.datastream.rawdata import RawData
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.stream import Stream
    from labmon.datastream.times import Timestamp

TIME_KEYS: Final = {"mean": "m", "first": "a", "last": "z"}
CHUNK_BUCKETS: Final = 2048
RAW_FIELDS: Final = frozenset({"t", "v", "quality"})
END_NS: Final = MAX_NS
"""Half-open ranges end here at the latest."""


class Arrays(dict[str, "NDArray[Any]"]):
    """Columns by name.

    Attributes:
        granularity: of which they are; coarser than was asked for where retention has removed that.
    """

    def __init__(self, granularity: Granularity, columns: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(columns)
        self.granularity = granularity


@dataclass(frozen=True, slots=True)
class Range:
    """Times `start_ns <= t < end_ns`; of rollups the starts of the buckets.

    Attributes:
        is_open: no end was given.
    """

    start_ns: int
    end_ns: int
    is_open: bool = False


def make_range(
    granularity: Granularity,
    start: Timestamp | None,
    end: Timestamp | None,
    start_exclusive: Timestamp | None,
    end_exclusive: Timestamp | None,
) -> Range:
    """The range of four arguments.

    Raises:
        ValueError: not exactly one start, or two ends; InvalidTimestamp: one is no time.
    """
    if (start is None) == (start_exclusive is None):
        raise ValueError("give exactly one of start and start_exclusive")
    if end is not None and end_exclusive is not None:
        raise ValueError("give at most one of end and end_exclusive")
    if start is not None:
        start_ns = granularity.round_timestamp(to_ns(start))
    else:
        assert start_exclusive is not None
        step_ns = granularity.duration_ns or 1
        start_ns = granularity.round_timestamp(to_ns(start_exclusive)) + step_ns
    if end is not None:
        return Range(start_ns, min(to_ns(end) + 1, END_NS))
    if end_exclusive is not None:
        return Range(start_ns, to_ns(end_exclusive))
    return Range(start_ns, END_NS, is_open=True)


def answered_granularity(
    stream: Stream, granularity: Granularity | str, start_ns: int | None = None
) -> Granularity:
    """The granularity that a stream answers with: raw where that is its highest or finer.

    Where retention has removed that level from `start_ns` on, the finest one that is left answers
    for the whole range, so that an answer is never of two kinds.

    Raises:
        UnsupportedGranularity: there is none of this name, or the stream is never downsampled.
    """
    asked = Granularity.find(granularity)
    if asked >= stream.config.highest_granularity:
        asked = Granularity.Raw
    elif not stream.config.value_downsamplers:
        raise UnsupportedGranularity(f"stream {stream.id} is never downsampled: ask for raw")
    return asked if start_ns is None else answering(stream, asked, start_ns)


def check_downsamplers(
    wanted: Iterable[str] | None, known: Iterable[str], what: str
) -> tuple[str, ...]:
    """The downsamplers asked for, all known ones by default.

    Raises:
        UnsupportedDownsampler: one is not among the known.
    """
    known = tuple(known)
    if wanted is None:
        return known
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for name in names:
        if name not in known:
            raise UnsupportedDownsampler(
                f"{name!r} is no {what} downsampler of this stream: it has {', '.join(known)}"
            )
    return names


class Query:
    """Answers questions about datapoints; on the event loop.

    Args:
        raw: gives datapoints.
        levels: gives rollups.
        clock: tells which bucket is still filling.
    """

    def __init__(self, raw: RawData, levels: Levels, clock: Callable[[], int]) -> None:
        self._raw = raw
        self._levels = levels
        self._clock = clock

    def data(
        self,
        stream: Stream,
        granularity: Granularity,
        asked: Range,
        *,
        reverse: bool,
        value_downsamplers: Iterable[str] | None,
        time_downsamplers: Iterable[str] | None,
        empty: bool,
        complete: bool,
    ) -> Datapoints:
        """The datapoints of a range, nothing read yet."""
        if granularity is Granularity.Raw:
            return self._raw_data(stream, asked, reverse=reverse)
        values = check_downsamplers(value_downsamplers, stream.config.value_downsamplers, "value")
        times = check_downsamplers(time_downsamplers, TIME_DOWNSAMPLERS, "time")
        shape = _Shape(stream, granularity, values, times)

        def tables() -> AsyncIterator[Rollups]:
            return self._tables(stream, granularity, asked, reverse=reverse, complete=complete)

        async def chunks() -> AsyncIterator[list[dict[str, Any]]]:
            async for rows in tables():
                points = shape.points(rows)
                yield points[::-1] if reverse else points

        async def counting() -> int:
            return sum([len(rows) async for rows in tables()])

        def span() -> range:
            return self._span(stream, granularity, asked, complete=complete)

        async def counting_all() -> int:
            return len(span())

        if empty:
            return Datapoints(
                lambda: _filled(tables(), shape, span(), reverse=reverse),
                counting_all,
                granularity,
            )
        return Datapoints(chunks, counting, granularity)

    async def _tables(
        self,
        stream: Stream,
        granularity: Granularity,
        asked: Range,
        *,
        reverse: bool,
        complete: bool,
    ) -> AsyncIterator[Rollups]:
        async for part in self._parts(stream, granularity, asked, reverse=reverse):
            rows = await self._levels.rollups(stream, granularity, part.start_ns, part.end_ns)
            yield self._finished(stream, granularity, rows) if complete else rows

    def _raw_data(self, stream: Stream, asked: Range, *, reverse: bool) -> Datapoints:
        async def chunks() -> AsyncIterator[list[dict[str, Any]]]:
            async for part in self._parts(stream, Granularity.Raw, asked, reverse=reverse):
                columns = await self._raw.columns(stream, part.start_ns, part.end_ns)
                points = raw_points(stream, columns)
                yield points[::-1] if reverse else points

        async def counting() -> int:
            return await self._raw.count(stream, asked.start_ns, asked.end_ns)

        return Datapoints(chunks, counting, Granularity.Raw)

    async def _parts(
        self, stream: Stream, granularity: Granularity, asked: Range, *, reverse: bool
    ) -> AsyncIterator[Range]:
        """A range cut where it is cheap: at blocks, into pieces that fit into memory."""
        if stream.latest_ns < 0:
            return
        start_ns = max(asked.start_ns, granularity.round_timestamp(stream.earliest_ns))
        end_ns = min(asked.end_ns, stream.latest_ns + 1)
        if start_ns >= end_ns:
            return
        cuts = [start_ns]
        for cut_ns in await self._raw.cuts(stream, start_ns, end_ns):
            rounded_ns = granularity.round_timestamp(cut_ns)
            if rounded_ns - cuts[-1] > CHUNK_BUCKETS * granularity.duration_ns:
                cuts.append(rounded_ns)
        parts = list(zip(cuts, [*cuts[1:], end_ns], strict=True))
        for first_ns, last_ns in reversed(parts) if reverse else parts:
            yield Range(first_ns, last_ns)

    def _finished(self, stream: Stream, granularity: Granularity, rows: Rollups) -> Rollups:
        until_ns = granularity.round_timestamp(max(self._clock(), stream.latest_ns))
        return rows.between(0, until_ns)

    def _span(
        self, stream: Stream, granularity: Granularity, asked: Range, *, complete: bool
    ) -> range:
        """The starts of all buckets of a range, those without datapoints too."""
        end_ns = stream.latest_ns + 1 if asked.is_open else asked.end_ns
        if complete:
            now_ns = max(self._clock(), stream.latest_ns)
            end_ns = min(end_ns, granularity.round_timestamp(now_ns))
        return range(asked.start_ns, max(asked.start_ns, end_ns), granularity.duration_ns)

    async def arrays(
        self,
        stream: Stream,
        granularity: Granularity,
        start_ns: int,
        end_ns: int,
        fields: Iterable[str] | None,
    ) -> Arrays:
        """Columns of `start_ns <= t < end_ns`; of rollups the buckets that start there."""
        if granularity is Granularity.Raw:
            columns = await self._raw.columns(stream, start_ns, end_ns)
            found = {"t": columns.t, "v": answered_values(stream, columns)}
            found["quality"] = columns.qualities()
            if fields is not None:
                found = {"t": found["t"], **_chosen(found, fields)}
            return Arrays(granularity, found)
        start_ns = granularity.round_timestamp(start_ns)
        rows = await self._levels.rollups(stream, granularity, start_ns, end_ns)
        names = stream.config.value_downsamplers if fields is None else tuple(fields)
        found = {name: column(rows, name) for name in names if name != "t"}
        return Arrays(granularity, {"t": rows.t, **found})


def without_raw(fields: Iterable[str] | None) -> tuple[str, ...] | None:
    """What to tell of rollups that stand in for datapoints; None: what is told by default."""
    return tuple(name for name in fields or () if name not in RAW_FIELDS) or None


def _chosen(columns: dict[str, NDArray[Any]], fields: Iterable[str]) -> dict[str, NDArray[Any]]:
    try:
        return {name: columns[name] for name in fields}
    except KeyError as error:
        raise UnsupportedDownsampler(f"raw datapoints have t, v and quality, not {error}") from None


def column(rows: Rollups, name: str) -> NDArray[Any]:
    """A column of rollups: a value downsampler, `bad`, `flags`, or `t_first`, `t_last`, `t_mean`.

    Raises:
        UnsupportedDownsampler: there is none of this name.
    """
    if name in {"bad", "flags", "t_first", "t_last", "t_mean", "first", "last"}:
        return rows[name]
    return downsample.downsampled_values(rows, name)


def answered_values(stream: Stream, columns: Columns) -> NDArray[Any]:
    """The values as a column: numbers as float64, NaN for null, or int64 where all are integers."""
    if not stream.is_numeric or stream.is_decimal:
        return np.array([None, *map(stream.answer, columns.python_values())], object)[1:]
    if columns.v.dtype == np.int64 and columns.valid is None:
        return columns.v
    return columns.numbers()


def raw_points(stream: Stream, columns: Columns) -> list[dict[str, Any]]:
    """Datapoints as they are told one by one."""
    points: list[dict[str, Any]] = [
        {"t": time_ns, "v": stream.answer(value)}
        for time_ns, value in zip(columns.t.tolist(), columns.python_values(), strict=True)
    ]
    if columns.quality is not None:
        for i in np.flatnonzero(columns.quality).tolist():
            points[i]["quality"] = int(columns.quality[i])
    return points


class _Shape:
    """How the downsampled datapoints of one answer look."""

    def __init__(
        self,
        stream: Stream,
        granularity: Granularity,
        values: tuple[str, ...],
        times: tuple[str, ...],
    ) -> None:
        self._stream = stream
        self.granularity = granularity
        self._values = values
        self._times = times

    def points(self, rows: Rollups) -> list[dict[str, Any]]:
        """The datapoints of some buckets."""
        parts: dict[str, list[dict[str, Any]]] = {}
        if self._times:
            columns = [downsample.downsampled_times(rows, name).tolist() for name in self._times]
            parts["t"] = _dicts([TIME_KEYS[name] for name in self._times], columns)
        if self._values:
            columns = [_plain(column(rows, name)) for name in self._values]
            parts["v"] = _dicts([VALUE_KEYS[name] for name in self._values], columns)
        if not parts:
            return [{} for _ in range(len(rows))]
        return _dicts(list(parts), list(parts.values()))

    def null(self, bucket_ns: int) -> dict[str, Any]:
        """The datapoint of a bucket that has none: nothing counted, in the middle of the bucket."""
        point: dict[str, Any] = {}
        middle_ns = bucket_ns + self.granularity.duration_ns // 2
        if self._times:
            point["t"] = {TIME_KEYS[name]: middle_ns for name in self._times}
        if self._values:
            point["v"] = {VALUE_KEYS[name]: _NULLS.get(name) for name in self._values}
        return point


_NULLS: Final[dict[str, Any]] = {"count": 0}


def _dicts(keys: list[str], columns: list[list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(column: NDArray[Any]) -> list[Any]:
    values = column.tolist()
    if column.dtype == np.float64:
        for i in np.flatnonzero(np.isnan(column)).tolist():
            values[i] = None
    return values


async def _filled(
    tables: AsyncIterator[Rollups], shape: _Shape, span: range, *, reverse: bool
) -> AsyncIterator[list[dict[str, Any]]]:
    """Datapoints with those of the empty buckets in between."""
    starts = iter(reversed(span) if reverse else span)
    async for rows in tables:
        points = dict(zip(rows.t.tolist(), shape.points(rows), strict=True))
        if not points:
            continue
        last = rows.t[0] if reverse else rows.t[-1]
        chunk: list[dict[str, Any]] = []
        for start_ns in starts:
            chunk.append(points[start_ns] if start_ns in points else shape.null(start_ns))
            if start_ns == last:
                break
        yield chunk
    for start_ns in starts:
        yield [shape.null(start_ns)]

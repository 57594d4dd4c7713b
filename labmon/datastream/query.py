"""What `get_data` and `get_arrays` answer: ranges and directions; see `shape` for the rest.

A range is turned into one half-open range of times (raw) or of bucket starts, once and here. The
trap: `end` is inside and `end_exclusive` is not, and both are about the start of a bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.columns import fixed
from labmon.datastream.exceptions import (
    DatastreamException,
    UnsupportedDownsampler,
    UnsupportedGranularity,
)
from labmon.datastream.granularity import Granularity
from labmon.datastream.lazy import Datapoints
from labmon.datastream.retained import answering, floor_ns
from labmon.datastream.shape import (
    CHUNK_BUCKETS,
    Shape,
    answered_values,
    column,
    filled,
    raw_points,
)
from labmon.datastream.stream import TIME_DOWNSAMPLERS
from labmon.datastream.times import to_ns
from labmon.datastream.values import VALUE_KEYS
from labmon.timestamps import MAX_NS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from labmon.datastream.levels import Levels
    from labmon.datastream.rawdata import RawData
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.stream import Stream
    from labmon.datastream.times import Timestamp

RAW_FIELDS: Final = frozenset({"t", "v", "quality"})
END_NS: Final = MAX_NS
"""Half-open ranges end here at the latest."""


class Arrays(dict[str, "NDArray[Any]"]):
    """Columns by name. They are read-only: `array.copy()` is one that may be changed.

    Attributes:
        granularity: of which they are; coarser than was asked for where retention has removed that.
    """

    def __init__(self, granularity: Granularity, columns: Mapping[str, NDArray[Any]]) -> None:
        super().__init__({name: fixed(column) for name, column in columns.items()})
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
            check_downsamplers(value_downsamplers, VALUE_KEYS, "value")
            check_downsamplers(time_downsamplers, TIME_DOWNSAMPLERS, "time")
            return self._raw_data(stream, asked, reverse=reverse)
        values = check_downsamplers(value_downsamplers, stream.config.value_downsamplers, "value")
        times = check_downsamplers(time_downsamplers, TIME_DOWNSAMPLERS, "time")
        shape = Shape(stream, granularity, values, times)

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
                lambda: filled(tables(), shape, span(), reverse=reverse),
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
            _check_there(stream, granularity, part)
            yield self._finished(stream, granularity, rows) if complete else rows

    def _raw_data(self, stream: Stream, asked: Range, *, reverse: bool) -> Datapoints:
        async def chunks() -> AsyncIterator[list[dict[str, Any]]]:
            async for part in self._parts(stream, Granularity.Raw, asked, reverse=reverse):
                columns = await self._raw.columns(stream, part.start_ns, part.end_ns)
                _check_there(stream, Granularity.Raw, part)
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


def _check_there(stream: Stream, granularity: Granularity, part: Range) -> None:
    """Make sure that nothing was removed between the question and its answer.

    Raises:
        DatastreamException: something was.
    """
    if floor_ns(stream, granularity) > part.start_ns:
        raise DatastreamException(
            "retention has just removed some of what was asked for: ask again for what is left"
        )


def without_raw(fields: Iterable[str] | None) -> tuple[str, ...] | None:
    """What to tell of rollups that stand in for datapoints; None: what is told by default."""
    return tuple(name for name in fields or () if name not in RAW_FIELDS) or None


def _chosen(columns: dict[str, NDArray[Any]], fields: Iterable[str]) -> dict[str, NDArray[Any]]:
    try:
        return {name: columns[name] for name in fields}
    except KeyError as error:
        raise UnsupportedDownsampler(f"raw datapoints have t, v and quality, not {error}") from None

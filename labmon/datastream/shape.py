"""How datapoints look in an answer: columns, dicts by key, and the buckets that have none.

The trap: a bucket without datapoints is made up here and never stored, so there may be billions
of them; they are told a few at a time.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import downsample
from labmon.datastream.columns import object_column
from labmon.datastream.values import VALUE_KEYS, apart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.datastream.granularity import Granularity
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.stream import Stream

TIME_KEYS: Final = {"mean": "m", "first": "a", "last": "z"}
EXACT_IN_FLOAT: Final = 1 << 53
CHUNK_BUCKETS: Final = 2048
"""So many buckets are told together."""


def column(rows: Rollups, name: str) -> NDArray[Any]:
    """A column of rollups: a value downsampler, `bad`, `flags`, or `t_first`, `t_last`, `t_mean`.

    Raises:
        UnsupportedDownsampler: there is none of this name.
    """
    if name in {"bad", "flags", "t_first", "t_last", "t_mean", "first", "last"}:
        found = rows[name]
    else:
        found = downsample.downsampled_values(rows, name)
    return object_column([*map(apart, found)]) if found.dtype == object else found


def answered_values(stream: Stream, columns: Columns) -> NDArray[Any]:
    """The values as a column: numbers as float64, NaN for null, or int64 where all are integers."""
    if not stream.is_numeric or stream.is_decimal:
        return np.array([None, *map(stream.answer, columns.python_values())], object)[1:]
    if columns.v.dtype == np.int64 and columns.valid is None:
        return columns.v
    return columns.numbers()


def exact_values(stream: Stream, columns: Columns) -> NDArray[Any]:
    """The same, but objects where float64 would round an integer beside nulls or floats."""
    values = answered_values(stream, columns)
    if values.dtype != np.float64 or columns.v.dtype == np.float64:
        return values
    if not (np.abs(values) >= EXACT_IN_FLOAT).any():
        return values
    kept = zip(columns.python_values(), values.tolist(), strict=True)
    return object_column([value if value is None or type(value) is int else f for value, f in kept])


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


class Shape:
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


_NULLS: Final[dict[str, Any]] = {"count": 0, "sum": 0.0, "sum_squares": 0.0}
"""What there is of a bucket in which nothing is counted; all else is None."""


def _dicts(keys: list[str], columns: list[list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(column: NDArray[Any]) -> list[Any]:
    values = column.tolist()
    if column.dtype == np.float64:
        for i in np.flatnonzero(np.isnan(column)).tolist():
            values[i] = None
    return values


async def filled(
    tables: AsyncIterator[Rollups], shape: Shape, span: range, *, reverse: bool
) -> AsyncIterator[list[dict[str, Any]]]:
    """Datapoints with those of the empty buckets in between, a few at a time."""
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
            if len(chunk) >= CHUNK_BUCKETS:
                yield chunk
                chunk = []
        yield chunk
    while rest := list(islice(starts, CHUNK_BUCKETS)):
        yield [shape.null(start_ns) for start_ns in rest]

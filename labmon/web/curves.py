"""A curve: the columns of one stream for a graph, ascending in time, with null rows for gaps.

A gap is longer than three poll periods, beyond the length of a bucket where the columns are
rollups. The trap: a stored None is a gap too, and is there as a row already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.timestamps import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.graph import Graph

GAP_PERIODS: Final = 3
LONGEST_PERIOD_S: Final = 1e9
"""Thirty years: three of them still fit between two times. A tag may say anything."""
EXACT_IN_FLOAT: Final = 1 << 53
DEFAULT_FIELDS: Final = ("mean", "min", "max")
FIELDS: Final = (
    "mean",
    "min",
    "max",
    "count",
    "std_dev",
    "sum",
    "bad",
    "flags",
    "first",
    "last",
)

Column = Any
"""A numpy array, or a list where values are no plain numbers."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One stream of an answer.

    Attributes:
        granularity: the word of the level.
        bucket_ns: length of a bucket, 0 for raw.
        time_ns: int64.
        columns: by field, as long as the times; `v` and `quality` for raw.
    """

    path: str
    unit: str
    granularity: str
    bucket_ns: int
    time_ns: np.ndarray
    columns: dict[str, Column]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.time_ns)


def curve_of(path: str, tags: dict[str, Any], graph: Graph) -> Curve:
    """The curve of a queried graph, gaps marked."""
    columns = dict(graph.columns)
    time_ns = np.asarray(columns.pop("t"), np.int64)
    curve = Curve(
        path,
        str(tags.get("unit", "")),
        graph.granularity.name.lower(),
        graph.bucket_ns,
        time_ns,
        columns,
    )
    return with_gaps(curve, tags.get("period_s"))


def with_gaps(curve: Curve, period_s: object) -> Curve:
    """The same curve with a null row in each gap; without a known period there are none."""
    if not isinstance(period_s, int | float) or not 0 < period_s <= LONGEST_PERIOD_S:
        return curve
    if len(curve) < 2:
        return curve
    steps_ns = np.diff(curve.time_ns)
    # a channel may be read only at every tenth poll of its device, say: then that is its period
    period_ns = max(int(period_s * SECOND_NS), int(np.median(steps_ns)) - curve.bucket_ns)
    before = np.flatnonzero(steps_ns > curve.bucket_ns + GAP_PERIODS * period_ns)
    if not len(before):
        return curve
    step_ns = curve.bucket_ns or period_ns
    times = np.insert(curve.time_ns, before + 1, curve.time_ns[before] + step_ns)
    columns = {
        name: _with_nulls(name, column, before + 1) for name, column in curve.columns.items()
    }
    return Curve(curve.path, curve.unit, curve.granularity, curve.bucket_ns, times, columns)


def _with_nulls(name: str, column: Column, places: np.ndarray) -> Column:
    if not isinstance(column, np.ndarray) or column.dtype == object:
        return _with_none(list(column), places)
    if column.dtype.kind == "f":
        return np.insert(column, places, np.nan)
    if name in {"quality", "count", "bad", "flags"}:
        return np.insert(column, places, 0)
    if len(column) and np.abs(column).max() >= EXACT_IN_FLOAT:
        return _with_none(column.tolist(), places)
    return np.insert(column.astype(np.float64), places, np.nan)


def _with_none(values: Sequence[Any], places: np.ndarray) -> list[Any]:
    longer: list[Any] = []
    done = 0
    for place in places.tolist():
        longer += values[done:place]
        longer.append(None)
        done = place
    longer += values[done:]
    return longer


def without_times(graph: Graph, times_ns: NDArray[np.int64]) -> Graph:
    """The same raw graph without one reading at each of these times, the last of equal ones."""
    own = np.asarray(graph.columns["t"], np.int64)
    keep = np.ones(len(own), np.bool_)
    times, counts = np.unique(times_ns, return_counts=True)
    ends = np.searchsorted(own, times, side="right")
    counts = np.minimum(counts, ends - np.searchsorted(own, times))
    for end, count in zip(ends.tolist(), counts.tolist(), strict=True):
        keep[end - count : end] = False
    if keep.all():
        return graph
    columns = {
        name: column[keep]
        if isinstance(column, np.ndarray)
        else [value for value, kept in zip(column, keep, strict=True) if kept]
        for name, column in graph.columns.items()
    }
    return replace(graph, columns=columns)

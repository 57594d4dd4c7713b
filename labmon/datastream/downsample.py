"""The arithmetic of rollups: datapoints to buckets, buckets to coarser ones, buckets to answers.

Count, mean and m2 (the sum of squared deviations) are computed about a shift and merged pairwise
(Chan, Golub and LeVeque 1979), never from sums of squares. The trap: only quality ok and limit
counts; nulls are not counted, infinities are bad, and a bucket may have a count of 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from labmon.datastream import nominal
from labmon.datastream.buckets import bucket_starts, mean_times, run_lengths
from labmon.datastream.columns import Columns
from labmon.datastream.decimals import divided
from labmon.datastream.exceptions import UnsupportedDownsampler
from labmon.datastream.given import given_rows, is_given
from labmon.datastream.merge import merge_rows
from labmon.datastream.rollups import (
    NUMBER_FIELDS,
    NominalRollups,
    Rollups,
    m2_of_integers,
    quotient,
)
from labmon.reading import Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

AnyRollups = TypeVar("AnyRollups", bound=Rollups)

NUMERIC_DOWNSAMPLERS: Final = ("mean", "sum", "min", "max", "sum_squares", "std_dev", "count")
NOMINAL_DOWNSAMPLERS: Final = ("count", "most_often", "least_often", "frequencies")
TIME_DOWNSAMPLERS: Final = {"mean": "t_mean", "first": "t_first", "last": "t_last"}

_SAFE: Final = 2.0**62


def roll_up(columns: Columns, bucket_ns: int) -> Rollups:
    """The rollups of numbers in time order: one row for each bucket that has datapoints.

    Args:
        columns: datapoints of a numeric stream (decimals as text are taken as floats), also ones
            that come already downsampled.
        bucket_ns: length of a bucket, usually `granularity.duration_ns`.
    """
    if not len(columns):
        return Rollups.empty()
    if is_given(columns):
        return coarsen(given_rows(columns, ~_is_unusable(columns)), bucket_ns)
    numbers = columns.numbers()
    if columns.v.dtype == object:  # decimals, or floats and ints: sums of decimals are exact then
        columns = Columns(columns.t, numbers, None, columns.quality)
    is_bad = _is_unusable(columns) | np.isinf(numbers)
    buckets = _Buckets(columns, bucket_ns, ~(is_bad | np.isnan(numbers)), is_bad)
    fields = buckets.count_fields()
    for name in NUMBER_FIELDS:
        empty = 0.0 if name in ("sum", "m2") else np.nan
        fields[name] = np.full(len(buckets.t), empty)
    if buckets.count.any():
        for name, column in _number_fields(columns, numbers, buckets).items():
            fields[name][buckets.is_counted] = column
    return Rollups(buckets.t, fields)


def roll_up_nominal(
    columns: Columns, bucket_ns: int, *, frequencies: bool = True
) -> NominalRollups:
    """The rollups of words and JSON values in time order.

    Args:
        columns: datapoints of a nominal or graph stream.
        bucket_ns: length of a bucket.
        frequencies: whether to count how often each value was there; else that column is None.
    """
    if not len(columns):
        return NominalRollups.empty()
    is_bad = _is_unusable(columns)
    buckets = _Buckets(columns, bucket_ns, ~(is_bad | columns.is_null), is_bad)
    fields: dict[str, NDArray[Any]] = {**buckets.count_fields()}
    values = columns.take(np.arange(len(columns))[buckets.rows]).python_values()
    for name, column in nominal.value_fields(values, buckets.starts, frequencies).items():
        fields[name] = np.full(len(buckets.t), None)
        fields[name][buckets.is_counted] = column
    return NominalRollups(buckets.t, fields)


def coarsen(rollups: AnyRollups, bucket_ns: int) -> AnyRollups:
    """Rollups merged into buckets of length `bucket_ns`, aligned to 1970.

    Also joins rows that have the same start: concatenate what a block, a head and late data give
    for one bucket, in time order, and coarsen to the length that they have. Only the fields that
    are there are merged; mean needs sum and count, m2 needs mean and count.
    """
    if not len(rollups):
        return rollups
    return merge_rows(rollups, *bucket_starts(rollups.t, bucket_ns))


def total(rollups: AnyRollups) -> AnyRollups:
    """All rows merged into one, whose `t` is that of the first; no rows give no row."""
    if not len(rollups):
        return rollups
    return merge_rows(rollups, rollups.t[:1], np.zeros(1, np.intp))


def downsampled_values(rollups: Rollups, downsampler: str) -> NDArray[Any]:
    """The column of one value downsampler.

    Numeric: mean, sum, min, max, sum_squares, std_dev (of the population), count. Nominal: count,
    most_often, least_often, frequencies. NaN or None where nothing is counted (count, sum and
    sum_squares: 0).

    Raises:
        UnsupportedDownsampler: there is none of this name for these values.
    """
    is_nominal = isinstance(rollups, NominalRollups)
    known = NOMINAL_DOWNSAMPLERS if is_nominal else NUMERIC_DOWNSAMPLERS
    if downsampler not in known:
        raise UnsupportedDownsampler(
            f"{downsampler!r} is no value downsampler here: use {', '.join(known)}"
        )
    if downsampler == "std_dev":
        return np.sqrt(quotient(rollups["m2"], rollups["count"]))
    if downsampler == "sum_squares":
        mean = np.where(rollups["count"] > 0, rollups["mean"], 0.0)
        with np.errstate(over="ignore"):
            return rollups["m2"] + rollups["count"] * mean * mean
    if downsampler in ("most_often", "least_often"):
        return nominal.extreme(rollups["frequencies"], downsampler)
    return rollups[downsampler]


def downsampled_times(rollups: Rollups, downsampler: str) -> NDArray[np.int64]:
    """The column of one time downsampler: mean (count-weighted, rounded down), first or last.

    Raises:
        UnsupportedDownsampler: there is none of this name.
    """
    if downsampler not in TIME_DOWNSAMPLERS:
        raise UnsupportedDownsampler(
            f"{downsampler!r} is no time downsampler: use {', '.join(TIME_DOWNSAMPLERS)}"
        )
    return rollups[TIME_DOWNSAMPLERS[downsampler]]


class _Buckets:
    """Datapoints sorted into buckets; the counted ones are also runs of their own.

    Attributes:
        t: start times of the buckets.
        count: of counted datapoints, for all buckets.
        is_counted: selects the buckets that have a counted datapoint.
        rows: selects the counted datapoints.
        starts, counts: of the runs of counted datapoints in `rows`.
    """

    def __init__(
        self,
        columns: Columns,
        bucket_ns: int,
        counted: NDArray[np.bool_],
        is_bad: NDArray[np.bool_],
    ) -> None:
        self._columns = columns
        self._is_bad = is_bad
        self.t, self._all_starts = bucket_starts(columns.t, bucket_ns)
        self.is_counted: NDArray[np.bool_] | slice = slice(None)
        self.rows: NDArray[np.intp] | slice = slice(None)
        self.starts = self._all_starts
        self.count = self.counts = run_lengths(self.starts, len(counted))
        if not counted.all():
            self.count = np.add.reduceat(counted, self._all_starts, dtype=np.int64)
            self.is_counted = self.count > 0
            self.rows = np.flatnonzero(counted)
            self.counts = self.count[self.is_counted]
            self.starts = np.cumsum(self.counts) - self.counts

    def count_fields(self) -> dict[str, NDArray[Any]]:
        """The TIME_FIELDS and COUNT_FIELDS."""
        columns, starts = self._columns, self._all_starts
        flags = np.zeros(len(self.t), np.uint8)
        if columns.quality is not None:
            flags = np.bitwise_or.reduceat(columns.quality & Quality.FLAG_MASK, starts)
        t_first = columns.t[starts]
        t_last = columns.t[np.append(starts[1:], len(columns)) - 1]
        t_mean = t_first + (t_last - t_first) // 2
        if self.count.any():
            t = columns.t[self.rows]
            t_first[self.is_counted] = t[self.starts]
            t_last[self.is_counted] = t[self.starts + self.counts - 1]
            t_mean[self.is_counted] = mean_times(t, self.starts)
        return {
            "t_first": t_first,
            "t_last": t_last,
            "t_mean": t_mean,
            "count": self.count,
            "bad": np.add.reduceat(self._is_bad, starts, dtype=np.int64),
            "flags": flags,
        }


def _is_unusable(columns: Columns) -> NDArray[np.bool_]:
    if columns.quality is None:
        return np.zeros(len(columns), np.bool_)
    code = columns.quality & Quality.CODE_MASK
    return (code != Quality.OK) & (code != Quality.LIMIT)


def _number_fields(
    columns: Columns, numbers: NDArray[np.float64], buckets: _Buckets
) -> dict[str, NDArray[np.float64]]:
    """The NUMBER_FIELDS of the buckets that have counted datapoints."""
    rows, starts, counts = buckets.rows, buckets.starts, buckets.counts
    values = numbers[rows]
    exact = _exact_integers(columns, rows, int(counts.max()))
    with np.errstate(over="ignore", invalid="ignore"):
        if exact is None:
            shift = values[starts]
            sums, m2 = _moments(values - np.repeat(shift, counts), starts, counts)
            sums += shift * counts
        else:
            integers, exponent = exact
            shift = integers[starts]
            offsets = integers - np.repeat(shift, counts)
            m2 = _exact_m2(offsets, starts, counts, exponent)
            sums = _exact_sums(shift, counts, np.add.reduceat(offsets, starts), exponent)
        mean = sums / counts
        too_large = ~np.isfinite(sums)
        if too_large.any():  # for a float; their mean is not
            sums = np.where(too_large, np.add.reduceat(values, starts), sums)
            shares = np.add.reduceat(values / np.repeat(counts, counts), starts)
            mean = np.where(too_large, shares, mean)
            m2 = np.where(too_large, np.inf, m2)
    return {
        "sum": sums,
        "mean": mean,
        "m2": m2,
        "min": np.minimum.reduceat(values, starts),
        "max": np.maximum.reduceat(values, starts),
        "first": values[starts],
        "last": values[starts + counts - 1],
    }


def _moments(
    offsets: NDArray[np.float64], starts: NDArray[np.intp], counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(sums, m2) of offsets from a shift: a second pass about the mean, corrected for its error."""
    sums = np.add.reduceat(offsets, starts)
    deviations = offsets - np.repeat(sums / counts, counts)
    rest = np.add.reduceat(deviations, starts)
    m2 = np.add.reduceat(deviations * deviations, starts) - rest * rest / counts
    return sums, np.where(np.isnan(m2), np.inf, np.maximum(m2, 0.0))  # NaN: squares too large


def _exact_integers(
    columns: Columns, rows: NDArray[np.intp] | slice, most: int
) -> tuple[NDArray[np.int64], int] | None:
    """(integers, exponent) of the counted values; None: not all are decimals, or too large."""
    if columns.v.dtype == np.int64:
        integers, exponent = columns.v[rows], 0
    else:
        scaled = columns.scaled()
        if scaled is None:
            return None
        if len(scaled.patches):
            is_patched = np.zeros(len(columns), np.bool_)
            is_patched[scaled.patches] = True
            if is_patched[rows].any():
                return None
        integers, exponent = scaled.integers[rows], scaled.exponent
    highest, lowest = float(integers.max()), float(integers.min())
    is_safe = max(highest, -lowest) < _SAFE and (highest - lowest) * most < _SAFE
    return (integers, exponent) if is_safe else None


def _exact_m2(
    offsets: NDArray[np.int64],
    starts: NDArray[np.intp],
    counts: NDArray[np.int64],
    exponent: int,
) -> NDArray[np.float64]:
    """m2 of integers: without any rounding before the last division, where it fits 64 bits."""
    widest = float(np.abs(offsets).max()) * float(counts.max())
    if widest * widest < _SAFE:
        sums = np.add.reduceat(offsets, starts)
        return m2_of_integers(
            counts * np.add.reduceat(offsets * offsets, starts) - sums * sums, counts, exponent
        )
    m2 = _moments(offsets.astype(np.float64), starts, counts)[1]
    return divided(divided(m2, exponent), exponent)


def _exact_sums(
    shift: NDArray[np.int64],
    counts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    exponent: int,
) -> NDArray[np.float64]:
    """The sums of integers that lie about a shift, in floats only where integers overflow."""
    if float(np.abs(shift).max()) * float(counts.max()) < _SAFE:
        return divided(shift * counts + offsets, exponent)
    return divided(shift.astype(np.float64) * counts + offsets, exponent)

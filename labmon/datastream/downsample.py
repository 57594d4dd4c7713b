"""The arithmetic of rollups: datapoints to buckets, buckets to coarser ones, buckets to answers.

Count, mean and m2 (the sum of squared deviations) are computed about a shift and merged pairwise
(Chan, Golub and LeVeque 1979), never from sums of squares. The trap: only quality ok and limit
counts; nulls are not counted, infinities are bad, and a bucket may have a count of 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from labmon.datastream.rollups import Rollups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.datastream.rollups import NominalRollups

    AnyRollups = TypeVar("AnyRollups", bound=Rollups)


def roll_up(columns: Columns, bucket_ns: int) -> Rollups:
    """The rollups of numbers in time order: one row for each bucket that has datapoints.

    Args:
        columns: datapoints of a numeric stream (decimals as text are taken as floats).
        bucket_ns: length of a bucket, usually `granularity.duration_ns`.
    """
    raise NotImplementedError


def roll_up_nominal(columns: Columns, bucket_ns: int) -> NominalRollups:
    """The rollups of words and JSON values in time order."""
    raise NotImplementedError


def coarsen(rollups: AnyRollups, bucket_ns: int) -> AnyRollups:
    """Rollups merged into buckets of length `bucket_ns`, aligned to 1970.

    Also joins rows that have the same start: concatenate what a block, a head and late data give
    for one bucket, in time order, and coarsen to the length that they have. Only the fields that
    are there are merged; mean needs sum and count, m2 needs mean and count.
    """
    raise NotImplementedError


def total(rollups: AnyRollups) -> AnyRollups:
    """All rows merged into one, whose `t` is that of the first; no rows give no row."""
    raise NotImplementedError


def downsampled_values(rollups: Rollups, downsampler: str) -> NDArray[Any]:
    """The column of one value downsampler.

    Numeric: mean, sum, min, max, sum_squares, std_dev (of the population), count. Nominal: count,
    most_often, least_often, frequencies. NaN or None where nothing is counted (count, sum and
    sum_squares: 0).

    Raises:
        UnsupportedDownsampler: there is none of this name for these values.
    """
    raise NotImplementedError


def downsampled_times(rollups: Rollups, downsampler: str) -> NDArray[np.int64]:
    """The column of one time downsampler: mean (count-weighted, rounded down), first or last.

    Raises:
        UnsupportedDownsampler: there is none of this name.
    """
    raise NotImplementedError

"""Where the buckets begin in a column of times, and sums over them that do not overflow.

A bucket is a run of rows; `starts` are the indexes at which the runs begin. The trap: numpy's
reduceat() has no empty runs, so whoever leaves rows out must leave out the buckets that got empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHIFT: Final = 30
_LOW: Final = (1 << _SHIFT) - 1


def bucket_starts(
    t: NDArray[np.int64], bucket_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """(start times of the buckets, indexes at which they begin) of ascending times, not empty."""
    first = int(t[0]) - int(t[0]) % bucket_ns
    spanned = (int(t[-1]) - first) // bucket_ns + 1
    if spanned > len(t):
        of_row = t - t % bucket_ns
        starts = np.flatnonzero(np.concatenate(([True], of_row[1:] != of_row[:-1])))
        return of_row[starts], starts
    times = first + np.arange(spanned) * bucket_ns
    starts = np.searchsorted(t, times)
    is_there = run_lengths(starts, len(t)) > 0
    return (times, starts) if is_there.all() else (times[is_there], starts[is_there])


def run_lengths(starts: NDArray[np.intp], rows: int) -> NDArray[np.intp]:
    """How many rows each bucket has."""
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1:] = rows - starts[-1:]
    return lengths


def first_in_run(is_it: NDArray[np.bool_], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Index of the first row of each bucket that is it; one in each must be."""
    found = np.flatnonzero(is_it)
    return found[np.searchsorted(found, starts)]


def last_in_run(is_it: NDArray[np.bool_], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Index of the last row of each bucket that is it; one in each must be."""
    found = np.flatnonzero(is_it)
    ends = np.append(starts[1:], len(is_it))
    return found[np.searchsorted(found, ends) - 1]


def mean_times(
    t: NDArray[np.int64], starts: NDArray[np.intp], weights: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """The mean time of each bucket, rounded down, exact also where the plain sum would overflow.

    Args:
        t: the times; within a bucket they may lie up to 34 years apart.
        starts: where the buckets begin.
        weights: how often each time counts, not 0 in all rows of a bucket; None: once.
    """
    lengths = run_lengths(starts, len(t))
    base = np.minimum.reduceat(t, starts)
    offsets = t - np.repeat(base, lengths)
    high, low = offsets >> _SHIFT, offsets & _LOW
    count = lengths
    if weights is not None:
        high, low = high * weights, low * weights
        count = np.add.reduceat(weights, starts)
    whole, rest = np.divmod(np.add.reduceat(high, starts), count)
    return base + (whole << _SHIFT) + ((rest << _SHIFT) + np.add.reduceat(low, starts)) // count

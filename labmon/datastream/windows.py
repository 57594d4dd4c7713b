"""Means and deviations over the last so many seconds, in one pass, exactly the same however cut.

The window of a datapoint is what lies less than `window_ns` before it, and the datapoint itself.
Time is divided into segments as long as a window, so each window is the end of one segment and the
beginning of the next (van Herk 1992): two running sums, each about a value of its own segment. The
trap: a running sum over everything would depend on where it began, and lose digits as it grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from labmon.datastream.buckets import run_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray


_SHORT: Final = 64
"""Segments up to this length are summed many at a time."""


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations from it, of many windows."""

    counts: NDArray[np.int64]
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]


def needed_from(t: NDArray[np.int64], window_ns: int) -> int:
    """Index of the first datapoint that windows after the last one may still need."""
    oldest_ns = int(t[-1]) - window_ns
    return int(np.searchsorted(t, oldest_ns - oldest_ns % window_ns))


def moving_moments(
    t: NDArray[np.int64], x: NDArray[np.float64], window_ns: int, first: int = 0
) -> Moments:
    """The moments of the windows that end at the datapoints from index `first` on.

    Args:
        t: times, ascending, from what needed_from() gave at the latest.
        x: finite values.
        window_ns: how long a window is.
        first: the datapoints before it are only there to be looked back at.
    """
    ends = np.arange(first, len(t))
    begins = np.searchsorted(t, t[first:] - window_ns, side="right")
    segment = t // window_ns
    starts = np.flatnonzero(np.append(True, segment[1:] != segment[:-1]))
    start_of = starts[np.searchsorted(starts, ends, side="right") - 1]
    forward = _running(x, starts)
    own = _moments_at(forward, ends, x[start_of], ends - start_of + 1)
    # where the window begins within the segment of its end, that is the whole segment so far;
    # else it also has the end of the one before
    reaches_back = begins < start_of
    backward = _backward(x, starts)
    last_of = starts[np.searchsorted(starts, begins, side="right")[reaches_back]] - 1
    begins = begins[reaches_back]
    before = _moments_at(backward, begins, x[last_of], last_of - begins + 1)
    return _merged(own, before, reaches_back)


class _Sums(NamedTuple):
    """Running sums of offsets from a value of the segment, and of their squares."""

    offsets: NDArray[np.float64]
    squares: NDArray[np.float64]


def _running(x: NDArray[np.float64], starts: NDArray[np.intp]) -> _Sums:
    """Running sums from the beginning of each segment on, about its first value."""
    sums = _Sums(np.empty_like(x), np.empty_like(x))
    lengths = run_lengths(starts, len(x))
    is_long = lengths > _SHORT
    for start, length in zip(starts[is_long].tolist(), lengths[is_long].tolist(), strict=True):
        end = start + length
        offsets = x[start:end] - x[start]
        np.cumsum(offsets, out=sums.offsets[start:end])
        np.cumsum(offsets * offsets, out=sums.squares[start:end])
    width = 1
    while width <= _SHORT:
        alike = (lengths <= width) & (lengths * 2 > width)
        if alike.any():
            _run_together(x, starts[alike], lengths[alike], width, sums)
        width *= 2
    return sums


def _run_together(
    x: NDArray[np.float64],
    starts: NDArray[np.intp],
    lengths: NDArray[np.intp],
    width: int,
    sums: _Sums,
) -> None:
    """Fill in the running sums of many short segments at once, each a row of a table."""
    place = np.arange(width)
    is_there = place < lengths[:, np.newaxis]
    at = (starts[:, np.newaxis] + place)[is_there]
    table = np.zeros(is_there.shape)
    table[is_there] = x[at]
    table -= x[starts][:, np.newaxis]
    sums.offsets[at] = np.cumsum(table, axis=1)[is_there]
    sums.squares[at] = np.cumsum(table * table, axis=1)[is_there]


def _backward(x: NDArray[np.float64], starts: NDArray[np.intp]) -> _Sums:
    """Running sums from the end of each segment back, about its last value."""
    sums = _running(x[::-1].copy(), len(x) - np.append(starts[1:], len(x))[::-1])
    return _Sums(sums.offsets[::-1], sums.squares[::-1])


def _moments_at(
    sums: _Sums, at: NDArray[np.intp], about: NDArray[np.float64], count: NDArray[np.intp]
) -> Moments:
    offsets = sums.offsets[at]
    m2 = np.maximum(sums.squares[at] - offsets * offsets / count, 0.0)
    return Moments(count, about + offsets / count, m2)


def _merged(own: Moments, before: Moments, where: NDArray[np.bool_]) -> Moments:
    """The moments of both parts together, where there is a part before (Chan's formula)."""
    counts, mean, m2 = own.counts.copy(), own.mean.copy(), own.m2.copy()
    together = own.counts[where] + before.counts
    apart = before.mean - own.mean[where]
    share = before.counts / together
    mean[where] += apart * share
    m2[where] += before.m2 + apart * apart * share * own.counts[where]
    counts[where] = together
    return Moments(counts, mean, m2)

"""Timestamps as callers write them: int nanoseconds, datetime or numpy.datetime64, to int ns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream.exceptions import InvalidTimestamp
from labmon.timestamps import MAX_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Timestamp = int | datetime | np.datetime64

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
LAST_NS: Final = MAX_NS - 1
"""The last time of a datapoint: half-open ranges end right behind it."""


def to_ns(timestamp: Timestamp) -> int:
    """Nanoseconds UTC since 1970; a naive datetime means UTC.

    Raises:
        InvalidTimestamp: outside 1970 to 2262, or no time at all. Floats are refused: seconds as
            a float resolve 238 ns only.
    """
    if type(timestamp) is int:  # mostly
        time_ns = timestamp
    elif isinstance(timestamp, datetime):
        aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        time_ns = (aware - _EPOCH) // _MICROSECOND * 1000
    elif isinstance(timestamp, np.datetime64):
        time_ns = _from_datetime64(timestamp)
    elif isinstance(timestamp, int | np.integer) and not isinstance(timestamp, bool):
        time_ns = int(timestamp)
    else:
        raise InvalidTimestamp(
            f"{timestamp!r} is no time: use int nanoseconds, datetime or numpy.datetime64"
        )
    if not 0 <= time_ns <= MAX_NS:
        raise InvalidTimestamp(f"{time_ns} ns lies outside the years 1970 to 2262")
    return time_ns


def datapoint_ns(timestamp: Timestamp) -> int:
    """The time of a datapoint, as `to_ns` gives it.

    Raises:
        InvalidTimestamp: as of `to_ns`, or it is the very last nanosecond that there is.
    """
    time_ns = to_ns(timestamp)
    if time_ns > LAST_NS:
        raise InvalidTimestamp(f"{time_ns} ns lies outside the years 1970 to 2262")
    return time_ns


def column_ns(timestamps: Any) -> NDArray[np.int64]:
    """An array of times as a column of nanoseconds.

    Raises:
        InvalidTimestamp: it holds no integers or datetime64, or one is out of range.
    """
    if np.ma.is_masked(timestamps):
        raise InvalidTimestamp("a time that is masked is none")
    t = np.asarray(timestamps)
    if t.dtype.kind == "M":
        return _column_of_datetime64(t)
    if t.dtype.kind not in "iu" and t.size:
        raise InvalidTimestamp(
            f"an array of times holds int64 nanoseconds or datetime64, not {t.dtype}"
        )
    if t.dtype == np.uint64 and (t > LAST_NS).any():
        raise InvalidTimestamp("an array of times goes beyond the year 2262")
    return t.astype(np.int64)


def rows_between(t: NDArray[np.int64], start_ns: int, end_ns: int) -> slice:
    """The rows of ascending times with `start_ns <= t < end_ns`; the ends may be any integers."""
    # numpy would look for what is beyond 64 bits as a float, and miss by a hundred nanoseconds
    ends = [min(max(end, 0), MAX_NS) for end in (start_ns, end_ns)]
    first, last = np.searchsorted(t, np.array(ends, np.int64)).tolist()
    return slice(first, last)


def _from_datetime64(timestamp: np.datetime64) -> int:
    return int(_column_of_datetime64(np.array(timestamp))[()])


def _column_of_datetime64(times: NDArray[Any]) -> NDArray[np.int64]:
    if np.isnat(times).any():
        raise InvalidTimestamp("NaT is no time")
    as_ns = times.astype("datetime64[ns]")
    back = as_ns.astype(times.dtype)
    # compared as integers: comparing datetime64 of two units wraps around as well
    is_other = back.view(np.int64) != times.view(np.int64)
    if is_other.any():
        first = np.atleast_1d(times)[np.atleast_1d(is_other)][0]
        raise InvalidTimestamp(
            f"{first} is no whole nanosecond, or lies outside the years 1970 to 2262"
        )
    return as_ns.view(np.int64)

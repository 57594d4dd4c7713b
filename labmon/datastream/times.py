"""Timestamps as callers write them: int nanoseconds, datetime or numpy.datetime64, to int ns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from labmon.datastream.exceptions import InvalidTimestamp
from labmon.timestamps import MAX_NS

Timestamp = int | datetime | np.datetime64

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


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
        if np.isnat(timestamp):
            raise InvalidTimestamp("NaT is no time")
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


def _from_datetime64(timestamp: np.datetime64) -> int:
    time_ns = timestamp.astype("datetime64[ns]")
    if time_ns != timestamp:  # it wrapped around
        raise InvalidTimestamp(f"{timestamp} lies outside the years 1970 to 2262")
    return int(time_ns.astype(np.int64))

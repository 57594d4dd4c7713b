"""Times as the texts of files, and back, a column at once: ISO 8601 and Unix seconds, exact.

The fast ways know the forms that labmon writes; anything else goes through `parse_time`, one by
one. The trap: Unix seconds never become a float on the way, which would cost 238 ns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from labmon import timestamps
from labmon.timestamps import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_UNIX: Final = re.compile(r"(\d{1,11})(?:\.(\d*))?", re.ASCII)
_NUMPY: Final = orjson.OPT_SERIALIZE_NUMPY
ALLOWED: Final = "use ISO 8601 (2026-11-22T08:00:00.5Z) or Unix seconds (1764244800.5)"
_ISO_MARKS: Final = ((4, b"-"), (7, b"-"), (10, b"T"), (13, b":"), (16, b":"))
_ISO_WIDTHS: Final = (20, 24, 27, 30)
_MONTH_DAYS: Final = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def time_texts(t: NDArray[np.int64]) -> tuple[list[bytes], list[bytes]]:
    """(ISO 8601 with as many decimals as needed, Unix seconds with nine) of a column of times."""
    if not len(t):
        return [], []
    seconds, rest = np.divmod(t, SECOND_NS)
    # orjson writes whole seconds of numpy's times, and nothing finer than microseconds
    iso = orjson.dumps(seconds.view("M8[s]"), option=_NUMPY)[2:-2].split(b'","')
    unix = orjson.dumps(seconds, option=_NUMPY)[1:-1].split(b",")
    if not rest.any():
        return [text + b"Z" for text in iso], [text + b".000000000" for text in unix]
    digits = [text[1:] for text in orjson.dumps(rest + SECOND_NS, option=_NUMPY)[1:-1].split(b",")]
    width = np.select([rest == 0, rest % 1_000_000 == 0, rest % 1000 == 0], [0, 3, 6], 9).tolist()
    return [
        text + b"." + fraction[:count] + b"Z" if count else text + b"Z"
        for text, fraction, count in zip(iso, digits, width, strict=True)
    ], [text + b"." + fraction for text, fraction in zip(unix, digits, strict=True)]


def parse_time(text: str) -> int:
    """The time that a text says, exact to the nanosecond.

    Raises:
        ValueError: it is none, or outside 1970 to 2262; says what is allowed.
    """
    text = text.strip()
    if match := _UNIX.fullmatch(text):
        fraction = (match[2] or "").ljust(9, "0")
        if len(fraction.rstrip("0")) <= 9:
            return timestamps.check_range(int(match[1]) * SECOND_NS + int(fraction[:9]))
        raise ValueError(f"{text!r} is finer than a nanosecond")
    if not text[:4].isdigit():  # `now` and `-6h` are for people, not for files
        raise ValueError(f"{text[:40]!r} is no time: {ALLOWED}")
    try:
        return timestamps.parse(text, 0)
    except ValueError as error:
        if "lies outside" in str(error):
            raise
        raise ValueError(f"{text[:40]!r} is no time: {ALLOWED}") from None


def parse_times(texts: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """The times of a column of texts in the forms that labmon writes; -1 for any other text."""
    rows = len(texts)
    times = np.full(rows, -1, np.int64)
    if not rows or not texts.dtype.itemsize:
        return times
    matrix = np.ascontiguousarray(texts).view(np.uint8).reshape(rows, -1)
    widths = np.count_nonzero(matrix, axis=1)
    for width in np.unique(widths).tolist():
        which = slice(None) if (widths == width).all() else np.flatnonzero(widths == width)
        part = matrix[which]
        if width in _ISO_WIDTHS and part[0, 10] == ord("T"):
            times[which] = _from_iso(part, width)
        elif 10 <= width <= 20:
            times[which] = _from_unix(part, width)
    return times


def _number(digits: NDArray[np.uint8], places: Sequence[int]) -> NDArray[np.int64]:
    number = np.zeros(len(digits), np.int64)
    for place in places:
        number = number * 10 + digits[:, place]
    return number


def _from_iso(matrix: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    digits = matrix - np.uint8(ord("0"))
    marks = [*_ISO_MARKS, (width - 1, b"Z"), *([(19, b".")] if width > 20 else [])]
    is_mark = {place for place, _ in marks}
    is_right = np.ones(len(matrix), np.bool_)
    for place, mark in marks:
        is_right &= matrix[:, place] == ord(mark)
    for place in range(width):
        if place not in is_mark:
            is_right &= digits[:, place] < 10
    year, month = _number(digits, range(4)), _number(digits, (5, 6))
    day, hour = _number(digits, (8, 9)), _number(digits, (11, 12))
    minute, second = _number(digits, (14, 15)), _number(digits, (17, 18))
    is_right &= (year >= 1970) & (year < 2262) & (month >= 1) & (month <= 12) & (day >= 1)
    is_right &= day <= _MONTH_DAYS[np.where(is_right, month, 0)]
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    is_right &= (
        (hour < 24) & (minute < 60) & (second < 60) & ~((month == 2) & (day == 29) & ~is_leap)
    )
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    fraction = _number(digits, range(20, width - 1)) * 10 ** (30 - width) if width > 20 else 0
    return np.where(is_right, seconds * SECOND_NS + fraction, -1)


def _days(year: Any, month: Any, day: Any) -> Any:
    """Days since 1970-01-01 (Howard Hinnant, days_from_civil)."""
    year = year - (month <= 2)
    era, of_era = year // 400, year % 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _from_unix(matrix: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    """Ten digits, and after a point up to nine more."""
    digits = matrix - np.uint8(ord("0"))
    is_right = np.ones(len(matrix), np.bool_)
    for place in range(width):
        is_right &= digits[:, place] < 10 if place != 10 else matrix[:, 10] == ord(".")
    fraction = _number(digits, range(11, width)) * 10 ** (20 - width) if width > 11 else 0
    times = _number(digits, range(10)) * SECOND_NS
    is_right &= times < timestamps.MAX_NS - SECOND_NS
    return np.where(is_right, times + fraction, -1)

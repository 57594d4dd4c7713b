"""Times as the texts of files, and back, a column at once: ISO 8601 and Unix seconds, exact.

The fast ways know the forms that labmon writes; anything else goes through `parse_time`, one by
one. The trap: Unix seconds never become a float on the way, which would cost 238 ns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson

from labmon import timestamps
from labmon.timestamps import SECOND_NS
from labmon.transfer import cell_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labmon.transfer.cell_matrix import Matrix

_UNIX: Final = re.compile(r"(\d{1,11})(?:\.(\d*))?", re.ASCII)
_NUMPY: Final = orjson.OPT_SERIALIZE_NUMPY
ALLOWED: Final = "use ISO 8601 (2026-11-22T08:00:00.5Z) or Unix seconds (1764244800.5)"
EARLIEST_S: Final = 100_000_000
"""Of Unix seconds: 1973, before there was anything that writes them."""
YEAR_S: Final = 31_557_600
_MARKS: Final = [4, 7, 10, 13]
_MARK_BYTES: Final = np.frombuffer(b"--T:", np.uint8)
_DIGITS: Final = [place for place in range(16) if place not in _MARKS]
_MONTH_DAYS: Final = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_ISO_WIDTHS: Final = (20, 24, 27, 30)
WINDOW: Final = 32
_ZERO: Final = np.uint8(ord("0"))
_ZEROS: Final = np.uint64(0x3030303030303030)
_SIXES: Final = np.uint64(0x0606060606060606)
_HIGH: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_LOW: Final = np.uint64(0x0F0F0F0F0F0F0F0F)


def time_cells(t: NDArray[np.int64]) -> tuple[Matrix, Matrix]:
    """(ISO 8601 with as many decimals as needed, Unix seconds with nine) of a column of times."""
    count = len(t)
    iso, unix = np.zeros((count, 30), np.uint8), np.empty((count, 0), np.uint8)
    if not count:
        return iso, unix
    seconds, rest = np.divmod(t, SECOND_NS)
    # orjson writes whole seconds of numpy's times, all of one width, and nothing finer
    dates = np.frombuffer(orjson.dumps(seconds.view("M8[s]"), option=_NUMPY), np.uint8)
    iso[:, :19] = dates[1:].reshape(count, 22)[:, 1:20]
    iso[:, 19], iso[:, 29] = b".Z"
    digits = orjson.dumps(rest + SECOND_NS, option=_NUMPY)  # the same
    iso[:, 20:29] = np.frombuffer(digits, np.uint8)[1:].reshape(count, 11)[:, 1:10]
    unix = cell_matrix.split(orjson.dumps(seconds, option=_NUMPY)[1:-1])
    unix = np.concatenate((unix, iso[:, 19:29]), axis=1)
    for unit, place in ((1000, 26), (1_000_000, 23), (SECOND_NS, 19)):
        iso[rest % unit == 0, place:29] = 0
    return iso, unix


def parse_time(text: str) -> int:
    """The time that a text says, exact to the nanosecond.

    Raises:
        ValueError: it is none, or outside 1970 to 2262; says what is allowed.
    """
    text = text.strip()
    if match := _UNIX.fullmatch(text):
        fraction = (match[2] or "").ljust(9, "0")
        if len(fraction.rstrip("0")) > 9:
            raise ValueError(f"{text!r} is finer than a nanosecond")
        if int(match[1]) < EARLIEST_S:
            year = 1970 + int(match[1]) // YEAR_S
            raise ValueError(
                f"{text!r} would be Unix seconds of {year}: are they seconds since a start,"
                f" or days of a spreadsheet? {ALLOWED}"
            )
        return timestamps.check_range(int(match[1]) * SECOND_NS + int(fraction[:9]))
    if not text[:4].isdigit():  # `now` and `-6h` are for people, not for files
        raise ValueError(f"{text[:40]!r} is no time: {ALLOWED}")
    try:
        return timestamps.parse(text, 0)
    except ValueError as error:
        if "lies outside" in str(error):
            raise
        raise ValueError(f"{text[:40]!r} is no time: {ALLOWED}") from None


def parse_times(windows: NDArray[np.uint8], widths: NDArray[np.intp]) -> NDArray[np.int64]:
    """The times of a column of texts in the forms that labmon writes; -1 for any other text.

    Args:
        windows: `WINDOW` bytes for each text, of which those behind it mean nothing.
        widths: bytes of each text.
    """
    times = np.full(len(windows), -1, np.int64)
    for width in np.flatnonzero(np.bincount(np.minimum(widths, WINDOW))).tolist():
        if not 10 <= width <= 30:
            continue
        which = slice(None) if (widths == width).all() else np.flatnonzero(widths == width)
        part = windows[which]
        if width in _ISO_WIDTHS and part[0, 10] == ord("T"):
            times[which] = _from_iso(part, width)
        elif width <= 20:
            times[which] = _from_unix(part, width)
    return times


def windows_of(texts: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """What `parse_times` takes, of Python's texts."""
    cells = [text.encode("utf-8", "replace")[:WINDOW] for text in texts]
    widths = np.array([len(cell) for cell in cells], np.intp)
    column = np.array(cells, f"S{WINDOW}")
    return column.view(np.uint8).reshape(len(cells), WINDOW), widths


def _from_iso(windows: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    """`2026-11-22T08:00`, which many rows share, `:00`, and perhaps `.5`, at last `Z`."""
    words = windows.view(np.uint64)
    is_new = (words[1:, 0] != words[:-1, 0]) | (words[1:, 1] != words[:-1, 1])
    starts = np.concatenate(([0], np.flatnonzero(is_new) + 1))
    lengths = np.diff(np.append(starts, len(windows)))
    minutes = np.repeat(_minutes(windows[starts]), lengths)
    tens, ones = windows[:, 17] - _ZERO, windows[:, 18] - _ZERO
    is_right = (minutes >= 0) & (windows[:, 16] == ord(":")) & (windows[:, width - 1] == ord("Z"))
    is_right &= (tens < 6) & (ones < 10)
    times = minutes + (tens * np.int64(10) + ones) * SECOND_NS
    if width > 20:
        fraction, is_number = _fraction(windows, 20, width - 21)
        is_right &= is_number & (windows[:, 19] == ord("."))
        times += fraction
    return np.where(is_right, times, -1)


def _minutes(windows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The times of `2026-11-22T08:00`; -1 where it is none."""
    digits = (windows[:, :16] - _ZERO).astype(np.int64)
    is_right = (digits[:, _DIGITS] < 10).all(axis=1)
    is_right &= (windows[:, _MARKS] == _MARK_BYTES).all(axis=1)
    year = digits[:, :4] @ np.array([1000, 100, 10, 1])
    month, day, hour, minute = (
        digits[:, place] * 10 + digits[:, place + 1] for place in (5, 8, 11, 14)
    )
    is_right &= (year >= 1970) & (year < 2262) & (month >= 1) & (month <= 12) & (day >= 1)
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    is_right &= day <= _MONTH_DAYS[np.where(is_right, month, 0)] - ((month == 2) & ~is_leap)
    is_right &= (hour < 24) & (minute < 60)
    minutes = (_days(year, month, day) * 24 + hour) * 60 + minute
    return np.where(is_right, minutes * (60 * SECOND_NS), -1)


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Days since 1970-01-01 (Howard Hinnant, days_from_civil)."""
    year = year - (month <= 2)
    era, of_era = year // 400, year % 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _fraction(
    windows: NDArray[np.uint8], place: int, digits: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(nanoseconds, whether it is one) of up to nine digits after a point."""
    first = min(8, digits)
    number, is_number = _digits(windows, place, first)
    number *= 10 ** (9 - first)
    if digits == 9:
        last = windows[:, place + 8] - _ZERO
        is_number &= last < 10
        number += last
    return number, is_number


def _digits(
    windows: NDArray[np.uint8], place: int, digits: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(number, whether it is one) of up to eight digits, all of them at once in 64 bits.

    Neighbours are joined in pairs, pairs of pairs and so on (Daniel Lemire, "Quickly parsing eight
    digits"); the digits that are not there are zeros in front.
    """
    word = np.ascontiguousarray(windows[:, place : place + 8]).view("<u8").reshape(-1)
    shift = np.uint64(8 * (8 - digits))
    word = (word << shift) | (_ZEROS & ((np.uint64(1) << shift) - np.uint64(1)))
    is_number = (word & _HIGH) == _ZEROS
    is_number &= ((word + _SIXES) & _HIGH) == _ZEROS
    word = word & _LOW
    word = (word * np.uint64(2561)) >> np.uint64(8)
    word = ((word & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    word = ((word & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return word.view(np.int64), is_number


def _from_unix(windows: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    """Ten digits, and after a point up to nine more."""
    high, is_right = _digits(windows, 0, 8)
    low, is_number = _digits(windows, 8, 2)
    is_right &= is_number
    seconds = high * 100 + low
    times = seconds * SECOND_NS
    if width > 10:
        is_right &= windows[:, 10] == ord(".")
    if width > 11:
        fraction, is_number = _fraction(windows, 11, width - 11)
        is_right &= is_number
        times += fraction
    return np.where(is_right & (seconds < timestamps.MAX_NS // SECOND_NS), times, -1)

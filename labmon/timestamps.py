"""Integer-nanosecond UTC time: parse, format, floor, and a clock that never steps back.

Inside, a time is an `int`: nanoseconds since 1970-01-01T00:00:00Z. The trap: a float of seconds
resolves 238 ns only, so floats are for the edges and never for paging.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND_NS: Final = 1_000_000_000
MAX_NS: Final = 2**63 - 1  # 2262-04-11
STEP_NS: Final = 10 * SECOND_NS
"""A system clock this far from ours was set, not slewed."""
SLEW: Final = 0.0005
"""The clock runs at most 0.5 ms a second fast or slow, as adjtime(3) does."""

_UNITS: Final = {
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "min": 60 * SECOND_NS,
    "h": 3600 * SECOND_NS,
    "d": 86400 * SECOND_NS,
    "w": 7 * 86400 * SECOND_NS,
    "y": 365 * 86400 * SECOND_NS,
}
_RELATIVE: Final = re.compile(r"(?:now)?\s*([+-])\s*(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_NANOSECONDS: Final = re.compile(r"(\d{1,10})\.(\d{8,9})", re.ASCII)
"""Unix seconds with more decimals than a float of today has: taken at their word."""
_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_ALLOWED: Final = (
    "use Unix seconds (1764244800.5), ISO 8601 (2026-11-22T08:00:00Z), or now, -6h, -30d"
)


def from_seconds(seconds: float) -> int:
    """Nanoseconds of Unix seconds.

    Raises:
        ValueError: not finite, or outside 1970 to 2262.
    """
    if not -1e11 < seconds < 1e11:  # also false for NaN
        raise ValueError(f"{seconds!r} is no Unix time in seconds")
    whole = int(seconds // 1)
    return check_range(whole * SECOND_NS + round((seconds - whole) * SECOND_NS))


def to_seconds(time_ns: int) -> float:
    """Unix seconds of nanoseconds, as good as a float can tell."""
    return time_ns / SECOND_NS


def check_range(time_ns: int) -> int:
    """The same time.

    Raises:
        ValueError: it lies outside 1970 to 2262.
    """
    if not 0 <= time_ns <= MAX_NS:
        raise ValueError(f"{time_ns} ns lies outside the years 1970 to 2262")
    return time_ns


def floor(time_ns: int, step_ns: int) -> int:
    """The start of the bucket of length `step_ns`, aligned to 1970 UTC, that contains a time."""
    return time_ns - time_ns % step_ns


def parse(text: str, now_ns: int) -> int:
    """The time that a person or a program wrote: Unix seconds, ISO 8601 or relative to `now_ns`.

    ISO times without a zone are UTC.

    Raises:
        ValueError: it is none of these, or outside 1970 to 2262; says what is allowed.
    """
    text = text.strip()
    if text == "now":
        return now_ns
    if match := _RELATIVE.fullmatch(text):
        sign, number, unit = match.groups()
        if unit in _UNITS:
            span = round(float(number) * _UNITS[unit])
            return check_range(now_ns + (span if sign == "+" else -span))
    if match := _NANOSECONDS.fullmatch(text):
        seconds, fraction = match.groups()
        return check_range(int(seconds) * SECOND_NS + int(fraction.ljust(9, "0")))
    if _NUMBER.fullmatch(text):
        return from_seconds(float(text))
    if match := _ISO.fullmatch(text):
        return _from_iso(*match.groups())
    raise ValueError(f"{text!r} is no time: {_ALLOWED}")


def _from_iso(text: str, fraction: str | None, zone: str | None) -> int:
    try:
        moment = datetime.fromisoformat(text + (zone or "+00:00"))
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: {error}; {_ALLOWED}") from None
    nanoseconds = int((fraction or "0").ljust(9, "0"))
    return check_range(round(moment.timestamp()) * SECOND_NS + nanoseconds)


def to_iso(time_ns: int) -> str:
    """ISO 8601 in UTC, with as many decimals as the time needs (none, 3, 6 or 9)."""
    seconds, rest = divmod(time_ns, SECOND_NS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if rest:
        digits = f"{rest:09d}"
        while digits.endswith("000"):
            digits = digits[:-3]
        text += "." + digits
    return text + "Z"


class Clock:
    """Wall time anchored to the monotonic clock: never steps back, slews after the system's.

    Called from any thread (its state is one tuple). A system clock that is more than 10 s off was
    set by somebody: the clock takes the new time over, and `steps` counts one more.
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self.steps = 0
        """How often the system clock was found set by more than 10 s."""
        self._anchor = (wall_ns(), monotonic_ns(), 0.0)

    def now_ns(self) -> int:
        """The time now, in nanoseconds UTC."""
        anchored_ns, since_ns, slew = self._anchor
        monotonic_ns = self._monotonic_ns()
        passed_ns = monotonic_ns - since_ns
        ours_ns = anchored_ns + passed_ns + int(passed_ns * slew)
        off_ns = self._wall_ns() - ours_ns
        if not -STEP_NS <= off_ns <= STEP_NS:
            ours_ns += off_ns
            self.steps += 1
            self._anchor = (ours_ns, monotonic_ns, 0.0)
        elif passed_ns > SECOND_NS:
            # from here on at a rate that takes the difference away in 10 s, or as fast as allowed
            slew = max(-SLEW, min(SLEW, off_ns / STEP_NS))
            self._anchor = (ours_ns, monotonic_ns, slew)
        return ours_ns

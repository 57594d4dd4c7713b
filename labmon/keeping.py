"""How long what is kept: `30d`, `2y`, `forever`, for readings and for each granularity.

Used by the configuration and by the time-series library, which do not know each other. The trap: a
ladder that says nothing of a level does not mean "for ever" for it: levels between two that are
named go with the finer one, since they follow from it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS: Final = (
    "raw",
    "seconds",
    "seconds10",
    "minutes",
    "minutes10",
    "hours",
    "hours6",
    "days",
)
"""What can be kept for a time of its own, finest first."""
FOREVER: Final = "forever"
_DAYS: Final = {"d": 1, "w": 7, "y": 365}
_WORDS: Final = re.compile(r"([1-9][0-9]{0,5})\s*([dwy])", re.ASCII)
ALLOWED: Final = "30d, 8w, 2y (365 days each) or forever"


class KeepingError(ValueError):
    """Times of keeping that make no sense.

    Attributes:
        level: the one at fault; empty: all together.
    """

    def __init__(self, level: str, why: str) -> None:
        super().__init__(why)
        self.level = level


def days_of(words: object) -> int | None:
    """Whole days, None for ever.

    Raises:
        ValueError: it is neither.
    """
    if words == FOREVER:
        return None
    match = _WORDS.fullmatch(words) if isinstance(words, str) else None
    if match is None:
        raise ValueError(f"found {str(words)[:40]!r}, allowed: {ALLOWED}")
    return int(match[1]) * _DAYS[match[2]]


def ladder(named: Mapping[str, object]) -> dict[str, int | None]:
    """For how many days each level is kept, None for ever.

    What is not named goes with the next finer level that is; beyond the coarsest that is named,
    everything is kept for ever.

    Raises:
        KeepingError: a level is unknown, a coarser one would go before a finer one, or nothing is
            said of what stays.
    """
    for level, words in named.items():
        if level not in LEVELS:
            raise KeepingError(level, f"unknown level {level!r}, allowed: {', '.join(LEVELS)}")
        try:
            days_of(words)
        except ValueError as error:
            raise KeepingError(level, str(error)) from None
    if not named:
        raise KeepingError("", f"say how long what is kept: any of {', '.join(LEVELS)}")
    coarsest = max(LEVELS.index(level) for level in named)
    if LEVELS[coarsest] == "raw" and days_of(named["raw"]) is not None:
        raise KeepingError("raw", "say too what stays in its place, such as minutes: forever")
    kept: dict[str, int | None] = {}
    days, finer = None, LEVELS[0]
    for place, level in enumerate(LEVELS):
        if level in named:
            longer = days_of(named[level])
            if kept and longer is not None and (days is None or longer < days):
                why = f"{level} would go before {finer}, which is kept {_told(days)}"
                raise KeepingError(level, f"{why}: a coarser level stays at least as long")
            days, finer = longer, level
        elif place > coarsest or not kept:
            days = None
        kept[level] = days
    return kept


def _told(days: int | None) -> str:
    return "for ever" if days is None else f"{days} days"

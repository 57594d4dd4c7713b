"""The ladder of granularities, `Granularity`: raw, 1 s, 10 s, 1 min, 10 min, 1 h, 6 h, 1 day.

Buckets are aligned to 1970 UTC. The trap: *finer compares greater*, so the highest granularity of
a stream is its finest.
"""

from __future__ import annotations

from functools import total_ordering
from typing import TYPE_CHECKING, ClassVar, Final

from labmon.datastream.exceptions import UnsupportedGranularity

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_SECOND_NS: Final = 1_000_000_000


@total_ordering
class Granularity:
    """One step of the ladder; there is one object of each, made in this module.

    Attributes:
        name: as in the API, `Seconds10`; lower-cased in texts, `seconds10`.
        key: one letter; stands for the granularity on disk.
        duration_ns: length of a bucket; 0 for raw.
    """

    __slots__ = ("duration_ns", "key", "name")

    Raw: ClassVar[Granularity]
    Seconds: ClassVar[Granularity]
    Seconds10: ClassVar[Granularity]
    Minutes: ClassVar[Granularity]
    Minutes10: ClassVar[Granularity]
    Hours: ClassVar[Granularity]
    Hours6: ClassVar[Granularity]
    Days: ClassVar[Granularity]
    values: ClassVar[tuple[Granularity, ...]]
    """All of them, finest first."""

    def __init__(self, name: str, key: str, duration_ns: int) -> None:
        self.name = name
        self.key = key
        self.duration_ns = duration_ns

    @classmethod
    def find(cls, word: object) -> Granularity:
        """The granularity of a name (any case), of a key (`s` and `S` differ), or itself.

        Raises:
            UnsupportedGranularity: there is none; the message lists what there is.
        """
        if isinstance(word, Granularity):
            return word
        if isinstance(word, str):
            found = _BY_KEY.get(word) or _BY_NAME.get(word.lower())
            if found is not None:
                return found
        raise UnsupportedGranularity(
            f"{word!r} is no granularity: use one of {', '.join(_BY_NAME)}"
        )

    def round_timestamp(self, time_ns: int) -> int:
        """The start of the bucket that contains a time; the time itself for raw."""
        return time_ns - time_ns % self.duration_ns if self.duration_ns else time_ns

    def round_timestamps(self, times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The starts of the buckets that contain the times, as an array."""
        return times_ns - times_ns % self.duration_ns if self.duration_ns else times_ns

    @property
    def coarser(self) -> Granularity | None:
        """The next coarser one; None for days."""
        index = self.values.index(self) + 1
        return self.values[index] if index < len(self.values) else None

    @property
    def finer(self) -> Granularity | None:
        """The next finer one; None for raw."""
        index = self.values.index(self)
        return self.values[index - 1] if index else None

    def __lt__(self, other: object) -> bool:
        """Coarser compares less."""
        if not isinstance(other, Granularity):
            return NotImplemented
        return self.duration_ns > other.duration_ns

    def __eq__(self, other: object) -> bool:
        """There is one object of each."""
        return self is other

    def __hash__(self) -> int:
        """Follows the key."""
        return hash(self.key)

    def __reduce__(self) -> tuple[Callable[[object], Granularity], tuple[str]]:
        """Copies and pickles are the same object."""
        return (Granularity.find, (self.key,))

    def __repr__(self) -> str:
        """As it is written in code."""
        return f"Granularity.{self.name}"


Granularity.Raw = Granularity("Raw", "r", 0)
Granularity.Seconds = Granularity("Seconds", "s", _SECOND_NS)
Granularity.Seconds10 = Granularity("Seconds10", "S", 10 * _SECOND_NS)
Granularity.Minutes = Granularity("Minutes", "m", 60 * _SECOND_NS)
Granularity.Minutes10 = Granularity("Minutes10", "M", 600 * _SECOND_NS)
Granularity.Hours = Granularity("Hours", "h", 3600 * _SECOND_NS)
Granularity.Hours6 = Granularity("Hours6", "H", 6 * 3600 * _SECOND_NS)
Granularity.Days = Granularity("Days", "d", 24 * 3600 * _SECOND_NS)
Granularity.values = (
    Granularity.Raw,
    Granularity.Seconds,
    Granularity.Seconds10,
    Granularity.Minutes,
    Granularity.Minutes10,
    Granularity.Hours,
    Granularity.Hours6,
    Granularity.Days,
)
_BY_KEY: Final = {granularity.key: granularity for granularity in Granularity.values}
_BY_NAME: Final = {granularity.name.lower(): granularity for granularity in Granularity.values}

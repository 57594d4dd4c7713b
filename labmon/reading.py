"""What an instrument said: `Channel`, `Quality`, `Reading` and the `Batch` that travels.

Plain values without behaviour of their own; the trap is that *stale* is no quality: it is an age,
and only the reader can judge it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


Value = float | int | str | bool | dict[str, Any] | list[Any] | None


class Quality:
    """One byte beside every value: a code in the low four bits, flags in the high four.

    The code says whether the value can be used; flags say how it came about.
    """

    OK: Final = 0
    NO_SIGNAL: Final = 1
    OVER_RANGE: Final = 2
    UNDER_RANGE: Final = 3
    LIMIT: Final = 4
    FAULT: Final = 5

    SIMULATED: Final = 0x10
    LATE: Final = 0x20
    CLOCK_STEP: Final = 0x40

    CODE_MASK: Final = 0x0F
    FLAG_MASK: Final = 0xF0


CODE_WORDS: Final = {
    Quality.OK: "ok",
    Quality.NO_SIGNAL: "no_signal",
    Quality.OVER_RANGE: "over_range",
    Quality.UNDER_RANGE: "under_range",
    Quality.LIMIT: "limit",
    Quality.FAULT: "fault",
}
FLAG_WORDS: Final = {
    Quality.SIMULATED: "simulated",
    Quality.LATE: "late",
    Quality.CLOCK_STEP: "clock_step",
}
_BY_WORD: Final = {word: bits for words in (CODE_WORDS, FLAG_WORDS) for bits, word in words.items()}


def quality_words(quality: int) -> list[str]:
    """The words of a quality byte, the code first: `[“ok”, “simulated”]`."""
    code = CODE_WORDS.get(quality & Quality.CODE_MASK, "fault")
    return [code, *(word for bit, word in FLAG_WORDS.items() if quality & bit)]


def quality_from_words(words: str | Sequence[str]) -> int:
    """The quality byte of one word or several.

    Raises:
        ValueError: a word is unknown, or two codes are named.
    """
    quality = 0
    for word in [words] if isinstance(words, str) else words:
        if word not in _BY_WORD:
            raise ValueError(f"unknown quality {word!r}: use one of {', '.join(_BY_WORD)}")
        bits = _BY_WORD[word]
        if bits & Quality.CODE_MASK and quality & Quality.CODE_MASK:
            raise ValueError(f"a reading has one quality code, not several: {', '.join(words)}")
        quality |= bits
    return quality


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity that a device reports or accepts.

    Attributes:
        unit: as printed after the value, `""` for a pure number.
        description: one sentence for the tooltip and the documents.
        label: what stands on the tile; the channel's name if empty.
        digits: digits after the point, of the mantissa where `scientific`.
        scientific: whether values are written as `2.31e-9`.
        accuracy: in `unit`; printed digits below it are shown pale. None: all digits count.
        limits: (low, high) in `unit` that the instrument can report, either may be None.
        kind: `numeric`, or `nominal` for words and JSON values.
        tile: whether it has a tile on the overview; the page of its device shows it anyway.
        every_s: least time between two readings; 0: with each poll. None: it comes when it
            comes, as a setpoint does, and is never stale.
    """

    unit: str = ""
    description: str = ""
    label: str = ""
    digits: int = 2
    scientific: bool = False
    accuracy: float | None = None
    limits: tuple[float | None, float | None] = (None, None)
    kind: Literal["numeric", "nominal"] = "numeric"
    tile: bool = True
    every_s: float | None = 0.0

    def period_s(self, poll_s: float) -> float | None:
        """The time from one reading to the next, if it is known."""
        return None if self.every_s is None else max(poll_s, self.every_s)

    def described(self, **changes: Any) -> Channel:
        """The same channel with some attributes changed."""
        return replace(self, **changes)


class Reading(NamedTuple):
    """One value as taken now."""

    path: str
    time_ns: int
    value: Value
    quality: int


class Receipt(NamedTuple):
    """What tells a push from outside again if it is repeated, on each batch that is made of it.

    Attributes:
        key: of the push, chosen by who pushed.
        digest: of its body.
        first, end: places in the body of the readings that the batch has.
    """

    key: str
    digest: str
    first: int
    end: int


@dataclass(slots=True)
class Batch:
    """The readings of one poll of one device: one time stamp, columns of values and qualities.

    It is shared by all who get it, so nobody changes one; that the type checker sees to, as a
    frozen class takes four times as long to make.

    Attributes:
        source: the device, or `append` for readings pushed from outside.
        time_ns: nanoseconds UTC since 1970, shared by all readings of the batch.
        paths: `device/channel` of each reading. Devices pass the *same tuple object* for every
            poll of the same channels, so that receivers may cache by identity.
        values: one for each path; None means no value (a gap, or see the quality).
        qualities: one byte for each path.
        seq: number of the first reading, given by the hub; reading i has `seq + i`. 0: not yet.
        receipt: which part of a push it is; becomes durable with the readings.
    """

    source: Final[str]
    time_ns: Final[int]
    paths: Final[tuple[str, ...]]
    values: Final[tuple[Value, ...]]
    qualities: Final[bytes]
    seq: Final[int] = 0
    receipt: Final[Receipt | None] = None

    def __post_init__(self) -> None:
        """Refuse columns of different length."""
        if not len(self.paths) == len(self.values) == len(self.qualities):
            raise ValueError(
                f"a batch of {self.source} has {len(self.paths)} paths, {len(self.values)} values"
                f" and {len(self.qualities)} qualities: they must be equally many"
            )

    def __len__(self) -> int:
        """How many readings there are."""
        return len(self.paths)

    @property
    def last_seq(self) -> int:
        """Number of the last reading."""
        return self.seq + len(self.paths) - 1

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """The times of one path, as an array has them: here there is one."""
        return np.array([self.time_ns], np.int64)

    @property
    def weight(self) -> int:
        """What it takes of a bounded queue, in readings."""
        return len(self.paths)

    def numbered(self, seq: int) -> Batch:
        """The same batch, its first reading numbered `seq`."""
        columns = self.paths, self.values, self.qualities
        return Batch(self.source, self.time_ns, *columns, seq, self.receipt)

    def readings(self) -> Iterator[Reading]:
        """One object per reading: for edges and tests, not for the way of a reading."""
        for path, value, quality in zip(self.paths, self.values, self.qualities, strict=True):
            yield Reading(path, self.time_ns, value, quality)


class Band(NamedTuple):
    """What an array looks like from afar; None where it has no good number."""

    minimum: float | int | None
    maximum: float | int | None
    mean: float | None


@dataclass(frozen=True, eq=False)
class ArrayBatch:
    """Samples of one channel as columns, of one poll of a fast instrument: one unit on its way.

    Each sample is a reading with a number of its own, but nobody cuts an array: it is recorded,
    resumed and told as a whole, so no cursor points into it.

    Attributes:
        source: the device.
        paths: one path, in a tuple as that of a `Batch`.
        times_ns: int64 nanoseconds UTC, ascending; at least one.
        values: float64, NaN for none, or int64; as many.
        qualities: uint8, as many; None: all are ok.
        seq: number of the first sample, given by the hub; sample i has `seq + i`. 0: not yet.
    """

    source: str
    paths: tuple[str, ...]
    times_ns: NDArray[np.int64]
    values: NDArray[np.float64] | NDArray[np.int64]
    qualities: NDArray[np.uint8] | None = None
    seq: int = 0

    def __post_init__(self) -> None:
        """Refuse columns of different length, and none at all."""
        count = len(self.times_ns)
        lengths = {
            count,
            len(self.values),
            count if self.qualities is None else len(self.qualities),
        }
        if len(lengths) > 1 or not count:
            raise ValueError(f"the columns of an array of {self.paths[0]} are not equally long")

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.times_ns)

    @property
    def time_ns(self) -> int:
        """Time of the first sample."""
        return int(self.times_ns[0])

    @property
    def last_seq(self) -> int:
        """Number of the last sample."""
        return self.seq + len(self.times_ns) - 1

    @property
    def weight(self) -> int:
        """What it takes of a bounded queue, in readings: four samples take as much as one."""
        return 1 + len(self.times_ns) // 4

    @property
    def newest(self) -> Reading:
        """The last sample as a reading."""
        value: float | int = self.values[-1].item()
        quality = 0 if self.qualities is None else int(self.qualities[-1])
        return Reading(
            self.paths[0],
            int(self.times_ns[-1]),
            None if value != value else value,
            quality,
        )

    @cached_property
    def band(self) -> Band:
        """Minimum, maximum and mean of the good numbers."""
        good = self.values
        if self.qualities is not None and self.qualities.any():
            good = good[np.isin(self.qualities & Quality.CODE_MASK, (Quality.OK, Quality.LIMIT))]
        good = good[np.isfinite(good)]
        if not len(good):
            return Band(None, None, None)
        return Band(good.min().item(), good.max().item(), float(good.mean()))

    def numbered(self, seq: int) -> ArrayBatch:
        """The same array, its first sample numbered `seq`."""
        return replace(self, seq=seq)


AnyBatch = Batch | ArrayBatch
"""What travels from the devices to the recorder and to live clients."""

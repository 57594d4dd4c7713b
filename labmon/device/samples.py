"""`Samples`: many values of one channel at a time, and from them the arrays that travel.

What a driver of a fast digitiser returns in place of one value. The trap: an array is refused or
taken as a whole; of samples that are no good, say so in the quality, or give NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labmon.reading import ArrayBatch, Quality
from labmon.timestamps import check_range

ArrayLike: TypeAlias = NDArray[Any] | Sequence[float | int]

PIECE: Final = 10_000
"""Longer arrays travel in several pieces, lest one holds up everything else."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What a fast instrument measured on one channel since the last poll.

    Attributes:
        values: numbers; NaN where there is none, or what numpy has masked.
        times_ns: of each value, int nanoseconds UTC, ascending.
        quality: of `Quality`, one for all or one each.
    """

    values: ArrayLike
    times_ns: ArrayLike
    quality: int | ArrayLike = Quality.OK

    @classmethod
    def spaced(
        cls,
        values: ArrayLike,
        start_ns: int,
        step_ns: float,
        quality: int | ArrayLike = Quality.OK,
    ) -> Samples:
        """Samples at equal distances.

        Args:
            values: numbers; NaN where there is none.
            start_ns: time of the first one.
            step_ns: from one to the next; 1e9 / 44_100 for 44.1 kHz.
            quality: one for all or one each.
        """
        offsets_ns = np.rint(np.arange(len(values)) * step_ns).astype(np.int64)
        return cls(values, start_ns + offsets_ns, quality)


def arrays(
    device: str, paths: tuple[str, ...], samples: Samples, flags: int
) -> Iterator[ArrayBatch]:
    """The samples of one channel as they travel; none where there are none.

    Args:
        device: its name.
        paths: the one of the channel.
        samples: as the driver gave them.
        flags: put into the quality of each.

    Raises:
        ValueError, TypeError, OverflowError: they are no numbers, or their times do not ascend.
    """
    values, times_ns = _numbers(samples.values), _times(samples.times_ns)
    qualities = _qualities(samples.quality, len(values), flags)
    if not len(values) == len(times_ns) == len(qualities):
        raise ValueError(
            f"there are {len(values)} values, {len(times_ns)} times and {len(qualities)} qualities"
        )
    told = qualities if qualities.any() else None
    for start in range(0, len(values), PIECE):
        part = slice(start, start + PIECE)
        yield ArrayBatch(
            device, paths, times_ns[part], values[part], None if told is None else told[part]
        )


def _numbers(given: ArrayLike) -> NDArray[np.float64] | NDArray[np.int64]:
    """A copy, as the driver may go on to fill its buffer; what is masked is NaN."""
    if np.ma.is_masked(given):
        given = np.ma.filled(np.ma.asarray(given, np.float64), np.nan)
    values = np.asarray(given)
    if values.ndim != 1:
        raise ValueError(f"samples of one channel have one dimension, not {values.ndim}")
    if not len(values):
        return np.empty(0)
    if values.dtype.kind in "iub" and values.dtype != np.uint64:
        return values.astype(np.int64)
    if values.dtype.kind in "fu":
        return values.astype(np.float64)
    raise TypeError(f"an array of {values.dtype} has no numbers")


def _times(given: ArrayLike) -> NDArray[np.int64]:
    times_ns = np.asarray(given)
    if not times_ns.size:
        return np.empty(0, np.int64)
    if times_ns.ndim != 1 or times_ns.dtype.kind not in "iu":
        raise TypeError("times are integers, in nanoseconds")
    times_ns = times_ns.astype(np.int64)
    if (times_ns[1:] < times_ns[:-1]).any():
        raise ValueError("the times of the samples do not ascend")
    check_range(int(times_ns[0]))
    check_range(int(times_ns[-1]))
    return times_ns


def _qualities(given: int | ArrayLike, count: int, flags: int) -> NDArray[np.uint8]:
    qualities = np.asarray(given)
    is_whole = qualities.dtype.kind in "iu" and qualities.ndim < 2
    if not is_whole or (qualities.size and not 0 <= qualities.min() <= qualities.max() < 256):
        raise ValueError("a quality is a byte of Quality, for all samples or one each")
    if qualities.ndim == 0:
        return np.full(count, int(qualities) | flags, np.uint8)
    return qualities.astype(np.uint8) | np.uint8(flags)

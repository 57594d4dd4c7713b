"""Several sources side by side: one row for each time at which an operator can look at all of them.

What cannot be used (null, infinite, of bad quality) is NaN in a row, and the row's quality says
why. The trap: the sources of one call must be complete for the same span of time, and spans must
follow one another, or rows would depend on how the data was cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labmon.reading import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns

State = dict[str, Any]
"""What an operator remembers: numbers, bools, None, and numpy columns of int64 and float64."""


@dataclass(slots=True)
class Rows:
    """Sources side by side.

    Attributes:
        t: times, int64 ns, ascending.
        x: float64 of shape (sources, rows); NaN where a source has nothing that can be used.
        quality: of each row: the flags of all sources, and the worst of their codes.
    """

    t: NDArray[np.int64]
    x: NDArray[np.float64]
    quality: NDArray[np.uint8]


def one_source(columns: Columns) -> Rows:
    """The rows of a single source: all of its datapoints."""
    return Rows(columns.t, _usable(columns)[np.newaxis], columns.qualities())


def shared_times(sources: Sequence[Columns]) -> Rows:
    """Rows at the times that all sources have; of equal times in one source the last counts."""
    sources = [_last_of_equal(source) for source in sources]
    t = sources[0].t
    for source in sources[1:]:
        t = np.intersect1d(t, source.t, assume_unique=True)
    found = [source.take(np.searchsorted(source.t, t)) for source in sources]
    qualities = np.array([source.qualities() for source in found])
    return Rows(t, np.array([_usable(source) for source in found]), _united(qualities))


def held(sources: Sequence[Columns], hold_ns: int, state: Mapping[str, Any]) -> tuple[State, Rows]:
    """Rows at the times that any source has; the others hold their last value, not too long.

    Args:
        sources: complete for one span of time.
        hold_ns: a value that is older than this cannot be used.
        state: what the call for the span before returned; empty at first.
    """
    times = [source.t for source in sources]
    t = np.unique(np.concatenate(times))
    x = np.full((len(sources), len(t)), np.nan)
    qualities = np.zeros((len(sources), len(t)), np.uint8)
    after: State = {}
    for i, source in enumerate(sources):
        known_t, known_x, known_q = _with_last(source, state, i)
        at = np.searchsorted(known_t, t, side="right") - 1
        is_known = at >= 0
        is_known[is_known] = t[is_known] - known_t[at[is_known]] <= hold_ns
        x[i, is_known] = known_x[at[is_known]]
        qualities[i, is_known] = known_q[at[is_known]]
        if len(known_t):
            after[f"t{i}"], after[f"x{i}"] = int(known_t[-1]), _number(known_x[-1])
            after[f"q{i}"] = int(known_q[-1])
    return after, Rows(t, x, _united(qualities))


def _with_last(
    source: Columns, state: Mapping[str, Any], i: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Times, values and qualities of a source, behind the last of the spans before."""
    if f"t{i}" not in state:
        return source.t, _usable(source), source.qualities()
    last = np.nan if state[f"x{i}"] is None else state[f"x{i}"]
    return (
        np.concatenate(([state[f"t{i}"]], source.t)).astype(np.int64),
        np.concatenate(([last], _usable(source))),
        np.concatenate(([state[f"q{i}"]], source.qualities())).astype(np.uint8),
    )


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _last_of_equal(source: Columns) -> Columns:
    is_last = np.append(source.t[1:] != source.t[:-1], True)[: len(source)]
    return source if is_last.all() else source.take(is_last)


def _usable(columns: Columns) -> NDArray[np.float64]:
    numbers = columns.numbers()
    usable = np.isfinite(numbers)
    if columns.quality is not None:
        usable &= ~_is_bad(columns.quality)
    return numbers if usable.all() else np.where(usable, numbers, np.nan)


def _is_bad(quality: NDArray[np.uint8]) -> NDArray[np.bool_]:
    code = quality & Quality.CODE_MASK
    return (code != Quality.OK) & (code != Quality.LIMIT)


def _united(qualities: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The quality of each row: all flags, and the code of the first bad source, or limit, or ok."""
    flags = np.bitwise_or.reduce(qualities & Quality.FLAG_MASK, axis=0)
    codes = qualities & Quality.CODE_MASK
    is_bad = _is_bad(qualities)
    worst = np.take_along_axis(codes, is_bad.argmax(axis=0)[np.newaxis], axis=0)[0]
    return flags | np.where(is_bad.any(axis=0), worst, codes.max(axis=0))

"""`LevelCheck`: the stored rollups of one stream at one granularity, against recomputed ones.

Counts, extremes and times must be equal; sums, means and deviations as nearly as arithmetic in
another order gives them. The trap: a bucket can be judged only where all of its datapoints are
still there and could be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import downsample
from labmon.datastream.rollups import NominalRollups, Rollups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.backends.base import BlockOutline
    from labmon.datastream.granularity import Granularity

_EXACT: Final = ("count", "bad", "flags", "t_first", "t_last", "min", "max", "first", "last")
_T_MEAN_NS: Final = 16
"""The mean time is rounded down at every level."""
_NEAR: Final = 1e-11

Span = tuple[int, int]


class LevelCheck:
    """Takes recomputed rollups in the order of time, and says what is due to be compared.

    Args:
        granularity: of the level.
        outlines: its blocks.
    """

    def __init__(self, granularity: Granularity, outlines: Sequence[BlockOutline]) -> None:
        self.granularity = granularity
        self._outlines = sorted(outlines, key=lambda outline: outline.from_ns)
        self._next = 0
        self._rows: Rollups | None = None

    def take(self, rows: Rollups, until_ns: int) -> list[tuple[BlockOutline, Rollups]]:
        """The blocks that end before `until_ns`, with what they should have.

        Args:
            rows: recomputed since the last call; the first may go on with the last bucket.
            until_ns: all datapoints before it were rolled up.
        """
        held = self._rows
        if held is not None and len(held) and len(rows):
            kind = type(rows)
            rows = downsample.coarsen(kind.concatenate([held, rows]), self.granularity.duration_ns)
        elif held is not None and len(held):
            rows = held
        due: list[tuple[BlockOutline, Rollups]] = []
        while self._next < len(self._outlines):
            outline = self._outlines[self._next]
            if outline.to_ns > until_ns:
                break
            due.append((outline, rows.between(outline.from_ns, outline.to_ns)))
            self._next += 1
        # a copy: a slice would keep all of the columns in memory
        rest = np.flatnonzero(rows.t >= self._needed_ns())
        self._rows = rows.rows(rest)
        return due

    def _needed_ns(self) -> int:
        if self._next < len(self._outlines):
            return self._outlines[self._next].from_ns
        return 2**63 - 1


def difference(stored: Rollups, right: Rollups, step_ns: int, unsure: Sequence[Span]) -> str:
    """What is wrong with stored rollups; empty: nothing.

    Args:
        stored: of a block.
        right: recomputed.
        step_ns: length of a bucket.
        unsure: spans of which datapoints are missing: their buckets are left out.
    """
    stored, right = (_sure(rows, step_ns, unsure) for rows in (stored, right))
    if len(stored) != len(right) or (stored.t != right.t).any():
        missing = np.setdiff1d(right.t, stored.t)
        extra = np.setdiff1d(stored.t, right.t)
        return f"{len(missing)} buckets are missing, {len(extra)} have no datapoints"
    for name in stored.columns:
        is_same = _same(name, stored, right)
        if not is_same.all():
            at = int(np.flatnonzero(~is_same)[0])
            return (
                f"{name} of {int((~is_same).sum())} buckets is wrong: of the first"
                f" {stored[name][at]}, its datapoints give {right[name][at]}"
            )
    return ""


def _sure(rows: Rollups, step_ns: int, unsure: Sequence[Span]) -> Rollups:
    """The buckets that lie in none of the spans."""
    is_sure = np.ones(len(rows), np.bool_)
    for from_ns, to_ns in unsure:
        is_sure &= (rows.t > to_ns) | (rows.t + (step_ns - 1) < from_ns)
    return rows if is_sure.all() else rows.rows(is_sure)


def _same(name: str, stored: Rollups, right: Rollups) -> NDArray[np.bool_]:
    one, other = stored[name], right[name]
    if one.dtype == object or other.dtype == object:
        pairs = zip(one.tolist(), other.tolist(), strict=True)
        return np.array([a == b for a, b in pairs], np.bool_)
    if name == "t_mean":
        return np.abs(one - other) <= _T_MEAN_NS
    if name in _EXACT or isinstance(stored, NominalRollups):
        return (one == other) | (_is_nan(one) & _is_nan(other))
    with np.errstate(all="ignore"):
        is_near = np.abs(one - other) <= _tolerance(name, right)
    return is_near | (one == other) | (_is_nan(one) & _is_nan(other))


def _is_nan(column: NDArray[Any]) -> NDArray[np.bool_]:
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), np.bool_)


def _tolerance(name: str, right: Rollups) -> NDArray[np.float64]:
    """How far a sum, a mean or m2 may be off because it was added up in another order."""
    scale = np.fmax(np.abs(right["min"]), np.abs(right["max"]))
    scale = np.where(np.isnan(scale), np.abs(right["mean"]), scale)
    if name == "mean":
        return _NEAR * scale
    count = np.maximum(right["count"], 1)
    if name == "sum":
        return _NEAR * scale * count
    spread = np.nan_to_num(right["max"] - right["min"])
    noise = 1e-15 * scale
    return _NEAR * right["m2"] + count * (noise * spread + noise * noise + _NEAR * spread * spread)

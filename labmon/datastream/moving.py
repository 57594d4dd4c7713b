"""Operators that look back over a window of time: moving mean and moving standard deviation.

The trap: their state holds the datapoints that later windows still need, up to twice the window.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.alignment import State, one_source
from labmon.datastream.operator import Operator, with_gaps
from labmon.datastream.operator_arguments import Argument
from labmon.datastream.windows import moving_moments, needed_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns

_SECOND_NS: Final = 1_000_000_000
_WINDOW: Final = Argument("window_s", required=True, above=0.0, below=10 * 365 * 86400.0)


class _Moving(Operator):
    """Statistics of the last `window_s` seconds, at each datapoint."""

    arguments = (_WINDOW,)

    @property
    def lookback_ns(self) -> int:
        """Two windows: from the beginning of the segment before the last one."""
        return 2 * self._window_ns

    @property
    def _window_ns(self) -> int:
        return max(1, round(self.values["window_s"] * _SECOND_NS))

    def advance(self, state: State, sources: Sequence[Columns]) -> tuple[State, Columns]:
        """A value for each usable datapoint; the state holds what later windows still need."""
        window_ns = self._window_ns
        rows = one_source(sources[0])
        is_null = np.isnan(rows.x[0])
        t = np.concatenate((state.get("t", np.empty(0, np.int64)), rows.t[~is_null]))
        x = np.concatenate((state.get("x", np.empty(0)), rows.x[0][~is_null]))
        y = np.full(len(rows.t), np.nan)
        if len(t):
            first = len(t) - int((~is_null).sum())
            with np.errstate(all="ignore"):
                y[~is_null] = self._statistic(t, x, window_ns, first)
            kept = needed_from(t, window_ns)
            t, x = t[kept:], x[kept:]
        stays = is_null | self._are_values(y, ~is_null)
        gap, derived = with_gaps(rows, y, is_null, stays, state.get("gap", True))
        return {"t": t, "x": x, "gap": gap}, derived

    @abstractmethod
    def _statistic(
        self, t: NDArray[np.int64], x: NDArray[np.float64], window_ns: int, first: int
    ) -> NDArray[np.float64]: ...


class MovingAverage(_Moving):
    """The mean of the last `window_s` seconds."""

    name = "moving_average"

    def _statistic(
        self, t: NDArray[np.int64], x: NDArray[np.float64], window_ns: int, first: int
    ) -> NDArray[np.float64]:
        return moving_moments(t, x, window_ns, first).mean


class MovingStd(_Moving):
    """The standard deviation (of the population) of the last `window_s` seconds."""

    name = "moving_std"

    def _statistic(
        self, t: NDArray[np.int64], x: NDArray[np.float64], window_ns: int, first: int
    ) -> NDArray[np.float64]:
        moments = moving_moments(t, x, window_ns, first)
        return np.sqrt(moments.m2 / moments.counts)

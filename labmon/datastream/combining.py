"""Operators that look at their sources side by side: sum, product, difference, ratio, scale.

Rows stand at the time stamps that all sources share, or with `align` at those of any source while
the others hold their last value. The trap: where one source has a gap there is no sum of the rest.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.alignment import State, held, one_source, shared_times
from labmon.datastream.operator import Operator, with_gaps
from labmon.datastream.operator_arguments import Argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns

_SECOND_NS: Final = 1_000_000_000


class _SideBySide(Operator):
    """Operators that look at all sources at one time: on shared time stamps, or held ones."""

    arguments = (Argument("align", kind="hold"),)
    sources = (2, None)

    @property
    def needs_shared_times(self) -> bool:
        """Whether raw sources that are not read in one poll would give nothing."""
        return self.count > 1 and self.values.get("align") is None

    def advance(self, state: State, sources: Sequence[Columns]) -> tuple[State, Columns]:
        """The values of the rows; one that is not finite is left out, with a warning."""
        hold_s = self.values.get("align")
        kept: State = {}
        if hold_s is None:
            rows = shared_times(sources) if len(sources) > 1 else one_source(sources[0])
        else:
            kept, rows = held(sources, round(hold_s * _SECOND_NS), state)
        with np.errstate(all="ignore"):
            y = self._combined(rows.x)
        is_null = np.logical_or.reduce(np.isnan(rows.x), axis=0)
        stays = is_null | self._are_values(y, ~is_null)
        gap, derived = with_gaps(rows, y, is_null, stays, state.get("gap", True))
        return {**kept, "gap": gap}, derived

    @abstractmethod
    def _combined(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """One value for each row of x, of shape (sources, rows)."""


class Sum(_SideBySide):
    """The sum of several streams."""

    name = "sum"
    sources = (1, None)

    def _combined(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return functools.reduce(np.add, x)  # one by one: x.sum() rounds as it finds its memory


class Product(_SideBySide):
    """The product of several streams."""

    name = "product"
    sources = (1, None)

    def _combined(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return functools.reduce(np.multiply, x)


class Difference(_SideBySide):
    """The first stream minus the second."""

    name = "difference"
    sources = (2, 2)

    def _combined(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x[0] - x[1]


class Ratio(_SideBySide):
    """The first stream divided by the second; nothing where that is 0."""

    name = "ratio"
    sources = (2, 2)

    def _combined(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x[0] / x[1]


class Scale(_SideBySide):
    """a * value + b."""

    name = "scale"
    arguments = (Argument("a", required=True), Argument("b", default=0.0))
    sources = (1, 1)

    def _combined(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.values["a"] * x[0] + self.values["b"]

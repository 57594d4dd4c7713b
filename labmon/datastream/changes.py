"""Operators that compare a datapoint with the one before: derivative, and those of counters.

The trap: two datapoints of one time have no derivative; the later one is what the next one is
compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.alignment import Rows, State, one_source
from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import IncompatibleTypes, InvalidOperatorArguments
from labmon.datastream.operator import Operator, known_quality, with_gaps
from labmon.datastream.operator_arguments import Argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SECOND_NS: Final = 1_000_000_000


class Derivative(Operator):
    """The change per second since the datapoint before; a gap begins anew."""

    name = "derivative"

    def advance(self, state: State, sources: Sequence[Columns]) -> tuple[State, Columns]:
        """A value for each datapoint that has a usable one right before it."""
        rows = one_source(sources[0])
        return self._derived(state, rows, np.zeros(len(rows.t), np.bool_))

    def _derived(
        self, state: State, rows: Rows, is_reset: NDArray[np.bool_]
    ) -> tuple[State, Columns]:
        t, x = _behind(state, rows)
        is_null = np.isnan(x[1:])
        has_pair = ~is_null & ~np.isnan(x[:-1])
        seconds = np.diff(t) / _SECOND_NS
        with np.errstate(all="ignore"):
            change = self._change(x, is_reset)
            y = change / seconds
        # a change that says nothing, a reset, is no mistake: it only begins anew
        has_pair &= ~np.isnan(change)
        stays = is_null | (has_pair & self._are_values(y, has_pair))
        gap, derived = with_gaps(rows, y, is_null, stays, state.get("gap", True))
        return {**_last(t, x), "gap": gap}, derived

    def _change(self, x: NDArray[np.float64], is_reset: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.diff(x)


class CounterDerivative(Derivative):
    """The change of a counter per second; a reset begins anew, or wraps around at max_value."""

    name = "counter_derivative"
    arguments = (Argument("max_value", above=0.0),)
    sources = (2, 2)

    def advance(self, state: State, sources: Sequence[Columns]) -> tuple[State, Columns]:
        """As derivative, where the source `reset` says at which datapoints the counter fell."""
        rows = one_source(sources[1 - self._reset])
        resets = sources[self._reset]
        at = resets.t[~resets.is_null]
        seen = np.searchsorted(at, rows.t, side="right")
        before = -1 if state.get("reset", False) else 0
        is_reset = np.diff(seen, prepend=before) > 0
        after, derived = self._derived(state, rows, is_reset)
        behind_last = len(at) - (int(seen[-1]) if len(seen) else before)
        return {**after, "reset": behind_last > 0}, derived

    def check_types(self, types: Sequence[str]) -> None:
        """The source `reset` is nominal, the other one numeric."""
        super().check_types([types[1 - self._reset]])
        if types[self._reset] != "nominal":
            raise IncompatibleTypes(f"the source 'reset' of {self.name} is a counter_reset stream")

    def _check_names(self, names: Sequence[str | None]) -> None:
        if sorted(names, key=str) != [None, "reset"]:
            raise InvalidOperatorArguments(
                f"{self.name} is of two sources: a counter, and one called 'reset'"
            )
        self._reset = list(names).index("reset")

    def _change(self, x: NDArray[np.float64], is_reset: NDArray[np.bool_]) -> NDArray[np.float64]:
        largest = self.values["max_value"]
        wrapped = np.nan if largest is None else largest - x[:-1] + x[1:]
        return np.where(is_reset, wrapped, np.diff(x))


class CounterReset(Operator):
    """1 wherever the value is lower than the one before, also across a gap."""

    name = "counter_reset"
    output = "nominal"

    def advance(self, state: State, sources: Sequence[Columns]) -> tuple[State, Columns]:
        """One datapoint for each fall."""
        rows = one_source(sources[0])
        usable = ~np.isnan(rows.x[0])
        x = rows.x[0][usable]
        before = np.array([] if state.get("x") is None else [state["x"]], np.float64)
        known = np.concatenate((before, x))
        falls = known[1:] < known[:-1]
        fell = np.flatnonzero(usable)[len(x) - len(falls) :][falls]
        last = float(x[-1]) if len(x) else state.get("x")
        ones = np.ones(len(fell), np.int64)
        return {"x": last}, Columns(rows.t[fell], ones, None, known_quality(rows.quality[fell]))


def _behind(state: State, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times and values with the last ones before the span in front; NaN where there are none."""
    x = state.get("x")
    t = np.concatenate(([state.get("t", 0)], rows.t)).astype(np.int64)
    return t, np.concatenate(([np.nan if x is None else x], rows.x[0]))


def _last(t: NDArray[np.int64], x: NDArray[np.float64]) -> State:
    return {"t": int(t[-1]), "x": None if np.isnan(x[-1]) else float(x[-1])}

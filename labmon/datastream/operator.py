"""What every operator of derived streams is, and what they share: gaps, warnings, states.

The trap: it must not matter how the data is cut into spans, so all that an operator knows of
earlier ones is its state, which also stands in the store as JSON.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labmon.datastream.alignment import Rows, State
from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import (
    IncompatibleTypes,
    InvalidOperatorArguments,
    InvalidValueWarning,
)
from labmon.datastream.operator_arguments import Argument, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray


class Operator(ABC):
    """One operator with its arguments; it keeps no state of its own.

    Attributes:
        name: as in `derive_op`.
        output: type of the derived stream's values.
        arguments: what it takes.
        sources: how many sources it takes at least and at most.
        leaves_out: is told, on any thread, why there is nothing for some datapoints.
    """

    name: ClassVar[str]
    output: ClassVar[str] = "numeric"
    arguments: ClassVar[tuple[Argument, ...]] = ()
    sources: ClassVar[tuple[int, int | None]] = (1, 1)

    def __init__(self, arguments: Mapping[str, Any], names: Sequence[str | None]) -> None:
        """Raises InvalidOperatorArguments where the arguments or the sources make no sense."""
        self.values = checked(self.name, self.arguments, arguments)
        self.count = len(names)
        self.leaves_out: Callable[[str], None] = _warn
        self._check_names(names)

    @property
    def needs_shared_times(self) -> bool:
        """Whether raw sources that are not read in one poll would give nothing."""
        return False

    @property
    def lookback_ns(self) -> int:
        """From so long ago on the columns in a state can be read again; 0: it has none."""
        return 0

    def start(self) -> State:
        """The state before the first span."""
        return {}

    @abstractmethod
    def advance(self, state: State, sources: Sequence[Columns]) -> tuple[State, Columns]:
        """The state behind a span of time, and the derived datapoints in it.

        Args:
            state: the one behind the span before; it is not changed.
            sources: what each source has in the span, complete and in time order.
        """

    def check_types(self, types: Sequence[str]) -> None:
        """Raise IncompatibleTypes unless the sources have these types of values."""
        for value_type in types:
            if value_type != "numeric":
                raise IncompatibleTypes(f"{self.name} takes numbers, not {value_type} values")

    def _are_values(self, y: NDArray[np.float64], expected: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where there is a finite value; tells of those that are expected and are not."""
        are_values = np.isfinite(y) & expected
        left_out = int(expected.sum()) - int(are_values.sum())
        if left_out:
            self.leaves_out(
                f"{self.name} has no value for {left_out} datapoints: they are left out"
            )
        return are_values

    def _check_names(self, names: Sequence[str | None]) -> None:
        least, most = self.sources
        if not least <= len(names) <= (most or len(names)):
            wanted = str(least) if least == most else f"{least} or more"
            raise InvalidOperatorArguments(
                f"{self.name} is of {wanted} sources, not of {len(names)}"
            )
        named = [name for name in names if name is not None]
        if named:
            raise InvalidOperatorArguments(f"{self.name} knows no source called {named[0]!r}")


def dump_state(state: State) -> dict[str, Any]:
    """A state as plain JSON, which load_state() makes the very same state again."""
    return {
        name: {value.dtype.str: value.tolist()} if isinstance(value, np.ndarray) else value
        for name, value in state.items()
    }


def load_state(data: Mapping[str, Any]) -> State:
    """The state of plain JSON."""
    state: State = {}
    for name, value in data.items():
        if isinstance(value, dict):
            ((dtype, values),) = value.items()
            state[name] = np.array(values, dtype)
        else:
            state[name] = value
    return state


def _warn(text: str) -> None:
    warnings.warn(text, InvalidValueWarning, stacklevel=4)


def with_gaps(
    rows: Rows,
    y: NDArray[np.float64],
    is_null: NDArray[np.bool_],
    stays: NDArray[np.bool_],
    in_gap: bool,
) -> tuple[bool, Columns]:
    """(whether it ends in a gap, the rows that stay): of nulls in a row only the first."""
    at = np.flatnonzero(stays)
    null = is_null[at]
    is_first = ~(null & np.concatenate(([in_gap], null[:-1])).astype(np.bool_)[: len(null)])
    kept = at[is_first]
    values = np.where(is_null[kept], np.nan, y[kept])
    ends_in_gap = bool(null[-1]) if len(null) else in_gap
    return ends_in_gap, Columns(rows.t[kept], values, None, known_quality(rows.quality[kept]))


def known_quality(quality: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The quality column, None where all are ok."""
    return quality if quality.any() else None

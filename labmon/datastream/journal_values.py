"""`JournalValues`: values of any type in order of arrival, as the journal has them.

Nearly all are floats, and then that is all there is. The trap: an int of 64 bits may have the bits
of a NaN, so what is null is asked of the kinds first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns

FLOAT: Final = 0
INT: Final = 1
OTHER: Final = 2

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


@dataclass(slots=True)
class JournalValues:
    """Values of any type in order of arrival, as columns.

    Attributes:
        v: float64; NaN is null. Where `kinds` says so, the eight bytes hold an int64, or the value
            stands in `others`.
        kinds: FLOAT, INT or OTHER for each; None: all are floats.
        others: the JSON values, in order.
    """

    v: NDArray[np.float64]
    kinds: NDArray[np.uint8] | None = None
    others: list[Any] = field(default_factory=list)

    @classmethod
    def pack(cls, values: Sequence[Any]) -> JournalValues:
        """The columns of Python values; fast where all are floats or None."""
        if set(map(type, values)) <= {float, type(None)}:
            return cls(np.array(values, np.float64))  # None becomes NaN
        kinds = bytes(map(_kind, values))
        v = np.array(
            [value if kind == FLOAT else None for value, kind in zip(values, kinds, strict=True)],
            np.float64,
        )
        column = np.frombuffer(kinds, np.uint8)
        at = np.flatnonzero(column == INT)
        v.view(np.int64)[at] = [values[i] for i in at.tolist()]
        others = [value for value, kind in zip(values, kinds, strict=True) if kind == OTHER]
        return cls(v, column, others)

    @classmethod
    def of(cls, columns: Columns) -> JournalValues:
        """The values of columns; no Python objects are made where all are floats or integers."""
        if columns.v.dtype == np.float64:
            return cls(columns.v)
        if columns.v.dtype == np.int64 and columns.valid is None:
            return cls(columns.v.view(np.float64), np.full(len(columns), INT, np.uint8))
        return cls.pack(columns.python_values())

    @classmethod
    def concatenate(cls, parts: Sequence[JournalValues]) -> JournalValues:
        """One run of several, in this order."""
        v = np.concatenate([part.v for part in parts] or [np.empty(0)])
        if all(part.kinds is None for part in parts):
            return cls(v)
        kinds = [
            np.full(len(part.v), FLOAT, np.uint8) if part.kinds is None else part.kinds
            for part in parts
        ]
        return cls(v, np.concatenate(kinds), [value for part in parts for value in part.others])

    def rows(self, rows: slice) -> JournalValues:
        """Some of them, sharing memory."""
        if self.kinds is None:
            return JournalValues(self.v[rows])
        before = int(np.count_nonzero(self.kinds[: rows.start] == OTHER))
        kinds = self.kinds[rows]
        others = self.others[before : before + int(np.count_nonzero(kinds == OTHER))]
        return JournalValues(self.v[rows], kinds, others)

    def array(self, first: int, end: int) -> NDArray[np.float64] | NDArray[np.int64]:
        """The values of an array of samples, which are all floats or all integers."""
        is_int = self.kinds is not None and self.kinds[first] == INT
        return self.v[first:end].view(np.int64) if is_int else self.v[first:end]

    def unpack(self) -> list[Any]:
        """The Python values, None for null."""
        values: list[Any] = self.v.tolist()
        kinds = self.kinds
        is_null = np.isnan(self.v)
        if kinds is not None:
            is_null &= kinds == FLOAT
            for i in np.flatnonzero(kinds == INT).tolist():
                values[i] = int(self.v.view(np.int64)[i])
            for i, value in zip(np.flatnonzero(kinds == OTHER).tolist(), self.others, strict=True):
                values[i] = value
        for i in np.flatnonzero(is_null).tolist():
            values[i] = None
        return values


def _kind(value: Any) -> int:
    if value is None or type(value) is float:
        return FLOAT
    return INT if type(value) is int and _INT64_MIN <= value <= _INT64_MAX else OTHER

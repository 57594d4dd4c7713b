"""Rollups as columns: one row for each bucket that has datapoints.

`Rollups` are of numeric streams, `NominalRollups` of all others. The trap: `t` alone is the start
of the bucket; `t_first`, `t_last` and `t_mean` say where its datapoints lie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from labmon.datastream.decimals import divided
from labmon.datastream.times import rows_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

TIME_FIELDS: Final = ("t_first", "t_last", "t_mean")
"""int64 ns: of the counted datapoints of a bucket, or of all where none is counted."""
COUNT_FIELDS: Final = ("count", "bad", "flags")
"""Counted datapoints and bad ones (int64), and the united flags of all (uint8)."""
NUMBER_FIELDS: Final = ("sum", "mean", "m2", "min", "max", "first", "last")
"""float64, NaN where nothing is counted (sum and m2: 0)."""
FIELDS: Final = (*TIME_FIELDS, *COUNT_FIELDS, *NUMBER_FIELDS)


class Rollups:
    """Rollups of numbers: `rollups["mean"]`; never changed once made, so slices share memory.

    Not all FIELDS need be there: a reader decodes only what it asks for, and asking for another
    one is a KeyError. m2 is the sum of squared deviations from the mean.

    Attributes:
        t: starts of the buckets, int64 ns, ascending; nothing else than `coarsen` may follow where
            two rows have the same start.
        columns: the fields by name, each as long as `t`.
    """

    __slots__ = ("columns", "t")

    def __init__(self, t: NDArray[np.int64], columns: Mapping[str, NDArray[Any]]) -> None:
        self.t = t
        self.columns = columns

    @classmethod
    def empty(cls) -> Self:
        """No buckets, all fields."""
        columns: dict[str, NDArray[Any]] = {name: np.empty(0, np.int64) for name in TIME_FIELDS}
        columns["count"] = columns["bad"] = np.empty(0, np.int64)
        columns["flags"] = np.empty(0, np.uint8)
        columns.update((name, np.empty(0, np.float64)) for name in NUMBER_FIELDS)
        return cls(np.empty(0, np.int64), columns)

    @classmethod
    def concatenate(cls, parts: Iterable[Self]) -> Self:
        """One run of several, in this order, with the fields that all of them have."""
        kept = [part for part in parts if len(part)]
        if len(kept) <= 1:
            return kept[0] if kept else cls.empty()
        names = [name for name in kept[0].columns if all(name in part.columns for part in kept)]
        return cls(
            np.concatenate([part.t for part in kept]),
            {name: np.concatenate([part.columns[name] for part in kept]) for name in names},
        )

    def __len__(self) -> int:
        """How many buckets there are."""
        return len(self.t)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column of a field.

        Raises:
            KeyError: it was not decoded, or there is no such field.
        """
        return self.columns[name]

    def rows(self, part: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Some of the buckets; a slice shares memory."""
        return type(self)(
            self.t[part], {name: column[part] for name, column in self.columns.items()}
        )

    def only(self, names: Iterable[str]) -> Self:
        """The same buckets with those of the fields that are there."""
        kept = {name: self.columns[name] for name in names if name in self.columns}
        return type(self)(self.t, kept)

    def between(self, start_ns: int, end_ns: int) -> Self:
        """The buckets with `start_ns <= t < end_ns`, sharing memory."""
        return self.rows(rows_between(self.t, start_ns, end_ns))

    @property
    def nbytes(self) -> int:
        """How much memory the columns take."""
        return self.t.nbytes + sum(column.nbytes for column in self.columns.values())


class NominalRollups(Rollups):
    """Rollups of words and JSON values.

    Has the TIME_FIELDS and COUNT_FIELDS, and as columns of objects `first` and `last` (values) and
    `frequencies` (a dict from the JSON text of a value to how often it was there).
    """

    __slots__ = ()

    @classmethod
    def empty(cls) -> Self:
        """No buckets, all fields."""
        columns = {
            name: column
            for name, column in Rollups.empty().columns.items()
            if name not in NUMBER_FIELDS
        }
        columns.update((name, np.empty(0, object)) for name in ("first", "last", "frequencies"))
        return cls(np.empty(0, np.int64), columns)


def m2_of_integers(
    integers: NDArray[np.int64] | NDArray[np.float64], count: NDArray[np.int64], exponent: int
) -> NDArray[np.float64]:
    """m2 of decimals k / 10**exponent: the integers are count * sum(k * k) - sum(k)**2."""
    return divided(divided(integers / np.maximum(count, 1), exponent), exponent)


def quotient(numbers: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """`numbers / count`, NaN where nothing is counted."""
    none = np.full(len(numbers), np.nan)
    return np.divide(numbers, count, out=none, where=count > 0)

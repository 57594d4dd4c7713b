"""`Columns`: a run of datapoints of one stream as numpy columns, in time order.

Numbers never become one Python object each. The trap: null is NaN in a float64 column, a cleared
bit of `valid` in an int64 column, and None in a column of objects; ask `is_null`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labmon.datastream.decimals import Scaled, find_scale
from labmon.datastream.times import rows_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class Columns:
    """Datapoints of one stream as columns; never changed once made, so slices share memory.

    Attributes:
        t: int64 nanoseconds UTC, ascending (`merged` sorts late ones in).
        v: float64; or int64; or objects: JSON values, decimals as text, floats and ints mixed.
        valid: where an int64 column has a value; None where it has one everywhere, and for the
            other types.
        quality: one byte each; None where all are ok.
    """

    __slots__ = ("_scaled", "quality", "t", "v", "valid")

    def __init__(
        self,
        t: NDArray[np.int64],
        v: NDArray[Any],
        valid: NDArray[np.bool_] | None = None,
        quality: NDArray[np.uint8] | None = None,
    ) -> None:
        self.t = t
        self.v = v
        self.valid = valid
        self.quality = quality
        self._scaled: Scaled | bool | None = False

    @classmethod
    def empty(cls) -> Columns:
        """No datapoints."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float64))

    @classmethod
    def from_values(
        cls,
        times_ns: Sequence[int] | NDArray[np.int64],
        values: Sequence[Any],
        qualities: bytes | Sequence[int] | NDArray[np.uint8] | None = None,
    ) -> Columns:
        """Columns of Python values, in the narrowest type that gives each of them back.

        Numbers must fit their types: integers beyond 64 bits are kept as objects.
        """
        v, valid = value_column(values)
        quality = None if qualities is None else _quality_column(qualities)
        return cls(np.asarray(times_ns, np.int64), v, valid, quality)

    @classmethod
    def concatenate(cls, parts: Iterable[Columns]) -> Columns:
        """One run of several, in this order.

        Floats and ints stay what they are: where parts differ, the column becomes objects, unless
        the float part is nothing but nulls.
        """
        kept = [part for part in parts if len(part)]
        if len(kept) <= 1:
            return kept[0] if kept else cls.empty()
        v, valid = _common_values(kept)
        quality = None
        if any(part.quality is not None for part in kept):
            quality = np.concatenate([part.qualities() for part in kept])
        return cls(np.concatenate([part.t for part in kept]), v, valid, quality)

    def __len__(self) -> int:
        """How many datapoints there are."""
        return len(self.t)

    def __getitem__(self, part: slice) -> Columns:
        """Some of the datapoints, sharing memory."""
        return Columns(
            self.t[part],
            self.v[part],
            None if self.valid is None else self.valid[part],
            None if self.quality is None else self.quality[part],
        )

    def fixed(self) -> Columns:
        """The same, read-only, sharing memory."""
        return Columns(
            fixed(self.t),
            fixed(self.v),
            None if self.valid is None else fixed(self.valid),
            None if self.quality is None else fixed(self.quality),
        )

    def own(self) -> Columns:
        """The same in memory of its own: a slice keeps all of what it was cut from."""
        return Columns(
            self.t.copy(),
            self.v.copy(),
            None if self.valid is None else self.valid.copy(),
            None if self.quality is None else self.quality.copy(),
        )

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Columns:
        """The datapoints of an index array or a mask."""
        return Columns(
            self.t[which],
            self.v[which],
            None if self.valid is None else self.valid[which],
            None if self.quality is None else self.quality[which],
        )

    def marked(self, which: NDArray[np.bool_], flag: int) -> Columns:
        """The same with a flag in the quality of some of the datapoints."""
        quality = self.qualities().copy()
        quality[which] |= flag
        return Columns(self.t, self.v, self.valid, quality)

    def last(self) -> tuple[int, Any, int]:
        """Time, value and quality of the last datapoint."""
        value = self.v[-1]
        if self.v.dtype != object:
            is_null = value != value or (self.valid is not None and not self.valid[-1])
            value = None if is_null else value.item()
        return int(self.t[-1]), value, 0 if self.quality is None else int(self.quality[-1])

    def between(self, start_ns: int, end_ns: int) -> Columns:
        """The datapoints with `start_ns <= t < end_ns`, sharing memory."""
        return self[rows_between(self.t, start_ns, end_ns)]

    def merged(self, late: Columns) -> Columns:
        """With late datapoints sorted in, after those of equal times, in their order."""
        joined = Columns.concatenate((self, late))
        if not len(self) or not len(late) or late.t[0] >= self.t[-1]:
            in_order = np.all(joined.t[1:] >= joined.t[:-1])
            if in_order:
                return joined
        return joined.take(np.argsort(joined.t, kind="stable"))

    @property
    def is_numeric(self) -> bool:
        """Whether the values are a column of float64 or int64."""
        return self.v.dtype != object

    @property
    def is_null(self) -> NDArray[np.bool_]:
        """Where there is no value."""
        if self.v.dtype == np.float64:
            return np.isnan(self.v)
        if self.v.dtype == object:
            return np.fromiter((value is None for value in self.v), np.bool_, len(self.v))
        return np.zeros(len(self.v), np.bool_) if self.valid is None else ~self.valid

    @property
    def nbytes(self) -> int:
        """How much memory the columns take, the objects behind them not counted."""
        columns = (self.t, self.v, self.valid, self.quality)
        return sum(column.nbytes for column in columns if column is not None)

    def qualities(self) -> NDArray[np.uint8]:
        """The quality column, also where all are ok."""
        return np.zeros(len(self.t), np.uint8) if self.quality is None else self.quality

    def numbers(self) -> NDArray[np.float64]:
        """The values as float64, NaN for null; what is beyond its range becomes infinite.

        A datapoint that came already downsampled is its mean, NaN where it tells none.

        Raises:
            ValueError, TypeError: a value is no number.
        """
        if self.v.dtype == np.float64:
            return self.v
        if self.v.dtype == object:
            return np.fromiter((_number(value) for value in self.v), np.float64, len(self.v))
        numbers = self.v.astype(np.float64)
        if self.valid is not None:
            numbers[~self.valid] = np.nan
        return numbers

    def scaled(self) -> Scaled | None:
        """The float64 values as integers times a power of ten, where all are; found out once."""
        if isinstance(self._scaled, bool):
            self._scaled = find_scale(self.v) if self.v.dtype == np.float64 else None
        return self._scaled

    def python_values(self) -> list[Any]:
        """The values as Python objects, None for null."""
        values = self.v.tolist()
        if self.v.dtype != object:
            for i in np.flatnonzero(self.is_null).tolist():
                values[i] = None
        return values


def value_column(values: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """(column, valid) of Python values, in the narrowest type that gives each of them back."""
    types = set(map(type, values))
    if types <= {float, type(None)}:
        return np.array(values, np.float64), None  # None becomes NaN
    if types <= {int, type(None)}:
        has_null = type(None) in types
        ints = int_column([0 if v is None else v for v in values] if has_null else values)
        if ints is not None:
            return ints, np.array([v is not None for v in values]) if has_null else None
    kept = [None if isinstance(v, float) and v != v else v for v in values]  # NaN is null
    return object_column(kept), None


def int_column(values: Sequence[int]) -> NDArray[np.int64] | None:
    """A column of ints; None where one is beyond 64 bits."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return None


def object_column(values: Sequence[Any]) -> NDArray[Any]:
    """A column of objects as they are; numpy alone would look into lists of equal length."""
    column = np.empty(len(values), object)
    column[:] = values
    return column


def fixed(column: NDArray[Any]) -> NDArray[Any]:
    """A column as it is handed out: it may be the store's own, so nobody may change it."""
    view = column[:]
    view.setflags(write=False)
    return view


def _quality_column(
    qualities: bytes | Sequence[int] | NDArray[np.uint8],
) -> NDArray[np.uint8] | None:
    if isinstance(qualities, bytes):
        column = np.frombuffer(qualities, np.uint8)
    else:
        column = np.asarray(qualities, np.uint8)
    return column if column.any() else None


def _common_values(parts: list[Columns]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    types = {part.v.dtype.char for part in parts}
    if types == {"d"} or types == {"O"}:
        return np.concatenate([part.v for part in parts]), None
    if "O" not in types and all(_is_int_or_null(part) for part in parts):
        nulls = [part.is_null for part in parts]
        valid = ~np.concatenate(nulls)
        v = [
            part.v if part.v.dtype == np.int64 else np.zeros(len(part), np.int64) for part in parts
        ]
        return np.concatenate(v), None if valid.all() else valid
    return object_column([value for part in parts for value in part.python_values()]), None


def _is_int_or_null(part: Columns) -> bool:
    return part.v.dtype == np.int64 or bool(np.isnan(part.v).all())


def _number(value: Any) -> float:
    if isinstance(value, dict):
        value = value.get("mean")
    if value is None:
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf

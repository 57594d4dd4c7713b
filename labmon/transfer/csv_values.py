"""Columns of cells as columns of values: numbers many at once, anything else one by one.

The trap: the fast way must give exactly what the slow one gives, integers as integers; whatever it
does not understand it leaves to the slow one, which says what is wrong.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.transfer.cells import number_of, quality_of, unguarded, value_of
from labmon.transfer.plain_numbers import plain_numbers
from labmon.transfer.rows import column_of
from labmon.transfer.time_texts import parse_time, parse_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from labmon.transfer.csv_grid import Grid
    from labmon.transfer.description import Description

Wrong = dict[int, str]
"""What is wrong, by the index within the rows."""

_NULLS: Final = np.array([b"", b"null"])
_SIGNS: Final = np.frombuffer(b"+-", np.uint8)


def times(grid: Grid, column: int, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], Wrong]:
    """The times of a column; -1 where it is wrong."""
    found = parse_times(*grid.windows(column, rows))
    wrong: Wrong = {}
    rest = np.flatnonzero(found < 0)
    for i, text in zip(rest.tolist(), grid.texts(column, rows[rest]), strict=True):
        try:
            found[i] = parse_time(text)
        except ValueError as error:
            wrong[i] = str(error)
    return found, wrong


def values(
    grid: Grid, column: int, rows: NDArray[np.intp], stream: Description
) -> tuple[NDArray[Any], Wrong]:
    """The values of a column as the stream takes them; anything where it is wrong."""
    if stream.is_decimal:
        return _each(grid.texts(column, rows), _decimal_of)
    if not stream.is_numeric:
        return _each(grid.texts(column, rows), value_of)
    cells = grid.narrow(column, rows)
    numbers = None if cells is None else _numbers(cells)
    if numbers is not None:
        return numbers, {}
    return _each(grid.texts(column, rows), number_of, is_numeric=True)


def qualities(
    grid: Grid, column: int, rows: NDArray[np.intp]
) -> tuple[NDArray[np.uint8] | None, Wrong]:
    """The qualities of a column; None: all ok."""
    filled = np.flatnonzero(grid.is_filled(column)[rows])
    if not len(filled):
        return None, {}
    found = np.zeros(len(rows), np.uint8)
    wrong: Wrong = {}
    for i, text in zip(filled.tolist(), grid.texts(column, rows[filled]), strict=True):
        try:
            found[i] = quality_of(text)
        except ValueError as error:
            wrong[i] = str(error)
    return found, wrong


def _each(
    texts: list[str], parse: Callable[[str], Any], *, is_numeric: bool = False
) -> tuple[NDArray[Any], Wrong]:
    found: list[Any] = [None] * len(texts)
    wrong: Wrong = {}
    for i, text in enumerate(texts):
        try:
            found[i] = parse(text)
        except ValueError as error:
            wrong[i] = str(error)
    return column_of(found, is_numeric=is_numeric), wrong


def _decimal_of(cell: str) -> str | None:
    text = unguarded(cell).strip()
    if text.lower() in {"", "null", "nan"}:
        return None
    try:
        Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is no decimal number") from None
    return text


def _numbers(cells: NDArray[np.bytes_]) -> NDArray[Any] | None:
    """The numbers of a column of cells; None where one has to be looked at."""
    plain = plain_numbers(cells)
    if plain is not None and (plain[0].dtype == np.int64 or not plain[1].any()):
        return plain[0]
    is_null: NDArray[np.bool_] | None = None
    floats = _floats(cells)
    if floats is None:
        is_null = np.isin(cells, _NULLS)
        if not is_null.any():
            return None
        wide = cells.astype(f"S{max(3, cells.dtype.itemsize)}")
        wide[is_null] = b"nan"
        floats = _floats(wide)
        if floats is None:
            return None
    is_int = _is_int(cells)
    if is_null is not None:
        is_int &= ~is_null
    if not is_int.any():
        return floats
    try:
        if is_int.all():
            return cells.astype(np.int64)
        column = floats.astype(object)
        column[np.isnan(floats)] = None
        column[is_int] = cells[is_int].astype(np.int64).tolist()
    except (ValueError, OverflowError):
        return None
    return column


def _floats(cells: NDArray[np.bytes_]) -> NDArray[np.float64] | None:
    try:
        floats = cells.astype(np.float64)
    except ValueError:
        return None
    return None if np.isinf(floats).any() else floats  # written so, or too large


def _is_int(cells: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Where a number is written as an integer: digits only, and perhaps a sign in front."""
    matrix = np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), -1)
    others = np.count_nonzero((matrix - np.uint8(ord("0")) > 9) & (matrix != 0), axis=1)
    is_int = others == 0
    if (others == 1).any():
        is_int |= (others == 1) & np.isin(matrix[:, 0], _SIGNS)
    return is_int

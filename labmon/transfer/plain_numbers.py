"""Cells of plain decimals, `-12.625`, as numbers: all cells of a column digit by digit.

Up to 15 digits make an integer that a float holds exactly, and a power of ten divides it with one
rounding, so the floats are bit for bit those of `float(text)`. The trap: whatever is not plain
(exponents, inf, blanks, more digits) is none of this module's business, and the caller is told so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST: Final = 17
"""A sign, a point and 15 digits."""
_DIGITS: Final = 15
_POINT, _MINUS, _PLUS = b".-+"
_POWERS: Final = 10.0 ** np.arange(_DIGITS + 1)


def plain_numbers(
    cells: NDArray[np.bytes_],
) -> tuple[NDArray[np.int64] | NDArray[np.float64], NDArray[np.bool_]] | None:
    """(numbers, which are written as integers) of cells; int64 where all are. None: look again."""
    width = cells.dtype.itemsize
    if not len(cells) or width > WIDEST:
        return None
    columns = np.ascontiguousarray(cells).view(np.uint8).reshape(-1, width).T.copy()
    is_negative = columns[0] == _MINUS
    columns[0][is_negative | (columns[0] == _PLUS)] = 0
    integers = np.zeros(len(cells), np.int64)
    digits = np.zeros(len(cells), np.uint8)
    decimals = np.zeros(len(cells), np.uint8)
    has_point = np.zeros(len(cells), np.bool_)
    for column in columns:
        digit = column - np.uint8(ord("0"))
        is_digit = digit < 10
        is_point = column == _POINT
        if not (is_digit | is_point | (column == 0)).all() or (is_point & has_point).any():
            return None
        integers = np.where(is_digit, integers * 10 + digit, integers)
        digits += is_digit
        decimals += is_digit & has_point
        has_point |= is_point
    if digits.min() == 0 or digits.max() > _DIGITS:
        return None
    if not has_point.any():
        return np.where(is_negative, -integers, integers), ~has_point
    floats = integers / _POWERS[decimals]
    return np.where(is_negative, -floats, floats), ~has_point

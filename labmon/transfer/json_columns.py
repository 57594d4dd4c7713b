"""Lines of JSON that look alike as columns: what reading each of them would give, without that.

The trap: JSON allows less than a table does. `+1`, `01`, `.5` and `1.` are no numbers there, and a
line with one of them has to be refused like any other line that is no JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from labmon.transfer import json_shape
from labmon.transfer.cells import quality_of
from labmon.transfer.csv_grid import FastGrid
from labmon.transfer.plain_numbers import plain_numbers
from labmon.transfer.rows import column_of, is_int64
from labmon.transfer.time_texts import parse_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labmon.transfer.json_shape import Cells

_IN_NUMBERS: Final = np.isin(np.arange(256), list(b"0123456789+-.eEnul\0"))
"""The bytes of numbers and of null; none of them could end one value and begin another."""
_POINT, _MINUS, _PLUS, _ZERO = b".-+0"
_UNIX_WIDTHS: Final = (10, *range(12, 18))
_BEYOND: Final = 2.0**63
_SPECIAL: Final = frozenset({"stream", "infinite"})
"""Names that give a line another meaning."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The datapoints of some lines.

    Attributes:
        sample: the object of the first line.
        t: int64 ns.
        v: float64 with NaN for null, int64, or objects.
        quality: one byte each; None: all ok.
    """

    sample: dict[str, Any]
    t: NDArray[np.int64]
    v: NDArray[Any]
    quality: NDArray[np.uint8] | None


def columns(data: bytes, time: str, value: str) -> Columns | None:
    """The datapoints of whole lines of one stream; None: somebody has to look at each line.

    Args:
        data: ends with a line break.
        time: its name.
        value: its name; it is a number or null.
    """
    if b"\0" in data:
        return None
    cells = json_shape.cut(data, (time, value), lambda a, b: _is_alike(a, b, time, value))
    if cells is None:
        return None
    grid = FastGrid(data, cells.starts, cells.ends, 1)
    every = np.arange(len(grid.lines))
    windows, widths = grid.windows(0, every)
    if not isinstance(cells.shapes[0].sample[time], str) and not _is_unix(windows, widths):
        return None
    t = parse_times(windows, widths)
    numbers = grid.narrow(1, every)
    v = None if numbers is None or (t < 0).any() else json_numbers(numbers)
    try:
        return None if v is None else Columns(cells.shapes[0].sample, t, v, _quality(cells))
    except ValueError:
        return None


def _is_alike(first: dict[str, Any], sample: dict[str, Any], time: str, value: str) -> bool:
    """Whether a datapoint is of the stream of the first one, with a time of the same type."""
    return (
        sample.get("path") == first.get("path")
        and type(sample[value]) in (int, float, type(None))
        and isinstance(sample[time], str) == isinstance(first[time], str)
        and not _SPECIAL & sample.keys()
    )


def _quality(cells: Cells) -> NDArray[np.uint8] | None:
    """The qualities, which are the same in all lines of a shape."""
    of_shape = np.array([quality_in(shape.sample) for shape in cells.shapes], np.uint8)
    return of_shape[cells.of_line] if of_shape.any() else None


def quality_in(line: Mapping[str, Any]) -> int:
    """The quality byte of an object: of words, a list of them, or a number.

    Raises:
        ValueError: it is none.
    """
    given = line.get("quality", "")
    return quality_of(" ".join(map(str, given)) if isinstance(given, list) else str(given))


def json_numbers(cells: NDArray[np.bytes_]) -> NDArray[Any] | None:
    """The column of cells that are numbers or null; None: one of them is something else."""
    plain = plain_numbers(cells)
    if plain is not None and _is_strict(cells):
        numbers, is_int = plain
        if numbers.dtype == np.int64 or not is_int.any():
            return numbers
    if not _IN_NUMBERS[np.ascontiguousarray(cells).view(np.uint8)].all():
        return None
    try:
        values = orjson.loads(b"[" + b",".join(cells.tolist()) + b"]")
    except ValueError:
        return None
    if not all(is_int64(value) for value in values if type(value) is int):
        return None
    if any(type(value) is float and not abs(value) < _BEYOND for value in values):
        return None  # perhaps an integer beyond 64 bits, of which orjson makes a float
    return column_of(values, is_numeric=True)


def _is_strict(cells: NDArray[np.bytes_]) -> bool:
    """Whether plain decimals, which the cells are, stand as JSON wants them."""
    width = cells.dtype.itemsize
    columns = np.zeros((width + 2, len(cells)), np.uint8)
    columns[:width] = np.ascontiguousarray(cells).view(np.uint8).reshape(-1, width).T
    is_digit = columns - np.uint8(_ZERO) < 10
    is_negative = columns[0] == _MINUS
    is_right = np.where(is_negative, is_digit[1], is_digit[0])
    first = np.where(is_negative, columns[1], columns[0])
    is_right &= (first != _ZERO) | ~np.where(is_negative, is_digit[2], is_digit[1])
    is_right &= columns[0] != _PLUS
    return bool(is_right.all() and not ((columns[:-1] == _POINT) & ~is_digit[1:]).any())


def _is_unix(windows: NDArray[np.uint8], widths: NDArray[np.intp]) -> bool:
    """Whether numbers can be read as the digits that they are written with.

    Line by line, a number goes through a float, whose shortest text is then read. At ten digits
    before the point floats are 238 ns apart, so to the microsecond these are the same digits.
    """
    return bool(np.isin(widths, _UNIX_WIDTHS).all() and not (windows[:, 0] == _ZERO).any())

"""Cells of a CSV answer: columns of numbers as matrices of bytes, everything else one by one.

A table of 80,000 cells takes milliseconds so, where Python's own writer held up everybody for half
a second. The trap: an empty cell is no value, and so are NaN and infinity, which spreadsheets do
not know.
"""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.transfer.cell_matrix import joined, placed
from labmon.transfer.cells import json_number_cells
from labmon.transfer.time_texts import time_cells
from labmon.web.wire import encode_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from labmon.transfer.cell_matrix import Column as Cells
    from labmon.transfer.cell_matrix import Matrix
    from labmon.web.curves import Column

    Places = NDArray[np.int64]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_text(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return "'" + text if text.startswith(_FORMULA) else text


def line_of(words: Iterable[str]) -> bytes:
    """A line of titles."""
    text = io.StringIO()
    csv.writer(text).writerow(words)
    return text.getvalue().encode()


def lines_of(times_ns: NDArray[np.int64], columns: Sequence[tuple[Places, Column]]) -> bytes:
    """One line for each time: ISO 8601, Unix seconds, then a cell of each column.

    Args:
        times_ns: of the lines.
        columns: for each line the place of its value in the column, -1 where it has none.
    """
    count = len(times_ns)
    parts: list[bytes | Cells] = []
    for cells in (*time_cells(times_ns), *(_cells(*each, count) for each in columns)):
        parts += [cells, b","]
    return joined([*parts[:-1], b"\r\n"], count)


def _cells(places: Places, column: Column, count: int) -> bytes | Cells:
    has_one = np.flatnonzero(places >= 0)
    if not len(has_one):
        return b""
    places = places[has_one]
    if isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
        cells = _numbers(column[places])
    else:
        cells = [_cell(column[place]) for place in places.tolist()]
    return placed(cells, has_one, count)


def _numbers(values: NDArray[Any]) -> Matrix:
    cells = json_number_cells(values)
    if values.dtype.kind == "f":
        cells[~np.isfinite(values)] = 0
    return cells


def _cell(value: Any) -> bytes:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return b""
    if isinstance(value, dict | list | bool):
        value = encode_json(value).decode()
    return line_of([safe_text(value) if isinstance(value, str) else str(value)])[:-2]

"""Curves in the shapes of other programs: CSV, flat records, and series of Flot.

All of them are made piece by piece, so that a long answer never holds up the event loop. The trap:
a text cell that begins with `=` is a formula to a spreadsheet; it gets an apostrophe in front.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.web.csv_cells import line_of, lines_of, safe_text
from labmon.web.wire import encode_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labmon.web.curves import Column, Curve

    Places = NDArray[np.int64]

ROWS: Final = 500
"""Points of one piece of a series: some milliseconds."""
CELLS: Final = 10_000
"""The same of a table, over all curves."""
CSV_CELLS: Final = 20_000
"""The same of CSV, whose cells are no objects."""
LEAST_ROWS: Final = 100
"""However many columns a table has: each costs some microseconds, without a cell too."""
_MS_NS: Final = 1_000_000
VALUE_FIELDS: Final = ("v", "mean")
"""What stands for a curve where there is room for one number only; the first that it has."""


@dataclass(frozen=True, slots=True)
class Table:
    """Curves side by side: a row for each time, as often as the curve that has it most often.

    Attributes:
        times_ns: of the rows.
        places: of each curve the rows in which its values stand, ascending.
    """

    curves: Sequence[Curve]
    times_ns: Places
    places: Sequence[Places]

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Table:
        """The table of some curves; half a million points take a tenth of a second."""
        if not curves:
            return cls(curves, np.empty(0, np.int64), [])
        times = np.concatenate([curve.time_ns for curve in curves])
        numbers = np.concatenate([_numbers(curve.time_ns) for curve in curves])
        order = np.lexsort((numbers, times))
        times, numbers = times[order], numbers[order]
        is_new = np.ones(len(times), np.bool_)
        is_new[1:] = (times[1:] != times[:-1]) | (numbers[1:] != numbers[:-1])
        rows = np.empty(len(times), np.int64)
        rows[order] = np.cumsum(is_new) - 1
        ends = np.cumsum([len(curve) for curve in curves])
        return cls(curves, times[is_new], np.split(rows, ends[:-1]))

    def portions(self, cells: int, columns: int) -> Iterator[range]:
        """The rows in portions of about so many cells."""
        rows, step = len(self.times_ns), max(LEAST_ROWS, cells // max(1, columns))
        return (range(first, min(first + step, rows)) for first in range(0, rows, step))


def csv_pieces(table: Table) -> Iterator[bytes]:
    """Time as ISO and as Unix seconds, then one column for each stream and field."""
    titles = [_title(curve, name) for curve in table.curves for name in curve.columns]
    yield line_of(["time", "unix_s", *titles])
    for rows in table.portions(CSV_CELLS, len(titles)):
        columns: list[tuple[Places, Column]] = []
        for curve, places in zip(table.curves, table.places, strict=True):
            by_row = _by_row(places, rows)
            columns += [(by_row, column) for column in curve.columns.values()]
        yield lines_of(table.times_ns[rows.start : rows.stop], columns)


def record_pieces(table: Table) -> Iterator[bytes]:
    """`[{"time": ms, "wavemeter/ch1": v}, ...]`, a JSON array."""
    cells = [
        (curve.path, places, value_column(curve))
        for curve, places in zip(table.curves, table.places, strict=True)
    ]
    yield b"["
    for rows in table.portions(CELLS, len(cells)):
        times = table.times_ns[rows.start : rows.stop].tolist()
        records: list[dict[str, Any]] = [{"time": time_ns / _MS_NS} for time_ns in times]
        for path, places, column in cells:
            first, end = _within(places, rows)
            here = (places[first:end] - rows.start).tolist()
            for row, value in zip(here, _values(column, first, end), strict=True):
                records[row][path] = value
        yield (b"," if rows.start else b"") + encode_json(records)[1:-1]
    yield b"]"


def flot_pieces(curves: Sequence[Curve]) -> Iterator[bytes]:
    """`[{"label": ..., "data": [[ms, v], ...]}, ...]`, a JSON array; a gap is `[ms, null]`."""
    yield b"["
    for number, curve in enumerate(curves):
        label = f"{curve.path} ({curve.unit})" if curve.unit else curve.path
        yield (b"," if number else b"") + b'{"label":' + encode_json(label) + b',"data":['
        column = value_column(curve)
        for start in range(0, len(curve), ROWS):
            milliseconds = (curve.time_ns[start : start + ROWS] / _MS_NS).tolist()
            values = _values(column, start, start + ROWS)
            points = list(zip(milliseconds, values, strict=True))
            yield (b"," if start else b"") + encode_json(points)[1:-1]
        yield b"]}"
    yield b"]"


def value_column(curve: Curve) -> Column:
    """The one column that stands for a curve."""
    for name in VALUE_FIELDS:
        if name in curve.columns:
            return curve.columns[name]
    return next(iter(curve.columns.values()))


def _title(curve: Curve, name: str) -> str:
    unit = f" ({curve.unit})" if curve.unit and name not in {"quality", "count", "bad"} else ""
    return safe_text(curve.path + ("" if name == "v" else f" {name}") + unit)


def _numbers(times: Places) -> Places:
    """How many equal times stand before each: equal ones are all kept."""
    return np.arange(len(times)) - np.searchsorted(times, times, side="left")


def _within(places: Places, rows: range) -> tuple[int, int]:
    """Which of a curve's values stand in some rows: from the first on, before the end."""
    first, end = np.searchsorted(places, (rows.start, rows.stop))
    return int(first), int(end)


def _by_row(places: Places, rows: range) -> Places:
    """For each of some rows the number of the curve's value; -1 where it has none."""
    first, end = _within(places, rows)
    by_row = np.full(len(rows), -1, np.int64)
    by_row[places[first:end] - rows.start] = np.arange(first, end)
    return by_row


def _values(column: Column, start: int, end: int) -> list[Any]:
    part = column[start:end]
    return part.tolist() if isinstance(part, np.ndarray) else part

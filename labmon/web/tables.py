"""Curves in the shapes of other programs: CSV, flat records, and series of Flot.

All of them are made piece by piece, so that a long answer never holds up the event loop. The trap:
a text cell that begins with `=` is a formula to a spreadsheet; it gets an apostrophe in front.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.web.csv_cells import line_of, lines_of, safe_text
from labmon.web.wire import encode_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labmon.web.curves import Column, Curve

ROWS: Final = 500
"""Rows of one piece: some milliseconds."""
CSV_ROWS: Final = 4000
"""The same of CSV, whose cells are no objects."""
_MS_NS: Final = 1_000_000
VALUE_FIELDS: Final = ("v", "mean")
"""What stands for a curve where there is room for one number only; the first that it has."""


def csv_pieces(curves: Sequence[Curve]) -> Iterator[bytes]:
    """Time as ISO and as Unix seconds, then one column for each stream and field."""
    titles = [_title(curve, name) for curve in curves for name in curve.columns]
    yield line_of(["time", "unix_s", *titles])
    times, places = _merged(curves)
    columns = [
        (_by_row(place, len(times)), column)
        for curve, place in zip(curves, places, strict=True)
        for column in curve.columns.values()
    ]
    for start in range(0, len(times), CSV_ROWS):
        piece = slice(start, start + CSV_ROWS)
        yield lines_of(times[piece], [(rows[piece], column) for rows, column in columns])


def record_pieces(curves: Sequence[Curve]) -> Iterator[bytes]:
    """`[{"time": ms, "wavemeter/ch1": v}, ...]`, a JSON array."""
    times, places = _merged(curves)
    cells = [
        (curve.path, _by_row(place, len(times)).tolist(), value_column(curve))
        for curve, place in zip(curves, places, strict=True)
    ]
    yield b"["
    for start in range(0, len(times), ROWS):
        records = [
            {"time": time_ns / _MS_NS}
            | {path: _value(column, rows[row]) for path, rows, column in cells if rows[row] >= 0}
            for row, time_ns in enumerate(times[start : start + ROWS].tolist(), start)
        ]
        yield (b"," if start else b"") + encode_json(records)[1:-1]
    yield b"]"


def flot_pieces(curves: Sequence[Curve]) -> Iterator[bytes]:
    """`[{"label": ..., "data": [[ms, v], ...]}, ...]`, a JSON array; a gap is `[ms, null]`."""
    yield b"["
    for number, curve in enumerate(curves):
        label = f"{curve.path} ({curve.unit})" if curve.unit else curve.path
        yield (b"," if number else b"") + b'{"label":' + encode_json(label) + b',"data":['
        column = value_column(curve)
        milliseconds = (curve.time_ns / _MS_NS).tolist()
        for start in range(0, len(curve), ROWS):
            end = min(start + ROWS, len(curve))
            points = [[milliseconds[row], _value(column, row)] for row in range(start, end)]
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


def _merged(curves: Sequence[Curve]) -> tuple[np.ndarray, list[np.ndarray]]:
    """All times, each as often as the curve that has it most often, and where each row goes."""
    if not curves:
        return np.empty(0, np.int64), []
    joined = np.concatenate([curve.time_ns for curve in curves])
    if any((curve.time_ns[1:] == curve.time_ns[:-1]).any() for curve in curves):
        keys = np.concatenate([_numbered(curve.time_ns) for curve in curves])
        rows, inverse = np.unique(keys, axis=0, return_inverse=True)
        times = rows[:, 0]
    else:
        times, inverse = np.unique(joined, return_inverse=True)
    ends = np.cumsum([len(curve) for curve in curves])
    return times, np.split(inverse.reshape(-1), ends[:-1])


def _numbered(times: np.ndarray) -> np.ndarray:
    """Pairs of time and how many equal ones stand before it: equal times are all kept."""
    firsts = np.searchsorted(times, times, side="left")
    return np.stack([times, np.arange(len(times)) - firsts], axis=1)


def _by_row(places: np.ndarray, rows: int) -> np.ndarray:
    """For each row of the table the row of the curve; -1 where it has none."""
    by_row = np.full(rows, -1, np.int64)
    by_row[places] = np.arange(len(places))
    return by_row


def _value(column: Column, row: int) -> Any:
    value = column[row]
    return value.item() if isinstance(value, np.generic) else value

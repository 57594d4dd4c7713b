"""Rows as CSV: streams side by side, or one row for each datapoint.

Every line ends where its row does: texts with line breaks are written as JSON, so a reader may
count lines. The trap: what a file says of its streams stands in comment lines in front, which
other programs have to be told to skip; `--plain` leaves them out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from labmon.transfer.cell_matrix import joined, placed
from labmon.transfer.cells import guarded, number_cells, quality_cells, value_cells
from labmon.transfer.description import VERSION
from labmon.transfer.time_texts import time_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labmon.transfer.cell_matrix import Column
    from labmon.transfer.description import Description
    from labmon.transfer.lanes import Table
    from labmon.transfer.snapshot import Piece

MARK: Final = "# labmon export "
STREAM_MARK: Final = "# stream "
TIMES: Final = ("time", "unix_s")


def comments(streams: Sequence[Description], granularity: str, layout: str) -> Iterator[bytes]:
    """What a file says of itself, before the titles."""
    about = {"version": VERSION, "granularity": granularity, "layout": layout}
    yield f"{MARK}{json.dumps(about)}\n".encode()
    for stream in streams:
        yield f"{STREAM_MARK}{json.dumps(stream.to_dict())}\n".encode()


def wide_titles(streams: Sequence[Description], fields: Sequence[Sequence[str]]) -> list[str]:
    """The titles of streams side by side; `fields` are those of rollups, none of raw."""
    titles: list[str] = list(TIMES)
    for stream, names in zip(streams, fields, strict=True):
        unit = f" ({stream.unit})" if stream.unit else ""
        titles += [f"{stream.path} {name}{_unit_of(name, unit)}" for name in names]
        if not names:
            titles += [stream.path + unit, f"{stream.path} quality"]
    return titles


def title_line(titles: Sequence[str]) -> bytes:
    """The line of titles."""
    return b",".join([_quoted(guarded(title).encode()) for title in titles]) + b"\n"


def _unit_of(field: str, unit: str) -> str:
    return "" if field in {"count", "most_often", "least_often", "frequencies"} else unit


def wide_lines(table: Table, fields: Sequence[Sequence[str]]) -> bytes:
    """The lines of streams side by side."""
    rows = len(table.t)
    columns: list[bytes | Column] = list(time_cells(table.t))
    for piece, places, names in zip(table.pieces, table.places, fields, strict=True):
        if piece is None:
            columns += [b""] * (len(names) or 2)
        else:
            columns += [placed(cells, places, rows) for cells in _cells(piece, names)]
    return _lines(columns, rows)


def long_titles(fields: Sequence[str]) -> list[str]:
    """The titles of one row for each datapoint, or for each bucket."""
    return [*TIMES, "path", *(fields or ("value", "quality"))]


def long_lines(piece: Piece, fields: Sequence[str]) -> bytes:
    """The lines of some rows of one stream; a field that it has not stays empty."""
    path = _quoted(guarded(piece.stream.path).encode())
    known = [name for name in fields if name in piece.fields]
    cells = dict(zip(known, _cells(piece, known), strict=False)) if fields else {}
    more = [cells.get(name, b"") for name in fields] if fields else _cells(piece, ())
    return _lines([*time_cells(piece.t), path, *more], len(piece))


def _cells(piece: Piece, names: Sequence[str]) -> list[Column]:
    """The cells of each field, or of value and quality."""
    raw = piece.raw
    if raw is None:
        return [_column(piece.fields[name]) for name in names]
    if raw.v.dtype != object:
        values = number_cells(raw.v, raw.valid)
    elif piece.stream.is_decimal:
        values = [b"null" if value is None else str(value).encode() for value in raw.v.tolist()]
    else:
        values = list(map(_quoted, value_cells(raw.v.tolist())))
    return [values, quality_cells(raw.quality, len(raw))]


def _column(values: NDArray[Any]) -> Column:
    if values.dtype == object:
        return list(map(_quoted, value_cells(values.tolist())))
    return number_cells(values)


def _quoted(cell: bytes) -> bytes:
    if b'"' in cell or b"," in cell:
        return b'"' + cell.replace(b'"', b'""') + b'"'
    return cell


def _lines(columns: Sequence[bytes | Column], rows: int) -> bytes:
    parts: list[bytes | Column] = []
    for column in columns:
        parts += [column, b","]
    return joined([*parts[:-1], b"\n"], rows)

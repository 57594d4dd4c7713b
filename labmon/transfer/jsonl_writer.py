"""Rows as JSON lines: one object for each datapoint, and one before them that describes the stream.

The trap: JSON knows no infinity, so an infinite value is null with `"infinite": 1` or -1 beside.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from labmon.transfer.cell_matrix import joined, table
from labmon.transfer.cells import json_number_cells, quality_text
from labmon.transfer.description import VERSION
from labmon.transfer.time_texts import time_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.transfer.cell_matrix import Column
    from labmon.transfer.description import Description
    from labmon.transfer.snapshot import Piece

_QUALITIES: Final = table(
    [b"", *(f',"quality":"{quality_text(quality)}"'.encode() for quality in range(1, 256))]
)
_INFINITIES: Final = table([b"", b',"infinite":1', b',"infinite":-1'])


def about_line(granularity: str) -> bytes:
    """What the file says of itself."""
    return _line({"labmon_export": VERSION, "granularity": granularity})


def stream_line(stream: Description) -> bytes:
    """What the file says of the stream whose datapoints follow."""
    return _line({"stream": stream.to_dict()})


def _line(value: Any) -> bytes:
    return _dumped(value) + b"\n"


def lines(piece: Piece, fields: Sequence[str]) -> bytes:
    """The lines of some rows of one stream."""
    path = orjson.dumps(piece.stream.path)
    parts: list[bytes | Column] = [b'{"time":"', time_cells(piece.t)[0], b'","path":' + path]
    if piece.raw is not None:
        parts += [b',"value":', *_raw_cells(piece.raw)]
    else:
        for name in fields:
            if name in piece.fields:
                parts += [f',"{name}":'.encode(), _cells(piece.fields[name])]
    return joined([*parts, b"}\n"], len(piece))


def _raw_cells(raw: Columns) -> list[Column]:
    """Values, then qualities and infinities with their names, where there are any."""
    found = [_cells(raw.v, raw.valid)]
    if raw.quality is not None and raw.quality.any():
        found.append(_QUALITIES[raw.quality])
    if (signs := _infinities(raw.v)).any():
        found.append(_INFINITIES[signs])
    return found


def _cells(values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Column:
    if values.dtype == object:
        return list(map(_dumped, values.tolist()))
    return json_number_cells(values, valid)


def _infinities(values: NDArray[Any]) -> NDArray[np.int64]:
    """1 or -1 where a value is infinite, else 0."""
    if values.dtype == object:
        infinite = {math.inf: 1, -math.inf: -1}
        signs = [infinite.get(value, 0) if type(value) is float else 0 for value in values.tolist()]
        return np.array(signs, np.int64)
    return (values == np.inf) * np.int64(1) - (values == -np.inf)


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # half a pair of surrogates, which only Python's own JSON writes
        return json.dumps(value).encode()

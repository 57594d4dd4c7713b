"""Rows as JSON lines: one object for each datapoint, and one before them that describes the stream.

The trap: JSON knows no infinity, so an infinite value is null with `"infinite": 1` or -1 beside.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from labmon.transfer.cells import quality_text
from labmon.transfer.description import VERSION
from labmon.transfer.time_texts import time_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labmon.transfer.description import Description
    from labmon.transfer.snapshot import Piece


def about_line(granularity: str) -> bytes:
    """What the file says of itself."""
    return _dumped({"labmon_export": VERSION, "granularity": granularity})


def stream_line(stream: Description) -> bytes:
    """What the file says of the stream whose datapoints follow."""
    return _dumped({"stream": stream.to_dict()})


def lines(piece: Piece, fields: Sequence[str]) -> bytes:
    """The lines of some rows of one stream."""
    times = [text.decode() for text in time_texts(piece.t)[0]]
    path = piece.stream.path
    raw = piece.raw
    if raw is None:
        names = [name for name in fields if name in piece.fields]
        columns = [piece.fields[name].tolist() for name in names]
        return b"".join(
            _dumped({"time": time, "path": path, **dict(zip(names, row, strict=True))})
            for time, *row in zip(times, *columns, strict=True)
        )
    values = raw.python_values()
    qualities = raw.qualities()
    objects = [
        {"time": time, "path": path, "value": value}
        for time, value in zip(times, values, strict=True)
    ]
    for i in np.flatnonzero(qualities).tolist():
        objects[i]["quality"] = quality_text(int(qualities[i]))
    for i, value in enumerate(values):
        if isinstance(value, float) and math.isinf(value):
            objects[i] |= {"value": None, "infinite": 1 if value > 0 else -1}
    return b"".join(map(_dumped, objects))


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a pair of surrogates, which only Python's own JSON writes
        return json.dumps(value).encode() + b"\n"

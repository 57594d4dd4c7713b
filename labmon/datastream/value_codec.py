"""The values of a block as vectors: floats, decimals, ints, both mixed, arrays, or any JSON.

The kind is chosen from what is there, and the narrowest one that gives every value back is taken.
The trap: 1, 1.0 and True are three different values, and all of them come back as what they were.
"""

from __future__ import annotations

import json
import struct
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import vectors
from labmon.datastream.columns import Columns, int_column, object_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labmon.datastream.vectors import Reader

FLOATS: Final = b"f"
DECIMALS: Final = b"d"
INTS: Final = b"i"
MIXED: Final = b"x"
ARRAYS: Final = b"a"
JSON: Final = b"j"
KINDS: Final = {
    FLOATS: "f8",
    DECIMALS: "decimal",
    INTS: "i8",
    MIXED: "mixed",
    ARRAYS: "array",
    JSON: "json",
}

_MAX_ELEMENTS: Final = 1 << 24
_NULL, _INT, _FLOAT = 0, 1, 2
_ARRAYS_HEAD: Final = struct.Struct("<cI")


def encode_values(columns: Columns) -> tuple[bytes, bytes]:
    """(kind, vectors) of the values of a block; which int64 are null is stored by the block.

    Raises:
        TypeError, ValueError: a value is not JSON.
    """
    v = columns.v
    if v.dtype == np.float64:
        encoded = vectors.encode_floats(v, columns.scaled())
        return (DECIMALS if encoded[0] == vectors.DECIMAL else FLOATS), encoded
    if v.dtype == np.int64:
        return INTS, vectors.encode_ints(v)
    types = set(map(type, v))
    if types <= {int, float, type(None)}:
        encoded = _encode_mixed(v)
        if encoded is not None:
            return MIXED, encoded
    elif types <= {list, type(None)}:
        encoded = _encode_arrays(v)
        if encoded is not None:
            return ARRAYS, encoded
    return JSON, encode_json(v)


def decode_values(kind: bytes, reader: Reader, count: int) -> NDArray[Any]:
    """The value column of a kind of KINDS."""
    if kind in (FLOATS, DECIMALS):
        return vectors.decode_floats(reader, count)
    if kind == INTS:
        return vectors.decode_ints(reader, count)
    if kind == MIXED:
        return _decode_mixed(reader, count)
    if kind == ARRAYS:
        return _decode_arrays(reader, count)
    return decode_json(reader, count)


def encode_json(values: NDArray[Any]) -> bytes:
    """A column of objects as one compressed JSON text."""
    text = json.dumps(values.tolist(), separators=(",", ":"))  # ASCII: also of lone surrogates
    return vectors.encode_bytes(text.encode())


def decode_json(reader: Reader, count: int) -> NDArray[Any]:
    """The column of `count` objects that comes next."""
    try:
        values = json.loads(vectors.decode_bytes(reader))
    except (ValueError, RecursionError) as error:
        raise reader.damaged(f"holds no JSON: {error}") from None
    if not isinstance(values, list) or len(values) != count:
        raise reader.damaged(f"holds JSON that is no list of {count} values")
    return object_column(values)


def _encode_mixed(v: NDArray[Any]) -> bytes | None:
    kinds = bytes(_NULL if value is None else _INT if type(value) is int else _FLOAT for value in v)
    ints = int_column([value for value in v if type(value) is int])
    if ints is None:
        return None
    floats = np.array([value for value in v if type(value) is float], np.float64)
    encoded = vectors.encode_bytes(kinds)
    if len(ints):
        encoded += vectors.encode_ints(ints)
    if len(floats):
        encoded += vectors.encode_floats(floats)
    return encoded


def _decode_mixed(reader: Reader, count: int) -> NDArray[Any]:
    kinds = np.frombuffer(vectors.decode_bytes(reader), np.uint8)
    if len(kinds) != count or (kinds > _FLOAT).any():
        raise reader.damaged("has values of unknown types")
    column = np.empty(count, object)
    for kind, decode in ((_INT, vectors.decode_ints), (_FLOAT, vectors.decode_floats)):
        at = np.flatnonzero(kinds == kind)
        if len(at):
            column[at] = decode(reader, len(at)).tolist()
    return column


def _encode_arrays(v: NDArray[Any]) -> bytes | None:
    """Lists of floats only, or of ints only, as their lengths and one long column."""
    flat = list(chain.from_iterable(value for value in v if value is not None))
    types = set(map(type, flat))
    if len(flat) > _MAX_ELEMENTS or types not in ({float}, {int}):
        return None
    if types == {float}:
        encoded = vectors.encode_floats(np.array(flat, np.float64))
    else:
        ints = int_column(flat)
        if ints is None:
            return None
        encoded = vectors.encode_ints(ints)
    lengths = np.array([-1 if value is None else len(value) for value in v], np.int64)
    kind = FLOATS if types == {float} else INTS
    return _ARRAYS_HEAD.pack(kind, len(flat)) + vectors.encode_ints(lengths) + encoded


def _decode_arrays(reader: Reader, count: int) -> NDArray[Any]:
    kind, elements = reader.unpack(_ARRAYS_HEAD)
    if elements > _MAX_ELEMENTS or kind not in (FLOATS, INTS):
        raise reader.damaged("has arrays that cannot be")
    lengths = vectors.decode_ints(reader, count)
    if lengths.min() < -1 or lengths.max() > elements:
        raise reader.damaged("has arrays of impossible lengths")
    decode = vectors.decode_floats if kind == FLOATS else vectors.decode_ints
    flat = decode(reader, elements).tolist()
    ends = np.cumsum(np.maximum(lengths, 0)).tolist()
    if ends[-1] != elements:
        raise reader.damaged(f"has arrays of {ends[-1]} elements, not {elements}")
    values = [
        None if length < 0 else flat[end - length : end]
        for length, end in zip(lengths.tolist(), ends, strict=True)
    ]
    return object_column(values)

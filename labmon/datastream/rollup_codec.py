"""The columns of rollups as vectors, in the order in which the format has them.

A reader that needs two fields decodes two; the others are skipped by their lengths. The trap: the
mean is left out where it is sum / count bit for bit, so it needs both of them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import value_codec, vectors
from labmon.datastream.rollups import TIME_FIELDS, NominalRollups, Rollups, quotient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from labmon.datastream.vectors import Reader

_INTS: Final = ("count", "bad")
_FLOATS: Final = ("sum", "mean", "m2", "min", "max", "first", "last")
_OBJECTS: Final = ("first", "last", "frequencies")
_MEAN: Final = struct.Struct("<B")
_STORED, _DERIVED = 0, 1


def encode_numeric(rollups: Rollups) -> bytes:
    """The columns of rollups of numbers but for their times; all fields must be there."""
    encoded = _encode_counts(rollups)
    for name in _FLOATS:
        if name == "mean":
            is_derived = _same_bits(rollups["mean"], quotient(rollups["sum"], rollups["count"]))
            encoded.append(_MEAN.pack(_DERIVED if is_derived else _STORED))
            if is_derived:
                continue
        encoded.append(vectors.encode_floats(rollups[name]))
    return b"".join(encoded)


def encode_nominal(rollups: NominalRollups) -> bytes:
    """The columns of rollups of words and JSON values but for their times."""
    return b"".join(
        [*_encode_counts(rollups), *(value_codec.encode_json(rollups[name]) for name in _OBJECTS)]
    )


def decode_numeric(
    reader: Reader, times: Mapping[str, NDArray[np.int64]], fields: Collection[str] | None
) -> Rollups:
    """The rollups of numbers that come next, with the fields asked for."""
    wanted = None if fields is None else _with_needs(fields)
    count = len(times["t"])
    columns = _decode_counts(reader, times, wanted)
    for name in _FLOATS:
        if name == "mean":
            (stored,) = reader.unpack(_MEAN)
            if stored > _DERIVED:
                raise reader.damaged("has a mean in an unknown form")
            if stored == _DERIVED:
                if wanted is None or "mean" in wanted:
                    columns["mean"] = quotient(columns["sum"], columns["count"])
                continue
        if wanted is None or name in wanted:
            columns[name] = vectors.decode_floats(reader, count)
        else:
            vectors.skip(reader)
    return Rollups(times["t"], columns)


def decode_nominal(
    reader: Reader, times: Mapping[str, NDArray[np.int64]], fields: Collection[str] | None
) -> NominalRollups:
    """The rollups of words and JSON values that come next, with the fields asked for."""
    columns = _decode_counts(reader, times, fields)
    for name in _OBJECTS:
        if fields is None or name in fields:
            columns[name] = value_codec.decode_json(reader, len(times["t"]))
        else:
            vectors.skip(reader)
    return NominalRollups(times["t"], columns)


def _with_needs(fields: Collection[str]) -> set[str]:
    return {*fields, "sum", "count"} if "mean" in fields else set(fields)


def _encode_counts(rollups: Rollups) -> list[bytes]:
    encoded = [vectors.encode_ints(rollups[name]) for name in _INTS]
    return [*encoded, vectors.encode_bytes(rollups["flags"].tobytes())]


def _decode_counts(
    reader: Reader, times: Mapping[str, NDArray[np.int64]], fields: Collection[str] | None
) -> dict[str, NDArray[Any]]:
    count = len(times["t"])
    columns: dict[str, NDArray[Any]] = {}
    for name in TIME_FIELDS:
        if name in times and (fields is None or name in fields):
            columns[name] = times[name]
    for name in _INTS:
        if fields is None or name in fields:
            columns[name] = vectors.decode_ints(reader, count)
        else:
            vectors.skip(reader)
    if fields is not None and "flags" not in fields:
        vectors.skip(reader)
        return columns
    columns["flags"] = np.frombuffer(vectors.decode_bytes(reader), np.uint8)
    if len(columns["flags"]) != count:
        raise reader.damaged("has flags for another count")
    return columns


def _same_bits(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool((one.view(np.int64) == other.view(np.int64)).all())

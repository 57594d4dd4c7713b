"""The columns of rollups as vectors, in the order in which the format has them.

A reader that needs two fields decodes two; the others are skipped by their lengths. The trap: where
that gives every bit back, mean is left out as sum / count and m2 stands as integers, so decoding
them needs those columns too.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import value_codec, vectors
from labmon.datastream.decimals import MAX_EXPONENT, find_scale
from labmon.datastream.rollups import TIME_FIELDS, NominalRollups, Rollups, m2_of_integers, quotient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from labmon.datastream.vectors import Reader

_INTS: Final = ("count", "bad")
_FLOATS: Final = ("sum", "mean", "m2", "min", "max", "first", "last")
_OBJECTS: Final = ("first", "last", "frequencies")
_DERIVABLE: Final = ("mean", "m2")
_FORM: Final = struct.Struct("<BB")  # the form, and the exponent of the decimals behind m2
_STORED, _DERIVED = 0, 1
_MAX_INTEGER: Final = 2.0**53
_ROWS_PER_PATCH: Final = 8


def encode_numeric(rollups: Rollups) -> bytes:
    """The columns of rollups of numbers but for their times; all fields must be there."""
    encoded = _encode_counts(rollups)
    for name in _FLOATS:
        if name == "mean":
            encoded.append(_encode_mean(rollups))
        elif name == "m2":
            encoded.append(_encode_m2(rollups))
        else:
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
        is_wanted = wanted is None or name in wanted
        form = exponent = 0
        if name in _DERIVABLE:
            form, exponent = reader.unpack(_FORM)
            if form > _DERIVED or exponent > MAX_EXPONENT:
                raise reader.damaged(f"has {name} in the unknown form {form}")
        if form == _DERIVED and name == "mean":
            if is_wanted:
                columns[name] = quotient(columns["sum"], columns["count"])
        elif form == _DERIVED:
            m2 = _decode_m2(reader, exponent, columns["count"] if is_wanted else None, count)
            if m2 is not None:
                columns[name] = m2
        elif not is_wanted:
            vectors.skip(reader)
        else:
            columns[name] = vectors.decode_floats(reader, count)
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
    needs = set(fields)
    if "m2" in needs:
        needs.add("count")
    return needs | {"sum", "count"} if "mean" in needs else needs


def _encode_mean(rollups: Rollups) -> bytes:
    mean = rollups["mean"]
    if _same_bits(mean, quotient(rollups["sum"], rollups["count"])):
        return _FORM.pack(_DERIVED, 0)
    return _FORM.pack(_STORED, 0) + vectors.encode_floats(mean)


def _encode_m2(rollups: Rollups) -> bytes:
    """The integers from which m2 of decimals came take a third of the room of its floats."""
    m2, count = rollups["m2"], rollups["count"]
    scales = [find_scale(rollups[name]) for name in ("sum", "first", "min", "max")]
    exponent = max((scale.exponent for scale in scales if scale is not None), default=0)
    with np.errstate(over="ignore"):
        near = np.rint(m2 * np.maximum(count, 1) * 10.0**exponent * 10.0**exponent)
    integers = np.where(near < _MAX_INTEGER, near, 0.0).astype(np.int64)
    derived = m2_of_integers(integers, count, exponent)
    patches = np.flatnonzero(derived.view(np.int64) != m2.view(np.int64))
    if len(patches) * _ROWS_PER_PATCH > len(m2):
        return _FORM.pack(_STORED, 0) + vectors.encode_floats(m2)
    return (
        _FORM.pack(_DERIVED, exponent)
        + vectors.encode_ints(integers)
        + vectors.encode_patches(patches, m2)
    )


def _decode_m2(
    reader: Reader, exponent: int, count: NDArray[np.int64] | None, rows: int
) -> NDArray[np.float64] | None:
    """The integers of m2 made floats; without a count they are left out."""
    if count is None:
        vectors.skip(reader)
        vectors.skip_patches(reader)
        return None
    m2 = m2_of_integers(vectors.decode_ints(reader, rows), count, exponent)
    vectors.decode_patches(reader, m2)
    return m2


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

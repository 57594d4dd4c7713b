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
from labmon.datastream.decimals import MAX_EXPONENT, POWERS, find_scale
from labmon.datastream.rollups import TIME_FIELDS, NominalRollups, Rollups, m2_of_integers, quotient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from labmon.datastream.vectors import Reader

_INTS: Final = ("count", "bad")
_FLOATS: Final = ("sum", "mean", "m2", "min", "max", "first", "last")
_OBJECTS: Final = ("first", "last", "frequencies")
_FORM: Final = struct.Struct("<BB")  # the form, and the exponent of the decimals behind m2
_STORED, _DERIVED, _REDUCED = 0, 1, 2
_FORMS: Final = {"mean": _DERIVED, "m2": _REDUCED}
"""The last form that each of the derivable fields may have."""
_MAX_INTEGER: Final = 2.0**53
_MAX_REDUCED: Final = 2**26
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
        if name in _FORMS:
            form, exponent = reader.unpack(_FORM)
            if form > _FORMS[name] or exponent > MAX_EXPONENT:
                raise reader.damaged(f"has {name} in the unknown form {form}")
        if form == _DERIVED and name == "mean":
            if is_wanted:
                columns[name] = quotient(columns["sum"], columns["count"])
        elif form != _STORED:
            m2 = _decode_m2(reader, (form, exponent), columns if is_wanted else None, count)
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
    return needs if needs.isdisjoint(_FORMS) else needs | {"sum", "count"}


def _encode_mean(rollups: Rollups) -> bytes:
    mean = rollups["mean"]
    if _same_bits(mean, quotient(rollups["sum"], rollups["count"])):
        return _FORM.pack(_DERIVED, 0)
    return _FORM.pack(_STORED, 0) + vectors.encode_floats(mean)


def _encode_m2(rollups: Rollups) -> bytes:
    """m2: the integers from which that of decimals came take a fifth of the room of its floats."""
    m2, count = rollups["m2"], rollups["count"]
    scales = [find_scale(rollups[name]) for name in ("sum", "first", "min", "max")]
    exponent = max((scale.exponent for scale in scales if scale is not None), default=0)
    with np.errstate(over="ignore"):
        near = m2 * np.maximum(count, 1) * POWERS[exponent] * POWERS[exponent]
    near = np.where(np.abs(near) < _MAX_INTEGER, near, 0.0)
    # the rest is not exact where more are counted
    forms = (_REDUCED, _DERIVED) if count.max() <= _MAX_REDUCED else (_DERIVED,)
    for form in forms:
        step, rest = _grid(form, exponent, rollups.columns)
        integers = np.rint((near - rest) / step)
        derived = m2_of_integers(integers * step + rest, count, exponent)
        patches = np.flatnonzero(derived.view(np.int64) != m2.view(np.int64))
        if len(patches) * _ROWS_PER_PATCH <= len(m2):
            encoded = vectors.encode_ints(integers.astype(np.int64))
            return _FORM.pack(form, exponent) + encoded + vectors.encode_patches(patches, m2)
    return _FORM.pack(_STORED, 0) + vectors.encode_floats(m2)


def _grid(form: int, exponent: int, columns: Mapping[str, NDArray[Any]]) -> tuple[Any, Any]:
    """(step, rest): k = count * sum(x * x) - sum(x)**2 is a whole number of steps and the rest.

    sum(x * x) is any integer that is odd where sum(x) is, so of k only every 2 * count-th is one.
    In floats: they divide many times faster than integers, and are exact below 2**53.
    """
    if form == _DERIVED:
        return 1.0, 0.0
    count = np.maximum(columns["count"], 1).astype(np.float64)
    step = 2 * count
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.rint(columns["sum"] * POWERS[exponent])
    whole = _modulo(np.where(np.abs(whole) < _MAX_INTEGER, whole, 0.0), step)
    return step, _modulo(whole * (count - whole), step)


def _modulo(number: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    return number - np.floor(number / step) * step


def _decode_m2(
    reader: Reader, form: tuple[int, int], columns: Mapping[str, NDArray[Any]] | None, rows: int
) -> NDArray[np.float64] | None:
    """The integers of m2 made floats; without the columns that it takes they are left out."""
    if columns is None:
        vectors.skip(reader)
        vectors.skip_patches(reader)
        return None
    step, rest = _grid(*form, columns)
    integers = vectors.decode_ints(reader, rows) * step + rest
    m2 = m2_of_integers(integers, columns["count"], form[1])
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

"""JSON and msgpack: bytes to plain values and back, and which of the two is meant.

JSON never holds NaN or Infinity (they become null); msgpack carries arrays of numbers as extension
type 1. The trap: a small body can become a million objects, so size, depth and number of
containers are bounded, and the collector, which would walk them again and again, waits meanwhile.
"""

from __future__ import annotations

import gc
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import msgpack
import numpy as np
import orjson

from labmon.errors import BadRequestError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labmon.web.limits import Limits

Format = Literal["json", "msgpack"]

CONTENT_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "msgpack": "application/msgpack",
}
_FORMATS: Final[dict[str, Format]] = {
    "application/json": "json",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
}
SMALL_BYTES: Final = 4 << 10
"""What is no longer does not keep the collector busy, whatever it holds."""
ARRAY_EXT: Final = 1
_CODES: Final = {
    "f8": b"d",
    "f4": b"f",
    "i8": b"q",
    "i4": b"i",
    "i2": b"h",
    "i1": b"b",
    "u1": b"B",
    "u2": b"H",
    "u4": b"I",
    "u8": b"Q",
    "b1": b"B",
}
_DTYPES: Final = {code: "<" + dtype for dtype, code in _CODES.items() if dtype != "b1"}
PIECE: Final = 500
"""Elements of a long list that are encoded together: objects take some milliseconds."""
_JSON_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_MSGPACK_BOMB: Final = (
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    msgpack.StackError,
)


def seconds(time_ns: int) -> float:
    """Unix seconds as JSON has them; rounded as numpy does it for whole columns."""
    return float(time_ns) / 1e9


def accepted(accept: str) -> Format:
    """Which format an `Accept` header asks for: msgpack if it is named, else JSON."""
    for part in accept.split(","):
        name = part.partition(";")[0].strip().lower()
        if name in _FORMATS:
            return _FORMATS[name]
    return "json"


def body_format(content_type: str) -> Format | None:
    """Which format a `Content-Type` header names; None where it is neither."""
    return _FORMATS.get(content_type.partition(";")[0].strip().lower())


def encode(value: object, format: Format) -> bytes:
    """The bytes of a value; numpy arrays become lists in JSON, extension type 1 in msgpack."""
    return encode_json(value) if format == "json" else encode_msgpack(value)


def encode_json(value: object) -> bytes:
    """JSON of any value; what JSON cannot hold becomes null or the nearest that it can."""
    try:
        return orjson.dumps(value, default=_plain_array, option=_JSON_OPTIONS)
    except (TypeError, RecursionError):  # an integer over 64 bits, half a surrogate pair, too deep
        return orjson.dumps(_tamed(value, 0), option=_JSON_OPTIONS)


def encode_msgpack(value: object) -> bytes:
    """Msgpack of any value."""
    try:
        return _PACKER.pack(value)
    except _MSGPACK_BOMB:
        _PACKER.reset()
        return _PACKER.pack(_tamed(value, 0))


def with_list(
    head: dict[str, Any],
    name: str,
    elements: Iterable[Iterable[bytes]],
    count: int,
    format: Format,
) -> Iterator[bytes]:
    """The bytes of an object whose last member is a list, its elements encoded one by one.

    Args:
        head: the other members.
        name: of the list.
        elements: each in one piece or several.
        count: how many there are.
        format: of the elements.
    """
    plain = {key: value for key, value in head.items() if key != name}
    if format == "json":
        yield encode_json(plain)[:-1] + (b"," if plain else b"") + encode_json(name) + b":["
        for number, pieces in enumerate(elements):
            if number:
                yield b","
            yield from pieces
        yield b"]}"
        return
    packer = msgpack.Packer(autoreset=False)
    packer.pack_map_header(len(plain) + 1)
    for key, value in plain.items():
        packer.pack(key)
        packer.pack(value)
    packer.pack(name)
    packer.pack_array_header(count)
    yield packer.bytes()
    for pieces in elements:
        yield from pieces


def object_pieces(members: dict[str, Any], format: Format) -> Iterator[bytes]:
    """The bytes of an object, long lists in it in pieces: columns of words, or of objects."""
    in_pieces = _json_pieces if format == "json" else _msgpack_pieces
    yield b"{" if format == "json" else _PACKER.pack_map_header(len(members))
    for number, (name, value) in enumerate(members.items()):
        if isinstance(value, np.ndarray) and value.dtype == object:
            value = value.tolist()  # noqa: PLW2901
        if format == "json":
            yield (b"," if number else b"") + encode_json(name) + b":"
        else:
            yield encode_msgpack(name)
        if isinstance(value, list) and len(value) > PIECE:
            yield from in_pieces(value)
        else:
            yield encode(value, format)
    if format == "json":
        yield b"}"


def _json_pieces(values: list[Any]) -> Iterator[bytes]:
    for start in range(0, len(values), PIECE):
        yield (b"," if start else b"[") + encode_json(values[start : start + PIECE])[1:-1]
    yield b"]"


def _msgpack_pieces(values: list[Any]) -> Iterator[bytes]:
    yield _PACKER.pack_array_header(len(values))
    for start in range(0, len(values), PIECE):
        yield b"".join(map(encode_msgpack, values[start : start + PIECE]))


def encode_array(array: np.ndarray) -> msgpack.ExtType:
    """A column of numbers as msgpack extension type 1: dtype code, then little-endian data."""
    dtype = array.dtype
    code = _CODES.get(f"{dtype.kind}{dtype.itemsize}")
    if code is None:
        raise TypeError(f"an array of {dtype} is no column of numbers")
    little = array.astype(dtype.newbyteorder("<"), copy=False)
    return msgpack.ExtType(ARRAY_EXT, code + little.tobytes())


def decode_array(data: bytes) -> np.ndarray:
    """The column of msgpack extension type 1.

    Raises:
        ValueError: the dtype code is unknown, or the data is cut.
    """
    if data[:1] not in _DTYPES:
        raise ValueError(f"unknown dtype code {data[:1]!r}")
    return np.frombuffer(data, _DTYPES[data[:1]], offset=1)


def decode(data: bytes, format: Format, limits: Limits) -> Any:
    """The value of a body.

    Raises:
        BadRequestError: it is not of this format; says where.
        TooLargeError: it is over a limit.
    """
    decoder = _decode_json if format == "json" else _decode_msgpack
    if len(data) <= SMALL_BYTES:
        return decoder(data, limits)
    with _collector_paused():
        return decoder(data, limits)


def _decode_json(data: bytes, limits: Limits) -> Any:
    containers = data.count(b"[") + data.count(b"{")
    if containers > limits.containers:
        raise TooLargeError(
            f"the body has more than {limits.containers} lists and objects: send several"
        )
    try:
        value = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is no JSON: {error}") from None
    if containers > limits.json_depth:  # fewer cannot be nested deeper
        _check_depth(value, limits.json_depth)
    return value


def _decode_msgpack(data: bytes, limits: Limits) -> Any:
    if len(data) > limits.msgpack_bytes:
        raise TooLargeError(
            f"a msgpack body has at most {limits.msgpack_bytes} bytes, not {len(data)}"
        )
    try:
        value = msgpack.unpackb(
            data,
            ext_hook=_from_extension,
            strict_map_key=True,
            max_array_len=limits.containers,
            max_map_len=limits.containers,
        )
    except _MSGPACK_BOMB as error:
        reason = str(error) or "it is nested too deep, or has a byte that means nothing"
        raise BadRequestError(f"the body is no msgpack that labmon takes: {reason}") from None
    _check_depth(value, limits.json_depth)
    return value


def _from_extension(code: int, data: bytes) -> Any:
    if code == ARRAY_EXT:
        return decode_array(data).tolist()
    raise ValueError(f"extension type {code} is unknown, only {ARRAY_EXT} (a column) is taken")


def _check_depth(value: Any, limit: int) -> None:
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, list | dict)
            for child in (parent if isinstance(parent, list) else parent.values())
            if isinstance(child, list | dict | msgpack.Timestamp)
        ]
        if any(isinstance(child, msgpack.Timestamp) for child in level):
            raise BadRequestError("msgpack time stamps are not taken: send int64 nanoseconds")
        if not level:
            return
    raise BadRequestError(f"the body is nested more than {limit} deep")


@contextmanager
def _collector_paused() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _plain_array(value: object) -> object:
    if isinstance(value, np.ndarray):  # not contiguous, or of a type that orjson does not know
        return value.tolist()
    raise TypeError


def _extension(value: object) -> object:
    if isinstance(value, np.ndarray):
        return encode_array(value) if value.dtype.kind in "fiub" else value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in msgpack")


def _tamed(value: Any, depth: int) -> Any:
    """A value with everything replaced that the fast encoders refuse."""
    if depth > 60:
        return None
    if isinstance(value, dict):
        return {_text(str(key)): _tamed(child, depth + 1) for key, child in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_tamed(child, depth + 1) for child in value]
    if isinstance(value, np.ndarray):
        return value.tolist() if value.ndim != 1 or value.dtype.kind not in "fiub" else value
    if isinstance(value, np.generic):
        return _tamed(value.item(), depth)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return _as_float(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return _text(value if isinstance(value, str) else str(value))


def _as_float(value: int) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


_PACKER: Final = msgpack.Packer(default=_extension)
"""Used again and again: making one costs more than packing a batch."""

"""Vectors: one column of numbers or bytes, in the form in which it takes the least room.

A vector stands for itself but for its length in rows, which the reader must know. The trap: bytes
that are damaged may ask for anything, so every length is checked before memory is taken for it.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pcodec import (  # a compiled module without stubs
    ChunkConfig,  # pyright: ignore[reportAttributeAccessIssue]
    DeltaSpec,  # pyright: ignore[reportAttributeAccessIssue]
    ModeSpec,  # pyright: ignore[reportAttributeAccessIssue]
    standalone,  # pyright: ignore[reportAttributeAccessIssue]
)

from labmon.datastream.decimals import MAX_EXPONENT, Scaled, divided, find_scale
from labmon.datastream.exceptions import DamagedBlock

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

CONSTANT: Final = 0
"""Eight bytes that every row has."""
PCODEC: Final = 1
"""A pcodec stream."""
DECIMAL: Final = 2
"""Floats: exponent, the integers as a vector of their own, patches."""
STEPPED: Final = 3
"""Ints: base, step and slope, then a vector of what is left: base + (i * slope >> 20) + step * v"""
DEFLATE: Final = 4
"""Bytes, compressed by zlib."""
NARROW: Final = 5
"""Ints: base and width, then a pcodec stream of so many bytes a row of what lies above the base."""

_SLOPE_BITS: Final = 20
_MAX_SLOPE: Final = 2**42  # times the 2**20 rows of a block, it still fits 63 bits
_MAX_BYTES: Final = 1 << 28
_LEVEL: Final = 6  # measured: level 8 takes three times as long for 0.3% less
_STEPS: Final = (10**12, 10**9, 10**6, 10**3, 100, 10)
_AS_IT_IS: Final = ChunkConfig(
    compression_level=_LEVEL, mode_spec=ModeSpec.classic(), delta_spec=DeltaSpec.no_op()
)
_DIFFERENCES: Final = ChunkConfig(
    compression_level=_LEVEL, mode_spec=ModeSpec.classic(), delta_spec=DeltaSpec.try_consecutive(1)
)
_AUTOMATIC: Final = ChunkConfig(compression_level=_LEVEL)
_HEAD: Final = struct.Struct("<BI")
_EXPONENT: Final = struct.Struct("<B")
_COUNT: Final = struct.Struct("<I")
_STEPPED: Final = struct.Struct("<qqq")
_NARROW: Final = struct.Struct("<qB")
_WIDTHS: Final = {2: np.uint16, 4: np.uint32}
_FEW: Final = 64
"""So few rows are not worth a base: pcodec saves six bytes or so for each bin that it makes."""


class Reader:
    """Takes pieces off a run of bytes; each that is not there is a DamagedBlock."""

    __slots__ = ("_at", "_data", "which")

    def __init__(self, data: bytes | memoryview, which: str, at: int = 0) -> None:
        self._data = memoryview(data)
        self._at = at
        self.which = which

    def take(self, length: int) -> memoryview:
        """The next bytes."""
        piece = self._data[self._at : self._at + length]
        if len(piece) != length:
            raise self.damaged(f"ends {length - len(piece)} bytes too early")
        self._at += length
        return piece

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The next bytes as numbers."""
        return layout.unpack(self.take(layout.size))

    def rest(self) -> memoryview:
        """All that is left."""
        piece = self._data[self._at :]
        self._at = len(self._data)
        return piece

    def finish(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._data):
            raise self.damaged(f"has {len(self._data) - self._at} bytes too many")

    def damaged(self, why: str) -> DamagedBlock:
        """The error to raise."""
        return DamagedBlock(self.which, why)


def encode_ints(values: NDArray[np.int64]) -> bytes:
    """A vector of int64."""
    if is_constant(values):
        return _framed(CONSTANT, values[:1].tobytes())
    config = _DIFFERENCES if _prefers_differences(values) else _AS_IT_IS
    if len(values) >= _FEW:
        base = int(values.min())
        spanned = int(values.max()) - base
        for width, dtype in _WIDTHS.items():
            if spanned < 1 << 8 * width:
                packed = standalone.simple_compress((values - base).astype(dtype), config)
                return _framed(NARROW, _NARROW.pack(base, width) + packed)
    return _framed(PCODEC, standalone.simple_compress(np.ascontiguousarray(values), config))


def encode_times_vector(times: NDArray[np.int64]) -> bytes:
    """A vector of times: in whole micro- or milliseconds, from a straight line if they keep it."""
    if is_constant(times):
        return encode_ints(times)
    base = int(times[0])
    offsets = times - base
    step, offsets = _in_steps(offsets)
    slope, offsets = _off_line(offsets)
    return _framed(STEPPED, _STEPPED.pack(base, step, slope) + encode_ints(offsets))


def encode_floats(values: NDArray[np.float64], scaled: Scaled | None = None) -> bytes:
    """A vector of float64; every bit comes back, also of NaN and -0.0.

    Args:
        values: the floats.
        scaled: what find_scale() gave for them, if that was asked already.
    """
    if is_constant(values.view(np.int64)):
        return _framed(CONSTANT, values[:1].tobytes())
    scaled = scaled or find_scale(values)
    if scaled is None:
        return _framed(PCODEC, standalone.simple_compress(np.ascontiguousarray(values), _AUTOMATIC))
    body = _EXPONENT.pack(scaled.exponent) + encode_ints(scaled.integers)
    return _framed(DECIMAL, body + encode_patches(scaled.patches, values))


def encode_patches(at: NDArray[np.intp], values: NDArray[np.float64]) -> bytes:
    """The values of some rows as they are: how many, which rows, and their bits."""
    if not len(at):
        return _COUNT.pack(0)
    bits = encode_ints(values[at].view(np.int64))
    return _COUNT.pack(len(at)) + encode_ints(at.astype(np.int64)) + bits


def encode_bytes(values: bytes | memoryview) -> bytes:
    """A vector of bytes, or a text of any length."""
    return _framed(DEFLATE, _COUNT.pack(len(values)) + zlib.compress(values))


def skip(reader: Reader) -> None:
    """Leave a vector out."""
    _, length = reader.unpack(_HEAD)
    reader.take(length)


def decode_ints(reader: Reader, count: int) -> NDArray[np.int64]:
    """The vector of `count` int64 that comes next, whichever of their forms it has."""
    tag, body = _opened(reader)
    if tag == STEPPED:
        base, step, slope = body.unpack(_STEPPED)
        values = _decode_whole(*_opened(body), count)
        if step < 1 or abs(slope) > _MAX_SLOPE:
            raise reader.damaged("has steps that cannot be")
        if slope:
            values += np.arange(count) * slope >> _SLOPE_BITS
        values *= step
        values += base
    else:
        values = _decode_whole(tag, body, count)
    body.finish()
    return values


def decode_floats(reader: Reader, count: int) -> NDArray[np.float64]:
    """The vector of `count` float64 that comes next."""
    tag, body = _opened(reader)
    if tag == DECIMAL:
        (exponent,) = body.unpack(_EXPONENT)
        if exponent > MAX_EXPONENT:
            raise reader.damaged("has decimals that cannot be")
        values = divided(decode_ints(body, count), exponent)
        decode_patches(body, values)
    else:
        values = _decode_plain(tag, body, count, np.float64)
    body.finish()
    return values


def decode_patches(reader: Reader, values: NDArray[np.float64]) -> None:
    """Put the patches that come next into the values."""
    (patched,) = reader.unpack(_COUNT)
    if not patched:
        return
    if patched > len(values):
        raise reader.damaged("has more patches than rows")
    at = decode_ints(reader, patched)
    if at.min() < 0 or at.max() >= len(values):
        raise reader.damaged("has patches for rows that are not there")
    values[at] = decode_ints(reader, patched).view(np.float64)


def skip_patches(reader: Reader) -> None:
    """Leave patches out."""
    if reader.unpack(_COUNT)[0]:
        skip(reader)
        skip(reader)


def decode_bytes(reader: Reader) -> bytes:
    """The bytes that come next."""
    tag, body = _opened(reader)
    (length,) = body.unpack(_COUNT)
    if tag != DEFLATE or length > _MAX_BYTES:
        raise reader.damaged(f"has bytes in the unknown form {tag}")
    inflate = zlib.decompressobj()
    try:
        values = inflate.decompress(body.rest(), length + 1)
    except zlib.error as error:
        raise reader.damaged(f"cannot be inflated: {error}") from None
    if len(values) != length or not inflate.eof or inflate.unused_data:
        raise reader.damaged("does not inflate to its length")
    return values


def is_constant(values: NDArray[Any]) -> bool:
    """Whether all rows are the same; true of one."""
    return bool(values[0] == values[-1]) and bool((values == values[0]).all())


def _framed(tag: int, body: bytes) -> bytes:
    return _HEAD.pack(tag, len(body)) + body


def _opened(reader: Reader) -> tuple[int, Reader]:
    tag, length = reader.unpack(_HEAD)
    return tag, Reader(reader.take(length), reader.which)


def _decode_whole(tag: int, body: Reader, count: int) -> NDArray[np.int64]:
    """The ints of a vector that refers to no other."""
    if tag != NARROW:
        return _decode_plain(tag, body, count, np.int64)
    base, width = body.unpack(_NARROW)
    if width not in _WIDTHS:
        raise body.damaged(f"has numbers of {width} bytes")
    return _decode_plain(PCODEC, body, count, _WIDTHS[width]).astype(np.int64) + base


def _decode_plain(tag: int, body: Reader, count: int, dtype: DTypeLike) -> NDArray[Any]:
    if tag == CONSTANT:
        (value,) = np.frombuffer(body.take(8), dtype)
        return np.full(count, value, dtype)
    if tag != PCODEC:
        raise body.damaged(f"has numbers in the unknown form {tag}")
    values = np.empty(count, dtype)
    try:
        progress = standalone.simple_decompress_into(bytes(body.rest()), values)
    except (RuntimeError, TypeError, ValueError) as error:
        raise body.damaged(f"cannot be decompressed: {error}") from None
    if progress.n_processed != count or not progress.finished:
        raise body.damaged(f"holds {progress.n_processed} numbers or more, not {count}")
    return values


def _prefers_differences(values: NDArray[np.int64]) -> bool:
    """Whether differences are shorter numbers than distances from the middle, on a sample."""
    stride = len(values) // 512 + 1
    differences = (values[1::stride] - values[:-1:stride]).astype(np.float64)
    sample = values[::stride].astype(np.float64)
    middle = len(sample) // 2
    distances = sample - np.partition(sample, middle)[middle]
    shorter = np.log2(np.abs(differences) + 1).sum() * len(sample)
    return bool(shorter < np.log2(np.abs(distances) + 1).sum() * len(differences))


def _in_steps(offsets: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """(step, offsets in steps): the longest step that all offsets are multiples of."""
    for step in _STEPS:
        if not (offsets[1:17] % step).any():
            quotients = offsets // step
            if (quotients * step == offsets).all():
                return step, quotients
    return 1, offsets


def _off_line(offsets: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """(slope in 2**-20, what is left) of the line along which regular times lie; 0: none."""
    n = len(offsets)
    if n < 32 or abs(int(offsets[-1])) >= 2**40:
        return 0, offsets
    ends = n // 4
    rise = float(offsets[-ends:].mean() - offsets[:ends].mean()) / (n - ends)
    slope = round(rise * 2**_SLOPE_BITS)
    if not 0 < slope <= _MAX_SLOPE:
        return 0, offsets
    rest = offsets - (np.arange(n) * slope >> _SLOPE_BITS)
    scatter = np.abs(offsets[1:] - offsets[:-1] - rise).mean()
    is_kept = np.abs(rest - rest.mean()).mean() < 0.95 * scatter
    return (slope, rest) if is_kept else (0, offsets)

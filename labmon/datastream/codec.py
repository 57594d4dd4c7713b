"""Blocks and time columns as bytes: encode, decode, look at the header (see docs/format.md).

Time columns stand apart from the blocks and are addressed by their content, because channels that
are read in one poll share theirs. The trap: whatever bytes come in, the answer is the right table
or `DamagedBlock`, never a wrong value, another exception, or memory beyond what the count allows.

    address = time_address(table)                      # raw: of t; rollups: of t and TIME_FIELDS
    store(address, encode_times(table)), store(block_id, encode_block(table, granularity, address))
    times = decode_times(load(read_header(data).address)); decode_block(data, times)
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import rollup_codec, value_codec, vectors
from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import DamagedBlock, UnsupportedGranularity
from labmon.datastream.granularity import Granularity
from labmon.datastream.rollups import TIME_FIELDS, NominalRollups, Rollups
from labmon.datastream.vectors import Reader

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

MAX_ROWS: Final = 1 << 20
"""What one block may hold; a header that tells of more is damaged."""
VERSION: Final = 1
CODEC: Final = 1
"""pcodec 1 for numbers, deflate for bytes and texts."""

Times = dict[str, "NDArray[np.int64]"]
"""The time columns of a table: `t` of raw, `t` and the TIME_FIELDS of rollups."""

_BLOCK_MAGIC: Final = b"LMBK"
_TIMES_MAGIC: Final = b"LMTC"
# magic, version, codec, kind, granularity, count, CRC32, first, last, address, flags
_BLOCK: Final = struct.Struct("<4sBBccIIqq16sI")
# magic, version, codec, columns, nothing, count, CRC32, address
_TIMES: Final = struct.Struct("<4sBBBxII16s")
_CRC_AT: Final = 12
_CRC: Final = struct.Struct("<I")

_INLINE_TIMES: Final = 1
_HAS_QUALITY: Final = 2
_HAS_NULLS: Final = 4
_NO_ADDRESS: Final = bytes(16)
_ROLLUP_KINDS: Final = {b"R": "rollups", b"N": "nominal_rollups"}
_KINDS: Final = {**value_codec.KINDS, **_ROLLUP_KINDS}


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What the first bytes of a block tell.

    Attributes:
        kind: `f8`, `i8`, `decimal`, `mixed`, `array`, `json`, `rollups` or `nominal_rollups`.
        granularity: of the datapoints.
        count: how many rows.
        first_ns: time of the first row; of rollups the start of the bucket.
        last_ns: time of the last row.
        address: 16 bytes that address the time columns; None: they are inside the block.
    """

    kind: str
    granularity: Granularity
    count: int
    first_ns: int
    last_ns: int
    address: bytes | None


def time_address(table: Columns | Rollups) -> bytes:
    """The 16 bytes that address the time columns of a table: blake2b of their content."""
    digest = hashlib.blake2b(digest_size=16, person=b"labmon times")
    columns = _time_columns(table)
    digest.update(struct.pack("<BI", len(columns), len(table)))
    for column in columns:
        digest.update(column.astype("<i8", copy=False).tobytes())
    return digest.digest()


def encode_times(table: Columns | Rollups) -> bytes:
    """The time columns of a table as bytes that stand alone, with their address inside.

    Raises:
        ValueError: the table is empty, or has more than MAX_ROWS rows.
    """
    _check_rows(table)
    columns = _time_columns(table)
    head = _TIMES.pack(
        _TIMES_MAGIC, VERSION, CODEC, len(columns), len(table), 0, time_address(table)
    )
    return _sealed(head + _encode_time_vectors(columns))


def decode_times(
    data: bytes,
    *,
    address: bytes | None = None,
    fields: Collection[str] | None = None,
    which: str = "time column",
) -> Times:
    """The time columns: `t`, and of rollups also the TIME_FIELDS (or only those in `fields`).

    Raises:
        DamagedBlock: the bytes are not what was written, or belong to another address.
    """
    reader = Reader(data, which)
    magic, version, codec, columns, count, _, own_address = reader.unpack(_TIMES)
    _check_head(reader, (magic, version, codec), _TIMES_MAGIC, count)
    _check_sum(reader, data)
    if address is not None and address != own_address:
        raise reader.damaged("belongs to another address")
    if columns not in (1, 1 + len(TIME_FIELDS)):
        raise reader.damaged(f"has {columns} columns")
    times = _decode_time_vectors(reader, columns, count, fields)
    reader.finish()
    return times


def encode_block(
    table: Columns | Rollups, granularity: Granularity, address: bytes | None = None
) -> bytes:
    """A table as a block, whose times are stored apart under `address`, or inside if None.

    Raises:
        ValueError: the table is empty, or has more than MAX_ROWS rows, or a value is not JSON.
        TypeError: a value is not JSON.
    """
    _check_rows(table)
    flags = 0 if address else _INLINE_TIMES
    body = b"" if address else _encode_time_vectors(_time_columns(table))
    if isinstance(table, NominalRollups):
        kind, more = b"N", rollup_codec.encode_nominal(table)
    elif isinstance(table, Rollups):
        kind, more = b"R", rollup_codec.encode_numeric(table)
    else:
        kind, more = value_codec.encode_values(table)
        if table.valid is not None:
            flags |= _HAS_NULLS
            more += vectors.encode_bytes(np.packbits(table.valid).tobytes())
        if table.quality is not None:
            flags |= _HAS_QUALITY
            more += vectors.encode_bytes(table.quality.tobytes())
    head = _BLOCK.pack(
        _BLOCK_MAGIC,
        VERSION,
        CODEC,
        kind,
        granularity.key.encode(),
        len(table),
        0,
        int(table.t[0]),
        int(table.t[-1]),
        address or _NO_ADDRESS,
        flags,
    )
    return _sealed(head + body + more)


def read_header(data: bytes, *, which: str = "block") -> BlockHeader:
    """What a block says of itself; its checksum is not looked at.

    Raises:
        DamagedBlock: this is no block, or of an unknown version.
    """
    return _read_block_head(Reader(data, which))[0]


def decode_block(
    data: bytes,
    times: Times | None = None,
    *,
    fields: Collection[str] | None = None,
    which: str = "block",
) -> Any:
    """The table of a block: Columns, Rollups or NominalRollups, by its header's kind.

    Args:
        data: what encode_block() gave.
        times: the time columns that the header's address names; None if they are inside.
        fields: of rollups, which fields to decode; None: all. Fewer are faster.
        which: names the block in errors.

    Raises:
        DamagedBlock: the bytes are not what was written, or do not belong to these times.
        ValueError: the times stand apart, and none were given.
    """
    reader = Reader(data, which)
    header, kind, flags = _read_block_head(reader)
    _check_sum(reader, data)
    is_raw = kind not in _ROLLUP_KINDS
    if header.address is None:
        columns = 1 if is_raw else 1 + len(TIME_FIELDS)
        times = _decode_time_vectors(reader, columns, header.count, fields)
    elif times is None:
        raise ValueError(f"{which} needs the time columns that its header names")
    _check_times(reader, header, times)
    if is_raw:
        table = _decode_columns(reader, kind, flags, times["t"])
    else:
        decode = rollup_codec.decode_numeric if kind == b"R" else rollup_codec.decode_nominal
        table = decode(reader, times, fields)
    reader.finish()
    return table


def decode_raw(data: bytes, times: Times | None = None, *, which: str = "block") -> Columns:
    """The datapoints of a block; DamagedBlock also where it holds rollups."""
    table = decode_block(data, times, which=which)
    if not isinstance(table, Columns):
        raise DamagedBlock(which, "holds rollups where datapoints are expected")
    return table


def decode_rollups(
    data: bytes,
    times: Times | None = None,
    *,
    fields: Collection[str] | None = None,
    which: str = "block",
) -> Rollups:
    """The rollups of a block (of either kind); DamagedBlock also where it holds datapoints."""
    table = decode_block(data, times, fields=fields, which=which)
    if not isinstance(table, Rollups):
        raise DamagedBlock(which, "holds datapoints where rollups are expected")
    return table


def _decode_columns(reader: Reader, kind: bytes, flags: int, t: NDArray[np.int64]) -> Columns:
    v = value_codec.decode_values(kind, reader, len(t))
    valid = quality = None
    if flags & _HAS_NULLS:
        bits = np.frombuffer(vectors.decode_bytes(reader), np.uint8)
        if len(bits) != (len(t) + 7) // 8 or kind != value_codec.INTS:
            raise reader.damaged("has nulls for another count")
        valid = np.unpackbits(bits, count=len(t)).view(np.bool_)
    if flags & _HAS_QUALITY:
        quality = np.frombuffer(vectors.decode_bytes(reader), np.uint8)
        if len(quality) != len(t):
            raise reader.damaged("has qualities for another count")
    return Columns(t, v, valid, quality)


def _time_columns(table: Columns | Rollups) -> list[NDArray[np.int64]]:
    if isinstance(table, Columns):
        return [table.t]
    return [table.t, *(table[name] for name in TIME_FIELDS)]


def _encode_time_vectors(columns: list[NDArray[np.int64]]) -> bytes:
    t = columns[0]
    return b"".join(
        vectors.encode_times_vector(column if column is t else column - t) for column in columns
    )


def _decode_time_vectors(
    reader: Reader, columns: int, count: int, fields: Collection[str] | None
) -> Times:
    t = vectors.decode_ints(reader, count)
    times = {"t": t}
    for name in TIME_FIELDS[: columns - 1]:
        if fields is None or name in fields:
            times[name] = vectors.decode_ints(reader, count) + t
        else:
            vectors.skip(reader)
    return times


def _read_block_head(reader: Reader) -> tuple[BlockHeader, bytes, int]:
    magic, version, codec, kind, key, count, _, first, last, address, flags = reader.unpack(_BLOCK)
    _check_head(reader, (magic, version, codec), _BLOCK_MAGIC, count)
    try:
        granularity = Granularity.find(key.decode("latin-1"))
    except UnsupportedGranularity:
        raise reader.damaged(f"has the unknown granularity {key!r}") from None
    if kind not in _KINDS or flags > _INLINE_TIMES | _HAS_QUALITY | _HAS_NULLS:
        raise reader.damaged(f"has the unknown kind {kind!r}, or flags {flags:#x}")
    place = None if flags & _INLINE_TIMES else address
    return BlockHeader(_KINDS[kind], granularity, count, first, last, place), kind, flags


def _check_rows(table: Columns | Rollups) -> None:
    if not 0 < len(table) <= MAX_ROWS:
        raise ValueError(f"a block holds 1 to {MAX_ROWS} rows, not {len(table)}")


def _check_head(reader: Reader, head: tuple[bytes, int, int], magic: bytes, count: int) -> None:
    if head[0] != magic:
        raise reader.damaged(f"begins with {head[0]!r} instead of {magic!r}")
    if head[1:] != (VERSION, CODEC):
        raise reader.damaged(f"has version {head[1]} and codec {head[2]}, which are unknown here")
    if not 0 < count <= MAX_ROWS:
        raise reader.damaged(f"tells of {count} rows")


def _check_times(reader: Reader, header: BlockHeader, times: Times) -> None:
    t = times["t"]
    if len(t) != header.count or t[0] != header.first_ns or t[-1] != header.last_ns:
        raise reader.damaged("does not belong to these times")


def _sealed(data: bytes) -> bytes:
    """The bytes with their checksum filled in; it covers everything but itself."""
    return data[:_CRC_AT] + _CRC.pack(_checksum(data)) + data[_CRC_AT + _CRC.size :]


def is_whole(data: bytes) -> bool:
    """Whether a block or a time column has its checksum; nothing else is looked at."""
    if len(data) < _CRC_AT + _CRC.size:
        return False
    (stored,) = _CRC.unpack_from(data, _CRC_AT)
    return stored == _checksum(data)


def _check_sum(reader: Reader, data: bytes) -> None:
    if not is_whole(data):
        raise reader.damaged("does not have its checksum")


def _checksum(data: bytes) -> int:
    view = memoryview(data)
    return zlib.crc32(view[_CRC_AT + _CRC.size :], zlib.crc32(view[:_CRC_AT]))

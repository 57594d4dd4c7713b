"""Small records with a checksum in front, so that a damaged one is never believed."""

from __future__ import annotations

import zlib
from typing import Final

from labmon.datastream.exceptions import DamagedBlock

_LENGTH: Final = 4


def with_checksum(data: bytes) -> bytes:
    """The data behind its CRC32."""
    return zlib.crc32(data).to_bytes(_LENGTH, "little") + data


def without_checksum(record: bytes, which: str) -> bytes:
    """The data of a record.

    Raises:
        DamagedBlock: it is not what was written; `which` names it.
    """
    data = record[_LENGTH:]
    if len(record) < _LENGTH or zlib.crc32(data).to_bytes(_LENGTH, "little") != record[:_LENGTH]:
        raise DamagedBlock(which, "the checksum is wrong")
    return data

"""Blocks and time columns as bytes: encode, decode, look at the header (see docs/format.md).

Time columns stand apart from the blocks and are addressed by their content, because channels that
are read in one poll share theirs. The trap: whatever bytes come in, the answer is the right table
or `DamagedBlock`, never a wrong value, another exception, or memory beyond what the count allows.

    address = time_address(table)                      # raw: of t; rollups: of t and TIME_FIELDS
    store(address, encode_times(table)), store(block_id, encode_block(table, granularity, address))
    times = decode_times(load(read_header(data).address)); decode_block(data, times)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.datastream.granularity import Granularity
    from labmon.datastream.rollups import Rollups

MAX_ROWS: Final = 1 << 20
"""What one block may hold; a header that tells of more is damaged."""

Times = dict[str, "NDArray[np.int64]"]
"""The time columns of a table: `t` of raw, `t` and the TIME_FIELDS of rollups."""


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
    raise NotImplementedError


def encode_times(table: Columns | Rollups) -> bytes:
    """The time columns of a table as bytes that stand alone, with their address inside."""
    raise NotImplementedError


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
    raise NotImplementedError


def encode_block(
    table: Columns | Rollups, granularity: Granularity, address: bytes | None = None
) -> bytes:
    """A table as a block, whose times are stored apart under `address`, or inside if None.

    Raises:
        ValueError: the table is empty, or has more than MAX_ROWS rows.
    """
    raise NotImplementedError


def read_header(data: bytes, *, which: str = "block") -> BlockHeader:
    """What a block says of itself; its checksum is not looked at.

    Raises:
        DamagedBlock: this is no block, or of an unknown version.
    """
    raise NotImplementedError


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
    """
    raise NotImplementedError


def decode_raw(data: bytes, times: Times | None = None, *, which: str = "block") -> Columns:
    """The datapoints of a block; DamagedBlock also where it holds rollups."""
    raise NotImplementedError


def decode_rollups(
    data: bytes,
    times: Times | None = None,
    *,
    fields: Collection[str] | None = None,
    which: str = "block",
) -> Rollups:
    """The rollups of a block (of either kind); DamagedBlock also where it holds datapoints."""
    raise NotImplementedError

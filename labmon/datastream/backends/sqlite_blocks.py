"""Blocks in a SQLite store: a row for each, and apart from it the body, in a pack or alone.

`owner` is a checksum of the key under which something was stored: it ties what a row holds to that
key. The trap: a flipped bit in a key would else put a sound block under another stream.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.backends import sqlite_packs as packs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from labmon.datastream.backends.base import BlockKey, BlockOutline, BlockRow

ELSEWHERE: Final = 0
"""In the place of a body's number: it is still in a database that was set aside."""
_THIS: Final = "stream = ? AND granularity = ? AND ordinal = ? AND generation = ?"
BODY: Final = (
    "SELECT blocks.body, bodies.id, bodies.owner, bodies.body FROM blocks"
    f" LEFT JOIN bodies ON bodies.id = ({packs.ROW_OF} blocks.body) WHERE {_THIS}"
)
"""What `body_in` takes, by the key of a block."""


def owner_of(*key: object) -> int:
    """What is stored beside something that is stored under a key."""
    return zlib.crc32(repr(key).encode())


def owned(data: bytes, owner: int, *key: object) -> bytes:
    """The data, or nothing if it was stored under another key: nothing fits no checksum."""
    return data if owner == owner_of(*key) else b""


def body_in(row: tuple[Any, ...], key: BlockKey) -> bytes | None:
    """The body in a row of `BODY`; None: missing; no bytes: that of another block, or damaged."""
    number, last, owner, data = row
    if last is None:
        return None
    if not isinstance(number, int) or not isinstance(data, bytes):
        return b""
    found = packs.find(number, last, packs.Body(owner, data))
    return None if found is None else owned(found.data, found.owner, *key)


def write(connection: sqlite3.Connection, blocks: Iterable[BlockRow]) -> None:
    """Write blocks, also in the place of what is there under their keys."""
    # those of one granularity are removed at about the same time, so they are packed together
    blocks = sorted(blocks, key=lambda row: row.outline.key.granularity)
    keys = [row.outline.key for row in blocks]
    replaced = [number for key in keys for number, _ in _found(connection, _THIS, key)]
    numbers = packs.write(
        connection, [packs.Body(owner_of(*row.outline.key), row.body) for row in blocks]
    )
    connection.executemany(
        "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*key, *row.outline[1:], number)
            for key, row, number in zip(keys, blocks, numbers, strict=True)
        ],
    )
    packs.remove(connection, replaced)


def write_elsewhere(connection: sqlite3.Connection, outlines: Iterable[BlockOutline]) -> None:
    """Blocks whose bodies are still in a database that was set aside."""
    connection.executemany(
        "INSERT OR IGNORE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        ((*key, *rest, ELSEWHERE) for key, *rest in outlines),
    )


def bring_home(connection: sqlite3.Connection, key: BlockKey, body: bytes) -> bool:
    """Give a block its body, if it is still there without one; returns whether it was."""
    (number,) = packs.write(connection, [packs.Body(owner_of(*key), body)])
    updated = connection.execute(
        f"UPDATE blocks SET body = ? WHERE {_THIS} AND body = {ELSEWHERE}", (number, *key)
    )
    if not updated.rowcount:  # removed, or replaced by another generation
        packs.remove(connection, [number])
    return bool(updated.rowcount)


def remove(
    connection: sqlite3.Connection, keys: Iterable[BlockKey], streams: Iterable[int]
) -> None:
    """Remove blocks, all blocks of some streams, and the time columns that are left alone then."""
    conditions = [(_THIS, key) for key in keys] + [("stream = ?", (one,)) for one in streams]
    found: list[tuple[Any, Any]] = []
    for which, values in conditions:
        found += _found(connection, which, values)
        connection.execute(f"DELETE FROM blocks WHERE {which}", values)
    packs.remove(connection, [number for number, _ in found])
    connection.executemany(
        "DELETE FROM times WHERE address = ?1"
        " AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocks.times = ?1)",
        {(address,) for _, address in found if address is not None},
    )


def _found(
    connection: sqlite3.Connection, which: str, values: tuple[object, ...]
) -> list[tuple[Any, Any]]:
    """(number of the body, address of the time column) of the blocks of a condition."""
    return connection.execute(
        f"SELECT CAST(body AS INTEGER), times FROM blocks WHERE {which}", values
    ).fetchall()

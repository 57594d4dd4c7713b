"""The bodies of blocks in a SQLite store: small ones that come together share a row.

A page of 4 KiB holds a single row of 2.3 KB, and the rest of it stays empty; the channels of a
device seal blocks of that size together. So they are packed: a row has the number of its last body,
and begins with a directory (see docs/format.md). The trap: the blocks of a pack are removed one by
one, so a body is marked as gone first, and bytes go when more than half of the pack is.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

PACK_BYTES: Final = 32 << 10
"""No more goes into a pack: whoever reads one body reads all of them."""
ROW_OF: Final = "SELECT min(behind.id) FROM bodies AS behind WHERE behind.id >="
"""The row that has the body of a number, if any has it."""

MAGIC: Final = b"LMPK"
_HEAD: Final = struct.Struct("<4sI")  # magic, count
_PLACE: Final = struct.Struct("<IIB")  # owner, where the body ends, whether it is gone


class Body(NamedTuple):
    """A body and what ties it to its key, see `sqlite_rows`; in a pack it may be gone."""

    owner: int
    data: bytes
    is_gone: bool = False


def find(number: int, last: int, row: Body) -> Body | None:
    """The body of a number, in the row that `ROW_OF` tells; None: it is not there."""
    count = _count(row.data)
    if not count:
        return row if number == last else None
    at = number - last + count - 1
    if at < 0:
        return None
    owner, end, is_gone = _place(row.data, at)
    start = _place(row.data, at - 1)[1] if at else 0
    first = _HEAD.size + count * _PLACE.size
    return None if is_gone else Body(owner, row.data[first + start : first + end])


def write(connection: sqlite3.Connection, bodies: Sequence[Body]) -> range:
    """Store bodies, in the transaction of the caller; returns their numbers."""
    (before,) = connection.execute("SELECT ifnull(max(id), 0) FROM bodies").fetchone()
    last = before
    for group in _groups(bodies):
        last += len(group)
        owner, data = (0, packed(group)) if len(group) > 1 else group[0][:2]
        # a damaged page may tell of a last number that is not the last one: owners tell them apart
        connection.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)", (last, owner, data))
    return range(before + 1, last + 1)


def remove(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Remove bodies, in the transaction of the caller; what is not there is left out."""
    left = sorted(set(numbers))
    while left:
        row = connection.execute(
            "SELECT id, body FROM bodies WHERE id >= ? ORDER BY id LIMIT 1", left[:1]
        ).fetchone()
        if row is None:
            return
        last, data = row
        until = bisect_right(left, last)
        if isinstance(data, bytes) and data.startswith(MAGIC):
            _remove_from_pack(connection, last, data, left[:until])
        elif left[until - 1] == last:
            connection.execute("DELETE FROM bodies WHERE id = ?", (last,))
        left = left[until:]


def _remove_from_pack(
    connection: sqlite3.Connection, last: int, data: bytes, numbers: Iterable[int]
) -> None:
    bodies = unpacked(data)
    if packed(bodies) != data:  # the directory is damaged: who knows what would be removed
        return
    for number in numbers:
        at = number - last + len(bodies) - 1
        if at >= 0:
            bodies[at] = bodies[at]._replace(is_gone=True)
    left = sum(len(body.data) for body in bodies if not body.is_gone)
    if all(body.is_gone for body in bodies):
        connection.execute("DELETE FROM bodies WHERE id = ?", (last,))
    elif 2 * left < sum(len(body.data) for body in bodies):
        bodies = [body._replace(data=b"") if body.is_gone else body for body in bodies]
        connection.execute("UPDATE bodies SET body = ? WHERE id = ?", (packed(bodies), last))
    else:  # writes one page, not all of the pack
        with connection.blobopen("bodies", "body", last) as blob:
            blob.write(_directory(bodies))


def _groups(bodies: Iterable[Body]) -> Iterator[list[Body]]:
    """Those that share a row."""
    group: list[Body] = []
    room = PACK_BYTES
    for body in bodies:
        if group and len(body.data) > room:
            yield group
            group, room = [], PACK_BYTES
        group.append(body)
        room -= len(body.data)
    if group:
        yield group


def packed(bodies: Sequence[Body]) -> bytes:
    """Bodies as one row has them."""
    return b"".join([_directory(bodies), *(body.data for body in bodies)])


def _directory(bodies: Sequence[Body]) -> bytes:
    ends = accumulate(len(body.data) for body in bodies)
    places = (
        _PLACE.pack(body.owner, end, body.is_gone) for body, end in zip(bodies, ends, strict=True)
    )
    return b"".join([_HEAD.pack(MAGIC, len(bodies)), *places])


def unpacked(data: bytes) -> list[Body]:
    """All bodies of a pack, if it is a sound one."""
    count = _count(data)
    first = _HEAD.size + count * _PLACE.size
    bodies: list[Body] = []
    start = 0
    for at in range(count):
        owner, end, is_gone = _place(data, at)
        bodies.append(Body(owner, data[first + start : first + end], bool(is_gone)))
        start = end
    return bodies


def _count(data: bytes) -> int:
    """How many bodies a pack has; 0: this is none, or a damaged one."""
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        return 0
    _, count = _HEAD.unpack_from(data)
    first = _HEAD.size + count * _PLACE.size
    return count if first <= len(data) else 0


def _place(data: bytes, at: int) -> tuple[int, int, int]:
    """(owner, end, whether it is gone) of a body of a pack."""
    return _PLACE.unpack_from(data, _HEAD.size + at * _PLACE.size)

"""Rows of a SQLite store: written, removed, and read back as far as they can be believed.

SQLite believes its pages, so rows are checked here: `owner` ties what is stored in a row to the key
that it was stored under. The trap: a flipped bit in a key would else put a sound block under
another stream; and a damaged page ends a scan, so what lies behind it is read from the other end.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from labmon.datastream.backends import sqlite_blocks as blocks
from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.base import (
    RAW,
    BlockKey,
    BlockOutline,
    Change,
    Contents,
    EntryKey,
    EntryRow,
    EpochRow,
    StreamRow,
    StreamSize,
    first_bodies,
)
from labmon.datastream.backends.sqlite_blocks import owned, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

Row = tuple[Any, ...]


class Table(NamedTuple):
    """What is read of a table: its columns with their types, the key first."""

    name: str
    columns: dict[str, type | tuple[type, ...]]
    key: tuple[str, ...]


STREAMS: Final = Table(
    "streams", {"number": int, "id": str, "owner": int, "document": bytes}, ("number",)
)
STATES: Final = Table("states", {"stream": int, "owner": int, "state": bytes}, ("stream",))
EPOCHS: Final = Table("epochs", {"epoch": int, "started_ns": int, "last_seq": int}, ("epoch",))
CURSORS: Final = Table("cursors", {"name": str, "value": bytes}, ("name",))
PROPERTIES: Final = Table("properties", {"name": str, "value": bytes}, ("name",))
JOURNAL: Final = Table(
    "journal",
    dict.fromkeys(("position", "kind", "first_seq", "last_seq", "time_ns"), int),
    ("position",),
)
"""Without the bodies: together they may be long."""
NEEDED: Final = (PROPERTIES, EPOCHS, STREAMS, STATES, JOURNAL, CURSORS)
"""What a start reads."""
OUTLINES: Final = Table(
    "blocks",
    {
        "granularity": str,
        **dict.fromkeys(("ordinal", "generation", "from_ns", "to_ns", "length"), int),
        "through": int,
        "times": (bytes, type(None)),
        "size": int,
    },
    ("granularity", "ordinal", "generation"),
)
TIMES: Final = Table("times NOT INDEXED", {"id": int, "address": bytes}, ("id",))

ERRORS: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises: messages that quote a damaged schema may be no text at all."""


def is_corrupt(error: BaseException) -> bool:
    """Whether SQLite says that the file is damaged, rather than busy, full or away."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    is_damage = code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return is_damage or isinstance(error, UnicodeDecodeError | schema.DamagedSchema)


def is_unreadable(error: BaseException) -> bool:
    """Whether a statement that reads failed for damage, and not for what may pass.

    Of the statements here SQLite can only complain where the schema is not what it was.
    """
    is_misread = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return is_corrupt(error) or is_misread


_REFUSALS: Final = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
    }
)


def is_refusal(error: sqlite3.Error) -> bool:
    """Whether SQLite would say the same of this statement at any time."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the module itself, before SQLite saw it: values of a wrong kind
        return isinstance(error, sqlite3.InterfaceError | sqlite3.DataError)
    return not is_corrupt(error) and code & 0xFF in _REFUSALS


def is_full(error: BaseException) -> bool:
    """Whether there is no room for more on the disk."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF == sqlite3.SQLITE_FULL


class Reading:
    """Reads tables of one connection; what is damaged is left out, and remembered.

    Attributes:
        damage: what could not be read, for people; each place once.
        is_corrupt: whether pages are damaged, so that nothing more should be written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.damage: dict[str, str] = {}
        self.is_corrupt = False
        self._times: dict[bytes, int] | None = None

    def rows(self, table: Table, where: str = "1", values: Sequence[object] = ()) -> list[Row]:
        """The rows of a condition in the order of their key."""
        found: list[Row] = []
        try:
            self._scan(table, where, values, "ASC", found)
        except ERRORS as error:
            self._note(table.name, error)
            found += self._from_the_end(table, where, values, len(found), set(found))
        return [row for row in found if self._is_intact(table, row)]

    def _from_the_end(
        self, table: Table, where: str, values: Sequence[object], have: int, known: set[Row]
    ) -> list[Row]:
        behind: list[Row] = []
        try:
            self._scan(table, where, values, "DESC", behind)
        except ERRORS as error:
            self._note(table.name, error)
        return [row for row in reversed(behind) if row not in known]

    def _note(self, place: str, error: Exception) -> None:
        if not is_unreadable(error):
            raise error
        self.is_corrupt = True
        if place not in self.damage:
            log.error("the database is damaged: %s: %s", place, error)
            self.damage[place] = f"{place}: {error}"

    def _scan(
        self, table: Table, where: str, values: Sequence[object], direction: str, found: list[Row]
    ) -> None:
        order = ", ".join(f"{name} {direction}" for name in table.key)
        found.extend(
            self.connection.execute(
                f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {where}"
                f" ORDER BY {order}",
                values,
            )
        )

    def _is_intact(self, table: Table, row: Row) -> bool:
        kinds = table.columns.values()
        if all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True)):
            return True
        place = f"{table.name} {row[0]!r}"
        self.damage.setdefault(place, f"{place}: a value of another type than was written")
        return False

    def one(self, statement: str, values: Sequence[object], place: str = "a block") -> Row | None:
        """The row of a key, None where it is missing or cannot be read."""
        try:
            return self.connection.execute(statement, values).fetchone()
        except ERRORS as error:
            self._note(place, error)
            return None

    def contents(self) -> Contents:
        """What an engine needs to know at the start."""
        epochs = [EpochRow(*row) for row in self.rows(EPOCHS)]
        node = dict(self.rows(PROPERTIES)).get("node")
        if self.damage:  # an epoch must never come twice, so without knowing them be somebody else
            node = None
        return Contents(
            None if node is None else node.decode("ascii", "replace"),
            epochs,
            [
                StreamRow(number, id_, owned(document, owner, number, id_))
                for number, id_, owner, document in self.rows(STREAMS)
            ],
            {number: owned(state, owner, number) for number, owner, state in self.rows(STATES)},
            self.journal(),
        )

    def journal(self) -> list[EntryRow]:
        """All journal entries, without their bodies."""
        return [
            EntryRow(
                EntryKey(at >> 40, at & (1 << 40) - 1), kind, first_seq, last_seq, time_ns, b""
            )
            for at, kind, first_seq, last_seq, time_ns in self.rows(JOURNAL)
        ]

    def entries(self, keys: Sequence[EntryKey]) -> list[bytes]:
        """The bodies of the first of some journal entries."""
        return first_bodies(map(self._entry, keys))

    def _entry(self, key: EntryKey) -> bytes:
        row = self.one("SELECT body FROM journal WHERE position = ?", (position(key),), "journal")
        return row[0] if row is not None and isinstance(row[0], bytes) else b""

    def outlines(self, stream: int, granularity: str) -> list[BlockOutline]:
        """The blocks of a stream at one granularity."""
        return _outlines(
            stream, self.rows(OUTLINES, "stream = ? AND granularity = ?", (stream, granularity))
        )

    def all_outlines(self, stream: int) -> list[BlockOutline]:
        """The blocks of a stream, of all granularities."""
        return _outlines(stream, self.rows(OUTLINES, "stream = ?", (stream,)))

    def body(
        self, key: BlockKey, elsewhere: Callable[[BlockKey], bytes | None] = lambda _: None
    ) -> bytes | None:
        """The body of a block; no bytes at all where it is that of another one, or damaged.

        Args:
            key: of the block.
            elsewhere: asked for the body where it is still in a database that was set aside.
        """
        row = self.one(blocks.BODY, key)
        if row is None:
            return None
        return elsewhere(key) if row[0] == blocks.ELSEWHERE else blocks.body_in(row, key)

    def times(self, address: bytes) -> bytes | None:
        """A time column; its address is that of its bytes, so nothing else is to be checked."""
        row = self.one("SELECT body FROM times WHERE address = ?", (address,))
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    def times_without_index(self, address: bytes) -> bytes | None:
        """A time column where the index of addresses may be damaged: all rows are read."""
        if self._times is None:
            self._times = {found: number for number, found in self.rows(TIMES)}
        row = self.one("SELECT body FROM times WHERE id = ?", (self._times.get(address),))
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    def cursors(self, prefix: str) -> dict[str, bytes]:
        """The cursors whose names begin with a prefix."""
        return dict(self.rows(CURSORS, "substr(name, 1, ?) = ?", (len(prefix), prefix)))


_SIZES: Final = f"""
SELECT stream, sum(size * (granularity = '{RAW}')), sum(size * (granularity <> '{RAW}')),
sum(length * (granularity = '{RAW}')) FROM blocks GROUP BY stream
"""
# `times` of blocks is indexed together with the key, so no row of a block is read
_TIMES: Final = """
SELECT stream, sum(share) FROM blocks JOIN (
    SELECT times AS address,
    1.0 * (SELECT length(body) FROM times WHERE address = blocks.times) / count(*) AS share
    FROM blocks WHERE times IS NOT NULL GROUP BY times)
ON address = blocks.times GROUP BY stream
"""


def sizes(connection: sqlite3.Connection) -> dict[int, StreamSize]:
    """What each stream with blocks takes, by its number."""
    shares = {number: share or 0.0 for number, share in connection.execute(_TIMES)}
    return {
        number: StreamSize(raw, rollups, shares.get(number, 0.0), datapoints)
        for number, raw, rollups, datapoints in connection.execute(_SIZES)
    }


def _outlines(stream: int, found: Sequence[Row]) -> list[BlockOutline]:
    return [
        BlockOutline(BlockKey(stream, granularity, ordinal, generation), *rest)
        for granularity, ordinal, generation, *rest in found
    ]


def position(key: EntryKey) -> int:
    """A key as one integer that ascends with it."""
    return key.epoch << 40 | key.number


def write(connection: sqlite3.Connection, change: Change) -> None:
    """Everything of a change but its removals."""
    put = connection.executemany
    if change.node is not None:
        put("INSERT OR REPLACE INTO properties VALUES ('node', ?)", [(change.node.encode(),)])
    if change.epochs:
        put("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", change.epochs)
    if change.streams:
        put(
            "INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?)",
            [
                (row.number, row.id, owner_of(row.number, row.id), row.document)
                for row in change.streams
            ],
        )
    if change.entries:
        put(
            "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?, ?, ?)",
            [(position(key), *rest) for key, *rest in change.entries],
        )
    if change.times:
        put("INSERT OR IGNORE INTO times(address, body) VALUES (?, ?)", change.times.items())
    if change.blocks:
        blocks.write(connection, change.blocks)
    if change.states:
        put(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?)",
            [(number, owner_of(number), state) for number, state in change.states.items()],
        )
    for name, cursor in change.cursors.items():
        if cursor is None:
            connection.execute("DELETE FROM cursors WHERE name = ?", (name,))
        else:
            connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (name, cursor))


def remove(connection: sqlite3.Connection, change: Change) -> None:
    """The removals of a change."""
    if change.removed_entries:
        connection.executemany(
            "DELETE FROM journal WHERE position = ?",
            [(position(key),) for key in change.removed_entries],
        )
    if change.removed_blocks or change.removed_streams:  # most commits remove nothing
        blocks.remove(connection, change.removed_blocks, change.removed_streams)
        streams = [(number,) for number in change.removed_streams]
        connection.executemany("DELETE FROM states WHERE stream = ?", streams)
        connection.executemany("DELETE FROM streams WHERE number = ?", streams)

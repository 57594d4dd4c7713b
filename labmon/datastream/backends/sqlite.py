"""The default store: one SQLite file in WAL mode, written by one thread.

Reads have a thread and a connection of their own and never wait for the writer. The trap: after a
failed commit or fsync the connection is thrown away, because what it believes to be on disk may
not be there; the same change is then applied again on a fresh one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.base import (
    Backend,
    BlockKey,
    BlockOutline,
    BlockRow,
    Change,
    Contents,
    EntryKey,
    EntryRow,
    EpochRow,
    StreamRow,
)
from labmon.datastream.backends.filelock import FileLock
from labmon.datastream.exceptions import StoreReadOnly, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

Result = TypeVar("Result")

CACHE_KIB = 4096
"""Page cache of a connection; the engine caches what it has decoded."""
SYNC_S = 1.0
"""A relaxed store is synced so long after a commit: a power cut takes that much."""
CHUNK = 500
"""Rows asked for by one statement."""


class SqliteBackend(Backend):
    """One database file; awaited on the event loop, works on its own two threads.

    Args:
        path: the database file; beside it stand `-wal`, `-shm` and the lock file.
        is_relaxed: the last second may be lost in a power cut (not in a crash of the process).
    """

    def __init__(self, path: Path, *, is_relaxed: bool = False) -> None:
        path = path.resolve()  # by whatever name it is called: SQLite and the lock go by the file
        self._path = path
        self._is_relaxed = is_relaxed
        self._is_read_only = False
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._writer: ThreadPoolExecutor | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._write_connection: sqlite3.Connection | None = None
        self._read_connection: sqlite3.Connection | None = None
        self._is_doubtful = False
        self._sync_timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None

    async def open(self, *, read_only: bool = False) -> Contents:
        """Open or make the file; a read-only store is one snapshot for as long as it is open."""
        self._is_read_only = read_only
        self._reader = ThreadPoolExecutor(1, "datastream-read")
        self._writer = ThreadPoolExecutor(1, "datastream-write")
        try:
            if not read_only:
                await self._run(self._writer, self._open_for_writing)
            return await self._run(self._reader, self._open_for_reading)
        except BaseException:
            await self.close()
            raise

    def _open_for_writing(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(self._path)
        schema.check_file(self._path)
        schema.make_file(self._path)
        self._write_connection = schema.connect_for_writing(
            self._path, is_relaxed=self._is_relaxed, cache_kib=CACHE_KIB
        )

    def _open_for_reading(self) -> Contents:
        schema.check_file(self._path, must_exist=True)
        connection = schema.connect_for_reading(self._path, cache_kib=CACHE_KIB)
        self._read_connection = connection
        connection.execute("BEGIN")
        contents = _contents(connection)
        if not self._is_read_only:  # else the transaction stays open: it is the snapshot
            connection.execute("COMMIT")
        return contents

    async def close(self) -> None:
        """Close both connections, give the lock back and end the threads."""
        if self._sync_timer is not None:
            self._sync_timer.cancel()
            self._sync_timer = None
        if self._reader is not None:
            await self._run(self._reader, self._close_reader)
            self._reader.shutdown(wait=False)
            self._reader = None
        if self._writer is not None:
            await self._run(self._writer, self._close_writer)
            self._writer.shutdown(wait=False)
            self._writer = None

    def _close_reader(self) -> None:
        if self._read_connection is not None:
            self._read_connection.close()
            self._read_connection = None

    def _close_writer(self) -> None:
        self._drop_write_connection()
        self._lock.release()

    def _drop_write_connection(self) -> None:
        if self._write_connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._write_connection.close()
            self._write_connection = None

    async def apply(self, change: Change) -> None:
        """Write a change in one transaction."""
        if self._is_read_only or self._writer is None:
            raise StoreReadOnly(f"{self._path} is open for reading only")
        await self._run(self._writer, lambda: self._apply(change))
        if self._is_relaxed and self._sync_timer is None:
            self._sync_timer = asyncio.get_running_loop().call_later(SYNC_S, self._sync_relaxed)

    def _sync_relaxed(self) -> None:
        self._sync_timer = None
        if self._writer is not None:
            loop = asyncio.get_running_loop()
            self._syncing = loop.run_in_executor(self._writer, self._sync_or_say)

    def _sync_or_say(self) -> None:
        try:
            schema.sync_wal(self._path)
        except OSError as error:
            log.warning("%s could not be synced: %s", self._path, error)

    def _apply(self, change: Change) -> None:
        connection = self._write_connection
        if connection is None:
            connection = self._write_connection = schema.connect_for_writing(
                self._path, is_relaxed=self._is_relaxed, cache_kib=CACHE_KIB
            )
            self._is_doubtful = True
        try:
            if self._is_doubtful:
                # what was written before a failed sync may be in the kernel's memory alone, and the
                # WAL would end there after a power cut: put it all into the database, begin anew
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._is_doubtful = False
            connection.execute("BEGIN IMMEDIATE")
            _write(connection, change)
            _remove(connection, change)
            connection.execute("COMMIT")
            if self._is_relaxed and change.epochs:  # an epoch must never come twice
                schema.sync_wal(self._path)
        except BaseException:
            # never trust this connection again: a failed fsync may have lost what it thinks it has
            self._drop_write_connection()
            raise

    async def read_outlines(self, stream: int, granularity: str) -> list[BlockOutline]:
        """All blocks of one stream at one granularity, by ordinal and generation."""
        rows = await self._read(
            "SELECT ordinal, generation, from_ns, to_ns, length, through, times, size FROM blocks"
            " WHERE stream = ? AND granularity = ? ORDER BY ordinal, generation",
            (stream, granularity),
        )
        return [
            BlockOutline(BlockKey(stream, granularity, ordinal, generation), *rest)
            for ordinal, generation, *rest in rows
        ]

    async def read_blocks(self, keys: Sequence[BlockKey]) -> dict[BlockKey, bytes]:
        """The bodies of blocks; those that do not exist are left out."""
        return await self._run(self._reader, lambda: self._read_blocks(keys))

    def _read_blocks(self, keys: Sequence[BlockKey]) -> dict[BlockKey, bytes]:
        connection = self._connection()
        found: dict[BlockKey, bytes] = {}
        for key in keys:
            try:
                row = connection.execute(
                    "SELECT bodies.body FROM blocks JOIN bodies ON bodies.id = blocks.body"
                    " WHERE stream = ? AND granularity = ? AND ordinal = ? AND generation = ?",
                    key,
                ).fetchone()
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_CORRUPT:
                    raise
                continue  # the pages of this one are damaged, others may be well
            if row is not None:
                found[key] = row[0]
        return found

    async def read_times(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bodies of time columns; those that do not exist are left out."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(addresses), CHUNK):
            chunk = addresses[start : start + CHUNK]
            marks = ",".join("?" * len(chunk))
            found.update(
                await self._read(
                    f"SELECT address, body FROM times WHERE address IN ({marks})",
                    tuple(chunk),
                )
            )
        return found

    async def read_entries(self, after: EntryKey) -> list[EntryRow]:
        """The journal entries after a key, in order."""
        return _entries(
            await self._read(
                f"{_SELECT_ENTRIES} WHERE position > ? ORDER BY position", (_position(after),)
            )
        )

    async def read_cursors(self, prefix: str = "") -> dict[str, bytes]:
        """The cursors whose names begin with a prefix."""
        rows = await self._read(
            "SELECT name, value FROM cursors WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
        )
        return dict(rows)

    async def size_bytes(self) -> int:
        """Pages of the database that are in use, without the WAL."""
        return (
            await self._read(
                "SELECT (page_count - freelist_count) * page_size"
                " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
            )
        )[0][0]

    async def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple]:
        return await self._run(
            self._reader, lambda: self._connection().execute(statement, values).fetchall()
        )

    def _connection(self) -> sqlite3.Connection:
        if self._read_connection is None:
            raise StoreUnavailable(f"{self._path} is closed")
        return self._read_connection

    async def _run(self, executor: ThreadPoolExecutor | None, work: Callable[[], Result]) -> Result:
        if executor is None:
            raise StoreUnavailable(f"{self._path} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except sqlite3.Error as error:
            reason = getattr(error, "sqlite_errorname", type(error).__name__)
            raise StoreUnavailable(f"{self._path}: {error} ({reason})") from error
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error


_SELECT_ENTRIES = "SELECT position, kind, first_seq, last_seq, time_ns, body FROM journal"


def _position(key: EntryKey) -> int:
    return key.epoch << 40 | key.number


def _entries(rows: list[tuple]) -> list[EntryRow]:
    return [
        EntryRow(EntryKey(position >> 40, position & (1 << 40) - 1), *rest)
        for position, *rest in rows
    ]


def _contents(connection: sqlite3.Connection) -> Contents:
    node = connection.execute("SELECT value FROM properties WHERE name = 'node'").fetchone()
    select = connection.execute
    return Contents(
        node[0].decode() if node else None,
        [
            EpochRow(*row)
            for row in select("SELECT epoch, started_ns, last_seq FROM epochs ORDER BY epoch")
        ],
        [
            StreamRow(*row)
            for row in select("SELECT number, id, document FROM streams ORDER BY number")
        ],
        dict(select("SELECT stream, state FROM states")),
        _entries(select(f"{_SELECT_ENTRIES} ORDER BY position").fetchall()),
    )


def _write(connection: sqlite3.Connection, change: Change) -> None:
    put = connection.executemany
    if change.node is not None:
        put("INSERT OR REPLACE INTO properties VALUES ('node', ?)", [(change.node.encode(),)])
    if change.epochs:
        put("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", change.epochs)
    if change.streams:
        put("INSERT OR REPLACE INTO streams VALUES (?, ?, ?)", change.streams)
    if change.entries:
        put(
            "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?, ?, ?)",
            [(_position(key), *rest) for key, *rest in change.entries],
        )
    if change.times:
        put("INSERT OR IGNORE INTO times(address, body) VALUES (?, ?)", change.times.items())
    for row in change.blocks:
        _write_block(connection, row)
    if change.states:
        put("INSERT OR REPLACE INTO states VALUES (?, ?)", change.states.items())
    for name, cursor in change.cursors.items():
        if cursor is None:
            connection.execute("DELETE FROM cursors WHERE name = ?", (name,))
        else:
            connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (name, cursor))


_THIS_BLOCK = "stream = ? AND granularity = ? AND ordinal = ? AND generation = ?"


def _write_block(connection: sqlite3.Connection, row: BlockRow) -> None:
    key, *rest = row.outline
    old = connection.execute(f"SELECT body FROM blocks WHERE {_THIS_BLOCK}", key).fetchone()
    body = connection.execute(
        "INSERT OR REPLACE INTO bodies VALUES (?, ?)", (old[0] if old else None, row.body)
    ).lastrowid
    connection.execute(
        "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*key, *rest, body),
    )


def _remove(connection: sqlite3.Connection, change: Change) -> None:
    addresses: set[bytes] = set()
    if change.removed_entries:
        connection.executemany(
            "DELETE FROM journal WHERE position = ?",
            [(_position(key),) for key in change.removed_entries],
        )
    for key in change.removed_blocks:
        addresses |= _remove_blocks(connection, _THIS_BLOCK, key)
    for number in change.removed_streams:
        addresses |= _remove_blocks(connection, "stream = ?", (number,))
        connection.execute("DELETE FROM states WHERE stream = ?", (number,))
        connection.execute("DELETE FROM streams WHERE number = ?", (number,))
    connection.executemany(
        "DELETE FROM times WHERE address = ?1"
        " AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocks.times = ?1)",
        [(address,) for address in addresses],
    )


def _remove_blocks(
    connection: sqlite3.Connection, which: str, values: tuple[object, ...]
) -> set[bytes]:
    """Remove the blocks of a condition; returns the time columns that they referred to."""
    rows = connection.execute(f"SELECT body, times FROM blocks WHERE {which}", values).fetchall()
    connection.executemany("DELETE FROM bodies WHERE id = ?", [(body,) for body, _ in rows])
    connection.execute(f"DELETE FROM blocks WHERE {which}", values)
    return {times for _, times in rows if times is not None}

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

from labmon.datastream.backends import sqlite_quarantine as quarantine
from labmon.datastream.backends import sqlite_rows as rows
from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.base import (
    Backend,
    BlockKey,
    BlockOutline,
    Change,
    Contents,
    EntryKey,
    EntryRow,
)
from labmon.datastream.backends.filelock import FileLock
from labmon.datastream.backends.sqlite_quarantine import Attic
from labmon.datastream.exceptions import (
    ChangeRefused,
    NotADatastream,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

Result = TypeVar("Result")

CACHE_KIB = 4096
"""Page cache of a connection; the engine caches what it has decoded."""
SYNC_S = 1.0
"""A relaxed store is synced so long after a commit: a power cut takes that much."""


class _DamagedFile(StoreUnavailable):
    """SQLite found damaged pages."""


class SqliteBackend(Backend):
    """One database file; awaited on the event loop, works on its own two threads.

    Args:
        path: the database file; beside it stand `-wal`, `-shm` and the lock file.
        is_relaxed: the last second may be lost in a power cut (not in a crash of the process).
    """

    def __init__(self, path: Path, *, is_relaxed: bool = False) -> None:
        path = path.resolve()  # by whatever name it is called: SQLite and the lock go by the file
        self._path = path
        self.folder = path.parent
        self._is_relaxed = is_relaxed
        self._is_read_only = False
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._writer: ThreadPoolExecutor | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._write_connection: sqlite3.Connection | None = None
        self._is_doubtful = False
        self._is_damaged = False
        self._reading: rows.Reading | None = None
        self._attic: Attic | None = None
        self._set_aside: list[str] = []
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
            contents = await self._run(self._reader, self._open_for_reading)
            if self._is_damaged and not read_only:
                contents = await self._begin_anew("pages are damaged")
        except BaseException:
            await self.close()
            raise
        return contents

    @property
    def damage(self) -> list[str]:
        """What was found damaged since the start, for people."""
        return [*self._set_aside, *(self._reading.damage.values() if self._reading else ())]

    def _open_for_writing(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(self._path)
        try:
            schema.check_file(self._path)
            if schema.is_missing(self._path):
                quarantine.make(self._path)
            self._connect_for_writing()
        except (NotADatastream, *rows.ERRORS) as error:
            is_ours = isinstance(error, NotADatastream) and schema.was_ours(self._path)
            if not is_ours and not rows.is_corrupt(error):
                raise
            self._replace(str(error), Change())
            self._connect_for_writing()

    def _connect_for_writing(self) -> sqlite3.Connection:
        self._write_connection = schema.connect_for_writing(
            self._path, is_relaxed=self._is_relaxed, cache_kib=CACHE_KIB
        )
        return self._write_connection

    def _open_for_reading(self) -> Contents:
        schema.check_file(self._path, must_exist=True)
        connection = schema.connect_for_reading(self._path, cache_kib=CACHE_KIB)
        self._reading = rows.Reading(connection)
        self._attic = Attic(self._path)
        connection.execute("BEGIN")
        contents = self._reading.contents()
        self._is_damaged = self._reading.is_corrupt
        if not self._is_read_only:  # else the transaction stays open: it is the snapshot
            with contextlib.suppress(sqlite3.Error):  # damage ends it by itself
                connection.execute("ROLLBACK")
        return contents

    async def close(self) -> None:
        """Close both connections, give the lock back and end the threads."""
        if self._sync_timer is not None:
            self._sync_timer.cancel()
            self._sync_timer = None
        if self._reader is not None:
            await self._look_before_closing()
            await self._run(self._reader, self._close_reader)
            self._reader.shutdown(wait=False)
            self._reader = None
        if self._writer is not None:
            await self._run(self._writer, self._close_writer)
            self._writer.shutdown(wait=False)
            self._writer = None

    async def _look_before_closing(self) -> None:
        """Now everything is still in memory, and could be said again."""
        if self.restate is None or self._is_read_only:
            return
        try:
            await self._run(self._reader, self._look)
            if self._is_damaged:
                await self._begin_anew("pages are damaged")
        except StoreUnavailable as error:
            log.error("%s", error)  # noqa: TRY400 - it is closed all the same

    def _look(self) -> None:
        """See whether the tables that a start needs can be read, past what is cached."""
        self._is_damaged |= quarantine.is_damaged(self._path)

    def _close_reader(self) -> None:
        if self._reading is not None:
            self._reading.connection.close()
            self._reading = None
        if self._attic is not None:
            self._attic.close()
            self._attic = None

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
        try:
            if not self._is_damaged:
                await self._run(self._writer, lambda: self._apply(change))
        except _DamagedFile as error:
            self._is_damaged = True
            log.error("%s", error)  # noqa: TRY400 - it is dealt with here
        except ChangeRefused:
            await self._run(self._reader, self._look)  # damaged indexes break rules, too
            if not self._is_damaged:
                raise
        if self._is_damaged:
            await self._begin_anew("pages are damaged")
            await self._run(self._writer, lambda: self._apply(change))
        if change.removed_entries:  # from time to time; it is dealt with at the next write
            await self._run(self._reader, self._look)
        if self._is_relaxed and self._sync_timer is None:
            self._sync_timer = asyncio.get_running_loop().call_later(SYNC_S, self._sync_relaxed)

    async def _begin_anew(self, reason: str) -> Contents:
        """Go on in a new file; queries wait meanwhile, and find what is readable in the old one."""
        restated = Change() if self.restate is None else self.restate()
        await self._run(self._writer, self._drop_write_connection)

        def replace() -> Contents:
            self._close_reader()
            self._replace(reason, restated)
            return self._open_for_reading()

        return await self._run(self._reader, replace)

    def _replace(self, reason: str, restated: Change) -> None:
        aside = quarantine.begin_anew(self._path, restated)
        said = f"{self._path} is damaged ({reason}): it was set aside as {aside.name}"
        log.error("%s; recording goes on in a new file, what is readable still answers", said)
        self._set_aside.append(said)

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
            connection = self._connect_for_writing()
            self._is_doubtful = True
        try:
            if self._is_doubtful:
                # what was written before a failed sync may be in the kernel's memory alone, and the
                # WAL would end there after a power cut: put it all into the database, begin anew
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._is_doubtful = False
            connection.execute("BEGIN IMMEDIATE")
            rows.write(connection, change)
            rows.remove(connection, change)
            connection.execute("COMMIT")
            if self._is_relaxed and change.epochs:  # an epoch must never come twice
                schema.sync_wal(self._path)
        except BaseException as error:
            # never trust this connection again: a failed fsync may have lost what it thinks it has
            self._drop_write_connection()
            if isinstance(error, sqlite3.Error) and rows.is_refusal(error):
                raise ChangeRefused(f"{self._path}: {error}") from error
            raise

    async def read_outlines(self, stream: int, granularity: str) -> list[BlockOutline]:
        """All blocks of one stream at one granularity, by ordinal and generation."""

        def read(reading: rows.Reading, attic: Attic) -> list[BlockOutline]:
            found = reading.outlines(stream, granularity)
            return attic.outlines(stream, granularity, found) if attic else found

        return await self._read(read)

    async def read_blocks(self, keys: Sequence[BlockKey]) -> dict[BlockKey, bytes]:
        """The bodies of blocks; those that do not exist are left out."""

        def read(reading: rows.Reading, attic: Attic) -> dict[BlockKey, bytes]:
            found = {key: attic.or_else(reading.body(key), rows.Reading.body, key) for key in keys}
            return {key: body for key, body in found.items() if body is not None}

        return await self._read(read)

    async def read_times(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bodies of time columns; those that do not exist are left out."""

        def read(reading: rows.Reading, attic: Attic) -> dict[bytes, bytes]:
            found = {
                at: attic.or_else(reading.times(at), rows.Reading.times, at) for at in addresses
            }
            return {at: body for at, body in found.items() if body is not None}

        return await self._read(read)

    async def read_entries(self, after: EntryKey) -> list[EntryRow]:
        """The journal entries after a key, in order."""
        return await self._read(lambda reading, _: reading.entries(rows.position(after)))

    async def read_cursors(self, prefix: str = "") -> dict[str, bytes]:
        """The cursors whose names begin with a prefix."""
        return await self._read(lambda reading, _: reading.cursors(prefix))

    async def size_bytes(self) -> int:
        """Pages of the database that are in use, without the WAL."""
        statement = (
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return await self._read(
            lambda reading, _: reading.connection.execute(statement).fetchone()[0]
        )

    async def _read(self, work: Callable[[rows.Reading, Attic], Result]) -> Result:
        def read() -> Result:
            if self._reading is None or self._attic is None:
                raise StoreUnavailable(f"{self._path} is closed")
            try:
                return work(self._reading, self._attic)
            finally:
                self._is_damaged |= self._reading.is_corrupt  # the next write begins a new file

        return await self._run(self._reader, read)

    async def _run(self, executor: ThreadPoolExecutor | None, work: Callable[[], Result]) -> Result:
        if executor is None:
            raise StoreUnavailable(f"{self._path} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            kind = _DamagedFile if rows.is_corrupt(error) else StoreUnavailable
            kind = StoreFull if rows.is_full(error) else kind
            name = getattr(error, "sqlite_errorname", None)
            said = f"{error} ({name})" if name else str(error)
            raise kind(f"{self._path}: {said}") from error

"""The default store: one SQLite file in WAL mode, written by one thread.

Reads (`sqlite_reads`) have a thread and a connection of their own and never wait for the writer. A
damaged file is replaced (`sqlite_quarantine`), a deleted one put back (`sqlite_place`). The trap:
after a failed commit or fsync the connection is thrown away, because what it believes to be on disk
may not be there; the same change is then applied again on a fresh one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from labmon.datastream.backends import sqlite_attic as attics
from labmon.datastream.backends import sqlite_blocks as blocks
from labmon.datastream.backends import sqlite_place as place
from labmon.datastream.backends import sqlite_quarantine as quarantine
from labmon.datastream.backends import sqlite_rows as rows
from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.ballast import Ballast
from labmon.datastream.backends.base import Change, Contents, SetAside
from labmon.datastream.backends.filelock import FileLock
from labmon.datastream.backends.sqlite_attic import Attic
from labmon.datastream.backends.sqlite_place import Misplaced
from labmon.datastream.backends.sqlite_reads import DamagedFile, SqliteReads
from labmon.datastream.exceptions import (
    ChangeRefused,
    NotADatastream,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

CACHE_KIB = 4096
"""Page cache of a connection; the engine caches what it has decoded."""
SYNC_S = 1.0
"""A relaxed store is synced so long after a commit: a power cut takes that much."""


class SqliteBackend(SqliteReads):
    """One database file; awaited on the event loop, works on its own two threads.

    Args:
        path: the database file; beside it stand `-wal`, `-shm` and the lock file.
        is_relaxed: the last second may be lost in a power cut (not in a crash of the process).
    """

    def __init__(self, path: Path, *, is_relaxed: bool = False) -> None:
        path = path.resolve()  # by whatever name it is called: SQLite and the lock go by the file
        super().__init__(path)
        self.folder = path.parent
        self._is_relaxed = is_relaxed
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._writer: ThreadPoolExecutor | None = None
        self._write_connection: sqlite3.Connection | None = None
        self._is_doubtful = False
        self._inode: tuple[int, int] = (0, 0)
        self._salvage_after = attics.FIRST
        self._set_aside = SetAside()
        self._ballast = Ballast(path.with_name(path.name + ".ballast"))
        self._damage: list[str] = []
        self._notices: list[str] = []
        self._turn = asyncio.Lock()
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
        return [*self._damage, *(self._reading.damage.values() if self._reading else ())]

    @property
    def notices(self) -> list[str]:
        """What people should know of the store as it is now, beside what is damaged."""
        if not self._ballast.is_given_up:
            return self._notices
        full = f"the disk of {self._path} is nearly full: labmon has given up its own reserve"
        return [full, *self._notices]

    @property
    def set_aside(self) -> SetAside:
        """What became of databases that were found damaged, also in earlier starts."""
        return self._set_aside

    def _open_for_writing(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(self._path)
        try:
            schema.leave_foreign_wal(self._path)
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
        self._inode = schema.inode_of(connection)
        self._reading = rows.Reading(connection)
        connection.execute("BEGIN")
        contents = self._reading.contents()
        self._open_attic(self._reading)
        self._is_damaged = self._reading.is_corrupt
        if not self._is_read_only:  # else the transaction stays open: it is the snapshot
            with contextlib.suppress(sqlite3.Error):  # damage ends it by itself
                connection.execute("ROLLBACK")
        return contents

    def _open_attic(self, reading: rows.Reading) -> None:
        self._attic = Attic(self._path, attics.salvaged_names(reading))
        self._salvage_after = attics.FIRST
        self._set_aside = self._set_aside._replace(waiting=tuple(self._attic.names))
        self._see_files()

    def _see_files(self) -> None:
        """Somebody may have taken away what was set aside, having seen the message."""
        files = tuple(file.name for file in attics.aside_of(self._path))
        self._set_aside = self._set_aside._replace(files=files)

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
            await self._check_place()
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
        async with self._turn:
            await self._apply_somehow(change)
        if change.removed_entries:  # from time to time; it is dealt with at the next write
            await self._run(self._reader, self._look)
        if self._is_relaxed and self._sync_timer is None:
            self._sync_timer = asyncio.get_running_loop().call_later(SYNC_S, self._sync_relaxed)

    async def _apply_somehow(self, change: Change) -> None:
        """Write a change; what is in the way is dealt with once."""
        try:
            if not self._is_damaged:
                await self._run(self._writer, lambda: self._apply(change))
                return
        except DamagedFile as error:
            self._is_damaged = True
            log.error("%s", error)  # noqa: TRY400 - it is dealt with here
        except Misplaced as error:
            await self._put_back(error)
        except StoreFull as error:
            if not await self._run(self._writer, self._ballast.give_up):
                raise
            log.critical("%s; labmon gives up its own reserve of a few MiB", error)
        except ChangeRefused:
            await self._run(self._reader, self._look)  # damaged indexes break rules, too
            if not self._is_damaged:
                raise
        if self._is_damaged:
            await self._begin_anew("pages are damaged")
        await self._run(self._writer, lambda: self._apply(change))

    async def look_after(self) -> bool:
        """See whether the file is in its place, keep a reserve, and copy what was set aside."""
        if self._is_read_only or self._writer is None:
            return False
        await self._check_place()
        await self._run(self._writer, self._see_files)
        if await self._run(self._writer, self._ballast.refill):
            log.info("a reserve of a few MiB is kept beside %s for a full disk", self._path)
        async with self._turn:  # no other database takes the place of this one meanwhile
            return await self._salvage()

    async def _check_place(self) -> None:
        """See whether the file is where it was; where it is not, it is put back."""
        async with self._turn:
            try:
                await self._run(self._writer, lambda: place.check(self._path, self._inode))
            except Misplaced as error:
                await self._put_back(error)

    async def _salvage(self) -> bool:
        """Copy a few blocks of databases that were set aside; returns whether there are more."""
        if not self._set_aside.waiting or self._is_damaged:
            return False
        after = self._salvage_after
        found = await self._read(lambda reading, attic: attic.find(reading, after))
        await self._run(self._writer, lambda: self._write_salvaged(found))
        if found:
            self._salvage_after = found[-1].key
        else:
            await self._end_salvage()
        return bool(found)

    def _write_salvaged(self, found: list[attics.Salvaged]) -> None:
        with self._transaction() as connection:
            count = attics.write(connection, found)
            if not found:
                attics.write_done(connection, self._set_aside.waiting)
        copied = self._set_aside.copied + count
        self._set_aside = self._set_aside._replace(copied=copied)

    async def _end_salvage(self) -> None:
        names = ", ".join(self._set_aside.waiting)

        def end(reading: rows.Reading, attic: Attic) -> int:
            attic.close()
            missing = f"SELECT count(*) FROM blocks WHERE body = {blocks.ELSEWHERE}"
            return reading.connection.execute(missing).fetchone()[0]

        lost = await self._read(end)
        self._set_aside = self._set_aside._replace(waiting=(), lost=lost)
        log.warning(
            "all that is readable of %s is copied: %d blocks; %d blocks are lost",
            *(names, self._set_aside.copied, lost),
        )

    async def _put_back(self, error: Misplaced) -> None:
        """Put the database back under its name, whole; queries wait meanwhile."""
        log.critical("%s: what is recorded is copied back", error)
        await self._run(self._writer, self._drop_write_connection)

        def put_back() -> None:
            if self._reading is None:
                raise error
            self._lock.release()  # it may be that of a file without a name, too
            self._lock.acquire(self._path)  # before anything is touched: it may be another's place
            moved = place.put_back(self._reading.connection, self._path)
            said = f"{error}; it was put back"
            if moved is not None:
                said += f", and what stood there is now {moved.name}: stop labmon to use it"
            self._notices.append(said)
            log.error("%s", said)
            self._close_reader()
            self._open_for_reading()

        try:
            await self._run(self._reader, put_back)
        except DamagedFile:
            await self._run(self._reader, lambda: place.move_aside(self._path))
            self._is_damaged = True

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
        said = f"{self._path} is damaged ({reason}): it was "
        said += "deleted, too" if aside is None else f"set aside as {aside.name}"
        log.critical("%s; recording goes on in a new file, what is readable still answers", said)
        self._damage.append(said)

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
        # an epoch must never come twice, also where the last second may be lost
        with self._transaction(is_synced=self._is_relaxed and bool(change.epochs)) as connection:
            rows.write(connection, change)
            rows.remove(connection, change)

    @contextlib.contextmanager
    def _transaction(self, *, is_synced: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction of the connection that writes; on the writer's thread.

        Args:
            is_synced: a relaxed store is synced at its end.
        """
        place.check(self._path, self._inode)
        try:
            connection = self._write_connection
            if connection is None:
                connection = self._connect_for_writing()
                self._is_doubtful = True
            if self._is_doubtful:
                # what was written before a failed sync may be in the kernel's memory alone, and the
                # WAL would end there after a power cut: put it all into the database, begin anew
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._is_doubtful = False
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
            if is_synced:
                schema.sync_wal(self._path)
        except BaseException as error:
            # never trust this connection again: a failed fsync may have lost what it thinks it has
            self._drop_write_connection()
            if isinstance(error, sqlite3.Error) and rows.is_refusal(error):
                raise ChangeRefused(f"{self._path}: {error}") from error
            raise

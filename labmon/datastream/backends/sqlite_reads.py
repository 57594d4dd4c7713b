"""What is read of a SQLite store, on a thread and a connection of their own.

The trap: damage shows while reading, too; it is remembered, and the next write begins a new file.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from labmon.datastream.backends import sqlite_rows as rows
from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.base import Backend, BlockKey, BlockOutline, EntryKey, StreamSize
from labmon.datastream.exceptions import StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from labmon.datastream.backends.sqlite_attic import Attic

SIZES_CACHE_KIB: Final = 4096

Result = TypeVar("Result")


class DamagedFile(StoreUnavailable):
    """SQLite found damaged pages."""


class SqliteReads(Backend):
    """The reading half of the backend; whoever opens and closes the file is `SqliteBackend`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: ThreadPoolExecutor | None = None
        self._reading: rows.Reading | None = None
        self._attic: Attic | None = None
        self._is_damaged = False
        self._is_read_only = False

    async def read_outlines(self, stream: int, granularity: str) -> list[BlockOutline]:
        """All blocks of one stream at one granularity, by ordinal and generation."""
        return await self._read(lambda reading, _: reading.outlines(stream, granularity))

    async def read_blocks(self, keys: Sequence[BlockKey]) -> dict[BlockKey, bytes]:
        """The bodies of blocks; those that do not exist are left out."""

        def read(reading: rows.Reading, attic: Attic) -> dict[BlockKey, bytes]:
            found = {key: reading.body(key, attic.body) for key in keys}
            return {key: body for key, body in found.items() if body is not None}

        return await self._read(read)

    async def read_times(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bodies of time columns; those that do not exist are left out."""

        def read(reading: rows.Reading, attic: Attic) -> dict[bytes, bytes]:
            found = {at: reading.times(at) or attic.times(at) for at in addresses}
            return {at: body for at, body in found.items() if body is not None}

        return await self._read(read)

    async def read_entries(self, keys: Sequence[EntryKey]) -> list[bytes]:
        """The bodies of the first of some journal entries."""
        return await self._read(lambda reading, _: reading.entries(keys))

    async def read_cursors(self, prefix: str = "") -> dict[str, bytes]:
        """The cursors whose names begin with a prefix."""
        return await self._read(lambda reading, _: reading.cursors(prefix))

    async def read_sizes(self) -> dict[int, StreamSize]:
        """What each stream with blocks takes; on a thread and a connection of its own.

        Of a store that is open for reading only, what its snapshot has.
        """
        if self._is_read_only:
            return await self._read(lambda reading, _: rows.sizes(reading.connection))

        def count() -> dict[int, StreamSize]:
            connection = schema.connect_for_reading(self._path, cache_kib=SIZES_CACHE_KIB)
            with contextlib.closing(connection):
                return rows.sizes(connection)

        executor = ThreadPoolExecutor(1, "datastream-sizes")
        try:
            return await self._run(executor, count)
        finally:
            executor.shutdown(wait=False)

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
            kind = DamagedFile if rows.is_corrupt(error) else StoreUnavailable
            kind = StoreFull if rows.is_full(error) else kind
            name = getattr(error, "sqlite_errorname", None)
            said = f"{error} ({name})" if name else str(error)
            raise kind(f"{self._path}: {said}") from error

"""What only SQLite can tell of its file: pages, and checks by its own means.

The trap: the file is opened for reading only, and beside a server that writes to it; nothing here
takes a lock that the server would wait for.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.exceptions import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_KIB: Final = 8192
FINDINGS: Final = 20
"""So many findings of a check are told."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What SQLite says of a file.

    Attributes:
        file_bytes: of the database file.
        wal_bytes: of the write-ahead log beside it.
        free_bytes: pages inside that are not in use.
        findings: of the check; empty: it is whole.
    """

    path: str
    schema_version: int
    file_bytes: int
    wal_bytes: int
    free_bytes: int
    findings: list[str]


def path_of(url: str) -> Path | None:
    """The file of a store's address; None: it is no SQLite store."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write.

    Raises:
        StoreError: the file is missing, no datastream, of a later version, or cannot be read.
    """
    schema.check_file(path, must_exist=True)
    try:
        with contextlib.closing(schema.connect_for_reading(path, cache_kib=CACHE_KIB)) as found:
            yield found
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}") from error


def facts(path: Path, *, is_thorough: bool = False) -> FileFacts:
    """What SQLite says of a file; a thorough check also compares indexes with their tables.

    Raises:
        StoreError: it cannot be opened at all.
    """
    with reading(path) as connection:

        def number(pragma: str) -> int:
            return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

        wal = path.with_name(path.name + "-wal")
        return FileFacts(
            str(path),
            number("user_version"),
            path.stat().st_size,
            wal.stat().st_size if wal.exists() else 0,
            number("freelist_count") * number("page_size"),
            _findings(connection, "integrity_check" if is_thorough else "quick_check"),
        )


LOST_BODIES: Final = "SELECT stream, count(*) FROM blocks WHERE body = 0 GROUP BY stream"
LOST_TIMES: Final = """
SELECT stream, count(*) FROM blocks WHERE times IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM times WHERE times.address = blocks.times) GROUP BY stream
"""


def lost(path: Path) -> list[tuple[int, str]]:
    """What the rows of blocks miss, without a body being read: (number of the stream, words)."""
    found: list[tuple[int, str]] = []
    with reading(path) as connection:
        for query, what in ((LOST_BODIES, "bodies"), (LOST_TIMES, "times")):
            for stream, count in connection.execute(query):
                blocks = "1 block" if count == 1 else f"{count} blocks"
                found.append((stream, f"the {what} of {blocks} are lost"))
    return found


def _findings(connection: sqlite3.Connection, check: str) -> list[str]:
    try:
        rows = connection.execute(f"PRAGMA {check}({FINDINGS})").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if rows == [("ok",)] else [str(row[0]) for row in rows]

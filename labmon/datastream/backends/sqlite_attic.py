"""The attic: databases that were set aside, read as far as that goes until all of it is copied.

The database in their place knows their blocks from the beginning (see `sqlite_quarantine`), only
the bodies are still elsewhere. Salvage brings them home, a few at a time. The trap: a block may
have been removed or replaced meanwhile, so a body is asked for by the row that misses it, and is
written only where that row still does.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final, NamedTuple

from labmon.datastream import codec
from labmon.datastream.backends import sqlite_blocks as blocks
from labmon.datastream.backends import sqlite_rows as rows
from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.base import BlockKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

MARK: Final = ".corrupt."
BESIDE: Final = ("-wal", "-shm")
CACHE_KIB: Final = 1024
STEP: Final = 64
"""So many blocks are brought home in one transaction."""
FIRST: Final = BlockKey(-1, "", -1, -1)
_SALVAGED: Final = "salvaged/"
"""Prefix of the properties that say of which set-aside databases all is copied."""


def aside_of(path: Path) -> list[Path]:
    """What was set aside of a database, the newest first."""
    found = path.parent.glob(f"{path.name}{MARK}*")
    return sorted((each for each in found if not each.name.endswith(BESIDE)), reverse=True)


class Salvaged(NamedTuple):
    """A block that misses its body, and what the attic has of it.

    Attributes:
        body: None: nobody has it any more.
        address, times: its time column, where that is one of its own; None where it has none.
    """

    key: BlockKey
    body: bytes | None
    address: bytes | None
    times: bytes | None


class Attic:
    """The set-aside databases of which not all is copied yet; on the reader's thread.

    Args:
        path: of the database in their place.
        salvaged: the names of those that are no longer needed.
    """

    def __init__(self, path: Path, salvaged: Collection[str]) -> None:
        self.names: list[str] = []
        """Those whose readable blocks are not all copied yet."""
        self._readings: list[rows.Reading] = []
        self._unopened: list[Path] = []
        for aside in aside_of(path):
            if aside.name not in salvaged:
                self.names.append(aside.name)
                self._unopened.append(aside)
        with contextlib.suppress(*rows.ERRORS):  # tried again by `find`
            self._open_all()

    def _open_all(self) -> None:
        """Open what is not open yet; what is beyond reading is there for people only."""
        while self._unopened:
            try:
                connection = schema.connect_for_reading(self._unopened[0], cache_kib=CACHE_KIB)
                try:
                    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                except rows.ERRORS:
                    connection.close()
                    raise
                self._readings.append(rows.Reading(connection))
            except rows.ERRORS as error:
                if not rows.is_unreadable(error):
                    raise
            self._unopened.pop(0)

    def close(self) -> None:
        """Close all of them."""
        for reading in self._readings:
            reading.connection.close()
        self._readings.clear()
        self._unopened.clear()
        self.names.clear()

    def body(self, key: BlockKey) -> bytes | None:
        """The body of a block, if any of them has it whole."""
        for reading in self._readings:
            body = reading.body(key)
            if body and codec.is_whole(body):
                return body
        return None

    def times(self, address: bytes) -> bytes | None:
        """A time column, if any of them has it whole."""
        for find in (rows.Reading.times, rows.Reading.times_without_index):
            for reading in self._readings:
                times = find(reading, address)
                if times and codec.is_whole(times):
                    return times
        return None

    def find(self, reading: rows.Reading, after: BlockKey) -> list[Salvaged]:
        """The next few blocks behind a key that miss their bodies; none: that was all.

        Raises:
            sqlite3.Error: something cannot be read now, and perhaps later.
        """
        self._open_all()
        missing = reading.connection.execute(
            "SELECT stream, granularity, ordinal, generation, times FROM blocks"
            f" WHERE body = {blocks.ELSEWHERE}"
            " AND (stream, granularity, ordinal, generation) > (?, ?, ?, ?)"
            f" ORDER BY stream, granularity, ordinal, generation LIMIT {STEP}",
            after,
        ).fetchall()
        found: list[Salvaged] = []
        for *key, address in missing:
            block = BlockKey(*key)
            body = self.body(block)
            times = None
            if address is not None and reading.times(address) is None:
                times = self.times(address)
            found.append(Salvaged(block, body, address, times))
        return found


def salvaged_names(reading: rows.Reading) -> set[str]:
    """The set-aside databases of which all that is readable is copied."""
    return {
        name.removeprefix(_SALVAGED)
        for name, _ in reading.rows(rows.PROPERTIES)
        if name.startswith(_SALVAGED)
    }


def write(connection: sqlite3.Connection, found: Iterable[Salvaged]) -> int:
    """Bring blocks home, in the transaction of the caller; returns how many."""
    count = 0
    for each in found:
        if each.body is None or not blocks.bring_home(connection, each.key, each.body):
            continue
        count += 1
        if each.times is not None:
            connection.execute(
                "INSERT OR IGNORE INTO times(address, body) VALUES (?, ?)",
                (each.address, each.times),
            )
    return count


def write_done(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Note that these databases are no longer needed."""
    connection.executemany(
        "INSERT OR REPLACE INTO properties VALUES (?, ?)",
        [(f"{_SALVAGED}{name}", b"") for name in names],
    )


def salvage_into(copy: sqlite3.Connection, source: Path) -> None:
    """Bring everything home into a copy of a database, from what was set aside beside the source.

    For backups: the copy stands alone. Blocks that nobody has any more stay without bodies.
    """
    reading = rows.Reading(copy)
    attic = Attic(source, salvaged_names(reading))
    try:
        after = FIRST
        while attic.names and (found := attic.find(reading, after)):
            after = found[-1].key
            copy.execute("BEGIN IMMEDIATE")
            write(copy, found)
            copy.execute("COMMIT")
    finally:
        attic.close()

"""A damaged database is set aside, and what can be read of it still answers.

It is renamed to `NAME.corrupt.TIME`, with its WAL; nothing is ever deleted. The trap: SQLite finds
the WAL by the name of the database, so both are renamed together, and only while no connection is
open to either.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final, TypeVar

from labmon.datastream.backends import sqlite_rows as rows
from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.base import BlockOutline, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Key = TypeVar("Key")

log = logging.getLogger(__name__)

MARK: Final = ".corrupt."
BESIDE: Final = ("-wal", "-shm")
CACHE_KIB: Final = 1024
NEXT_STREAM: Final = "engine/next_stream"
"""The cursor under which the engine keeps the number of its next stream."""
NUMBERS_APART: Final = 1000
LONGEST: Final = 1 << 42
"""No database is longer; a length beyond it is damage, too."""


def set_aside(path: Path) -> Path:
    """Rename a database of which no connection is open; returns its new name."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}{MARK}{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{MARK}{stamp}.{number}")
    path.rename(aside)
    for ending in BESIDE:
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + ending))
    return aside


def aside_of(path: Path) -> list[Path]:
    """What was set aside of a database, the newest first."""
    found = path.parent.glob(f"{path.name}{MARK}*")
    return sorted((each for each in found if not each.name.endswith(BESIDE)), reverse=True)


class Attic:
    """The databases that were set aside, read as far as that goes; on the reader's thread."""

    def __init__(self, path: Path) -> None:
        self._readings: list[rows.Reading] = []
        for aside in aside_of(path):
            with contextlib.suppress(*rows.ERRORS):  # beyond reading: it is there for people
                connection = schema.connect_for_reading(aside, cache_kib=CACHE_KIB)
                try:
                    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                except rows.ERRORS:
                    connection.close()
                    continue
                self._readings.append(rows.Reading(connection))

    def __bool__(self) -> bool:
        return bool(self._readings)

    def close(self) -> None:
        """Close all of them."""
        for reading in self._readings:
            reading.connection.close()
        self._readings.clear()

    def outlines(
        self, stream: int, granularity: str, known: Iterable[BlockOutline]
    ) -> list[BlockOutline]:
        """The known blocks and those that were set aside, by ordinal and generation."""
        found = {outline.key: outline for outline in known}
        for reading in self._readings:
            for outline in reading.outlines(stream, granularity):
                found.setdefault(outline.key, outline)
        return [found[key] for key in sorted(found)]

    def or_else(
        self, known: bytes | None, read: Callable[[rows.Reading, Key], bytes | None], key: Key
    ) -> bytes | None:
        """What is known of a key, or else what was set aside; empty: it is there, and damaged."""
        found = known
        for reading in self._readings:
            if found:
                break
            aside = read(reading, key)
            found = found if aside is None else aside
        return found


def is_damaged(path: Path) -> bool:
    """Whether a start would find damage: read by a connection that has cached nothing."""
    try:
        connection = schema.connect_for_reading(path, cache_kib=CACHE_KIB)
        try:
            for table in rows.NEEDED:
                for _ in connection.execute(f"SELECT * FROM {table.name}"):
                    pass  # a row at a time: the journal may be long
        finally:
            connection.close()
    except rows.ERRORS as error:
        return rows.is_corrupt(error)
    return False


def begin_anew(path: Path, restated: Change) -> Path:
    """Put a new database in the place of a damaged one; no connection is open to either.

    It has what could be read of the old one, and then what whoever used it says of it. Returns the
    new name of the old one.
    """
    _lengthen(path)
    found = _salvaged(path)

    def fill(connection: sqlite3.Connection) -> None:
        rows.write(connection, found)
        rows.write(connection, restated)

    new = schema.make_file(path, fill)
    aside = set_aside(path)
    schema.put(new, path)
    return aside


def _lengthen(path: Path) -> None:
    """Give a file that was cut off its length back: SQLite reads nothing at all of a short one."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) == 100:
        length = int.from_bytes(header[28:32], "big") * schema.PAGE_BYTES
        if path.stat().st_size < length <= LONGEST:
            os.truncate(path, length)


def make(path: Path) -> None:
    """Make a database where there is none; it knows what was set aside there."""
    former = aside_of(path)
    found = _salvaged(former[0]) if former else Change()
    schema.put(schema.make_file(path, lambda connection: rows.write(connection, found)), path)


def _salvaged(path: Path) -> Change:
    """What can be read of a damaged database and is not in blocks."""
    try:
        connection = schema.connect_for_reading(path, cache_kib=CACHE_KIB)
    except rows.ERRORS as error:
        log.warning("%s: nothing can be read of it: %s", path, error)
        return Change()
    try:
        return _readable(rows.Reading(connection))
    except rows.ERRORS as error:
        log.warning("%s: hardly anything can be read of it: %s", path, error)
        return Change()
    finally:
        connection.close()


def _readable(reading: rows.Reading) -> Change:
    contents = reading.contents()
    streams = [row for row in contents.streams if row.document]
    cursors = reading.cursors("")
    # a state that is missing counts as damaged from now on: it is then found out from the blocks
    states = {row.number: contents.states.get(row.number, b"") for row in streams}
    # numbers of streams that could not be read must never be given to others: their blocks are here
    used = reading.one("SELECT max(stream) FROM blocks", ()) or (0,)
    following = cursors.get(NEXT_STREAM, b"0")
    numbers = [row.number for row in streams] + [used[0] if isinstance(used[0], int) else 0]
    free = max([int(following) if following.isdigit() else 0, *numbers]) + NUMBERS_APART
    return Change(
        contents.node,
        epochs=contents.epochs,
        streams=streams,
        entries=[row for row in contents.entries if row.body],
        states=states,
        cursors={**cursors, NEXT_STREAM: str(free).encode()},
    )

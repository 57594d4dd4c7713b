"""A damaged database is set aside, and a new one takes its place that knows all of its blocks.

It is renamed to `NAME.corrupt.TIME`, with its WAL; nothing is ever deleted. The new one has what
could be read of streams, journal and cursors, what whoever used it knows, and a row for each block
without its body, see `sqlite_attic`. The trap: SQLite finds the WAL by the name of the database, so
both are renamed together, and only while no connection is open to either.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends import sqlite_blocks as blocks
from labmon.datastream.backends import sqlite_rows as rows
from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.base import Change
from labmon.datastream.backends.sqlite_attic import (
    BESIDE,
    CACHE_KIB,
    MARK,
    aside_of,
    salvaged_names,
    write_done,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labmon.datastream.backends.base import BlockOutline, EntryRow, StreamRow

log = logging.getLogger(__name__)

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


def begin_anew(path: Path, restated: Change) -> Path | None:
    """Put a new database in the place of a damaged one; no connection is open to either.

    It has what could be read of the old one, and then what whoever used it says of it. Returns the
    new name of the old one; None: that was deleted.
    """
    if not path.exists():
        make(path, restated)
        return None
    _lengthen(path)
    new = _made_from(path, path, restated)
    aside = set_aside(path)
    schema.put(new, path)
    return aside


def make(path: Path, restated: Change | None = None) -> None:
    """Make a database where there is none; it knows what was set aside there."""
    former = aside_of(path)
    source = former[0] if former else None
    schema.put(_made_from(path, source, restated or Change()), path)


def _made_from(path: Path, source: Path | None, restated: Change) -> Path:
    """A new database beside a path, with all that can be read of another one but bodies."""
    connection = None if source is None else _opened(source)
    if connection is None:
        return schema.make_file(path, lambda new: rows.write(new, restated))
    try:
        reading = rows.Reading(connection)
        found = _readable_or_nothing(source, reading)
        salvaged = salvaged_names(reading)

        def fill(new: sqlite3.Connection) -> None:
            rows.write(new, found)
            for entries in _journal(reading):
                rows.write(new, Change(entries=entries))
            rows.write(new, restated)
            blocks.write_elsewhere(new, _outlines(reading, restated.streams or found.streams))
            write_done(new, salvaged)

        return schema.make_file(path, fill)
    finally:
        connection.close()


def _journal(reading: rows.Reading) -> Iterator[list[EntryRow]]:
    """The readable entries of the journal, a few MiB at a time."""
    try:
        found = reading.journal()
        while found:
            bodies = reading.entries([row.key for row in found])
            read = zip(found, bodies, strict=False)
            yield [row._replace(body=body) for row, body in read if body]
            found = found[len(bodies) :]
    except rows.ERRORS as error:
        _must_be_damage(error)
        log.warning("not all of the journal can be read: %s", error)


def _outlines(reading: rows.Reading, streams: list[StreamRow]) -> Iterator[BlockOutline]:
    try:
        for stream in streams:
            yield from reading.all_outlines(stream.number)
    except rows.ERRORS as error:
        _must_be_damage(error)
        log.warning("hardly any blocks can be found in it: %s", error)


def _lengthen(path: Path) -> None:
    """Give a file that was cut off its length back: SQLite reads nothing at all of a short one."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) == 100:
        length = int.from_bytes(header[28:32], "big") * schema.PAGE_BYTES
        if path.stat().st_size < length <= LONGEST:
            os.truncate(path, length)


def _opened(path: Path) -> sqlite3.Connection | None:
    try:
        return schema.connect_for_reading(path, cache_kib=CACHE_KIB)
    except rows.ERRORS as error:
        _must_be_damage(error)
        log.warning("%s: nothing can be read of it: %s", path, error)
        return None


def _readable_or_nothing(path: Path | None, reading: rows.Reading) -> Change:
    """What can be read of a damaged database and is not in blocks."""
    try:
        return _readable(reading)
    except rows.ERRORS as error:
        _must_be_damage(error)
        log.warning("%s: hardly anything can be read of it: %s", path, error)
        return Change()


def _must_be_damage(error: BaseException) -> None:
    """Raise what may pass: nothing of the old database must be given up for that."""
    if not rows.is_unreadable(error):
        raise error


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
        states=states,
        cursors={**cursors, NEXT_STREAM: str(free).encode()},
    )

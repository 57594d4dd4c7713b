"""The tables of a SQLite store, its marks in the file's header, and how connections are set up.

The trap: opening a database in WAL mode may write to it, so a file of another program or of a
later version is recognised from its first hundred bytes, before SQLite sees it; but never while
this process has it open, because closing any descriptor of a file drops the process's locks on it
(POSIX), and then the next program that looks into the database deletes the WAL under our feet.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import struct
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.backends.base import SCHEMA_VERSION
from labmon.datastream.exceptions import NewerSchema, NotADatastream, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

APPLICATION_ID: Final = 0x6C61626D  # "labm"
PAGE_BYTES: Final = 4096
_MAGIC: Final = b"SQLite format 3\x00"
_TRACES: Final = (b"CREATE TABLE bodies", b"LMBK", b"LMJE")
_LOOKED_AT: Final = 4 << 20
_WRITE_VERSION_AT: Final = 18
_WITHOUT_WAL: Final = b"\1"
_USER_VERSION_AT: Final = 60
_APPLICATION_ID_AT: Final = 68

# Block rows are apart from their bodies, so that reading an index does not touch a single body.
# `owner` is a checksum of the key under which something was stored: see `sqlite_rows`.
TABLES: Final = """
CREATE TABLE properties (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE epochs (
    epoch INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL, last_seq INTEGER NOT NULL);
CREATE TABLE streams (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner INTEGER NOT NULL,
    document BLOB NOT NULL);
CREATE TABLE states (
    stream INTEGER PRIMARY KEY, owner INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE journal (
    position INTEGER PRIMARY KEY, kind INTEGER NOT NULL, first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, time_ns INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE blocks (
    stream INTEGER NOT NULL, granularity TEXT NOT NULL, ordinal INTEGER NOT NULL,
    generation INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    length INTEGER NOT NULL, through INTEGER NOT NULL, times BLOB, size INTEGER NOT NULL,
    body INTEGER NOT NULL, PRIMARY KEY (stream, granularity, ordinal, generation)) WITHOUT ROWID;
CREATE INDEX blocks_times ON blocks (times) WHERE times IS NOT NULL;
CREATE TABLE bodies (
    id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE times (id INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE cursors (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


_STATEMENTS: Final = tuple(part.strip() for part in TABLES.split(";") if part.strip())


class DamagedSchema(sqlite3.DatabaseError):
    """The tables of a database are not those that it was made with."""


_Inode = tuple[int, int]
_open_files: Counter[_Inode] = Counter()
_guard: Final = threading.Lock()
"""Held where a descriptor could be opened beside a connection, or the other way round."""


class _Connection(sqlite3.Connection):
    """A connection that is counted among the open ones of its file."""

    inode: _Inode | None = None

    def close(self) -> None:
        """Close it; closing twice is no error."""
        with _guard:
            super().close()
            if self.inode is not None:
                _open_files[self.inode] -= 1
                self.inode = None


def _connect(database: str | os.PathLike[str], path: Path, **options: Any) -> sqlite3.Connection:
    with _guard:
        connection = sqlite3.connect(
            database, isolation_level=None, timeout=5.0, factory=_Connection, **options
        )
        connection.text_factory = _text
        status = path.stat()  # after: connecting makes the file where there was none
        connection.inode = (status.st_dev, status.st_ino)
        _open_files[connection.inode] += 1
    return connection


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")  # damage is no error yet: see `sqlite_rows`


def inode_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """Device and number of the file that a connection has open."""
    assert isinstance(connection, _Connection)
    assert connection.inode is not None
    return connection.inode


def check_file(path: Path, *, must_exist: bool = False) -> None:
    """Look at the header of a database file without opening it as one.

    A file that this process has open was checked before that, and is not touched again.

    Raises:
        NotADatastream: it is no database, or that of another program.
        NewerSchema: a later version wrote it.
        StoreUnavailable: there is none, where there must be; or the WAL beside it is not its own.
    """
    if is_missing(path):
        if must_exist:
            what = "is empty" if path.exists() else "does not exist"
            raise StoreUnavailable(f"{path} {what}")
        return
    header = _header(path)
    if header is None:
        return
    _check_header(path, header)
    if _has_foreign_wal(path, header):
        raise StoreUnavailable(f"{_foreign(path)}: move it away")


def leave_foreign_wal(path: Path) -> None:
    """Set aside the WAL of a store that was replaced by a backup; SQLite would mix it in.

    Raises:
        NotADatastream, NewerSchema: as `check_file` does; then it is left where it is.
    """
    header = None if is_missing(path) else _header(path)
    if header is None:
        return
    _check_header(path, header)
    if _has_foreign_wal(path, header):
        _set_wal_aside(path, _foreign(path))


def _header(path: Path) -> bytes | None:
    """The first hundred bytes of a file; None: this process has it open."""
    with _guard:
        status = path.stat()
        if _open_files[status.st_dev, status.st_ino] > 0:
            return None
        with path.open("rb") as file:
            return file.read(100)


def _has_foreign_wal(path: Path, header: bytes) -> bool:
    """Whether there is a WAL beside a database that never had one of its own: a backup."""
    is_without = header[_WRITE_VERSION_AT : _WRITE_VERSION_AT + 1] == _WITHOUT_WAL
    return is_without and _has_wal(path)


def _foreign(path: Path) -> str:
    return f"{_wal_of(path)} is that of another database, in the place of which {path} was put"


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _has_wal(path: Path) -> bool:
    wal = _wal_of(path)
    return wal.exists() and wal.stat().st_size > 0


def _set_wal_aside(path: Path, why: str) -> None:
    wal = _wal_of(path)
    wal.rename(f"{wal}.corrupt.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    log.error("%s: the WAL is set aside", why)


def _check_header(path: Path, header: bytes) -> None:
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise NotADatastream(f"{path} is no SQLite database; it was left as it is")
    (application,) = struct.unpack_from(">I", header, _APPLICATION_ID_AT)
    (version,) = struct.unpack_from(">I", header, _USER_VERSION_AT)
    if application != APPLICATION_ID:
        raise NotADatastream(f"{path} is the database of another program; it was left as it is")
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path} has schema version {version}, this labmon knows {SCHEMA_VERSION}:"
            " use the labmon that wrote it, or a later one. The file was left as it is."
        )


def is_missing(path: Path) -> bool:
    """Whether there is no database yet."""
    return not path.exists() or path.stat().st_size == 0


def was_ours(path: Path) -> bool:
    """Whether a file that is no datastream any more has been one, as far as one can tell.

    A young one has its blocks and entries in its WAL alone.
    """
    start = _start(path)
    is_stump = len(start) < 100 and start.startswith(_MAGIC[: len(start)])
    wal = _wal_of(path)
    starts = [start, *([_start(wal)] if wal.exists() else [])]
    return is_stump or any(trace in start for start in starts for trace in _TRACES)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LOOKED_AT)


def make_file(path: Path, fill: Callable[[sqlite3.Connection], None] | None = None) -> Path:
    """Make a new store beside the place where it belongs, and fill it; `put` puts it there.

    So a crash never leaves a file that is made by half, or one without labmon's marks.
    """
    new = path.with_name(f"{path.name}.new")
    for remains in (new, new.with_name(f"{new.name}-journal")):
        remains.unlink(missing_ok=True)
    connection = _connect(new, new)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("BEGIN IMMEDIATE")
        for statement in _STATEMENTS:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        if fill is not None:
            fill(connection)
        connection.execute("COMMIT")
    finally:
        connection.close()
    return new


def put(new: Path, path: Path) -> None:
    """Put a new database where there is none.

    What is left of an older one (a WAL without its database) is set aside: SQLite would delete it.
    """
    if _has_wal(path):
        _set_wal_aside(path, f"{path} has a WAL and no database")
    new.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # where no folder can be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_schema(connection: sqlite3.Connection) -> None:
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema")}
    if not found.issuperset(_STATEMENTS):
        raise DamagedSchema("the tables are not those that were made")


def sync_wal(path: Path) -> None:
    """Sync what was committed; the WAL may be opened beside SQLite, which has no locks on it."""
    try:
        descriptor = os.open(_wal_of(path), os.O_RDWR)
    except FileNotFoundError:  # all of it stands in the database
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect_for_writing(path: Path, *, is_relaxed: bool, cache_kib: int) -> sqlite3.Connection:
    """The one connection that writes to a store that exists."""
    if not path.exists():
        raise StoreUnavailable(f"{path} is gone: somebody removed it")
    connection = _connect(path, path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on disk when it returns. NORMAL: a power cut may take the last ones.
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if is_relaxed else 'FULL'}")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        _check_schema(connection)
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """What version 1 wrote stays as it is; from now on there may be what it does not know."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < SCHEMA_VERSION:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        # a labmon of then looks for the version in the file, not in its WAL
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def connect_for_reading(path: Path, *, cache_kib: int) -> sqlite3.Connection:
    """A connection that cannot write, not even by mistake."""
    # a WAL needs a file of its own beside it; where nothing can be written, nothing changes either
    is_fixed = not os.access(path.parent, os.W_OK) and not _has_wal(path)
    options = "mode=ro&immutable=1" if is_fixed else "mode=ro"
    connection = _connect(f"{path.absolute().as_uri()}?{options}", path, uri=True)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    except BaseException:
        connection.close()
        raise
    return connection

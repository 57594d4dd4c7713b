"""Whether a database still stands under its name, and how it is put back there.

Somebody may delete the file of a running server, or put another one in its place; SQLite then goes
on in a file that nobody will ever find again. The trap: an unmounted disk looks like a deleted
file, and what stands at its mount point is another disk: nothing must be made there.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.exceptions import StoreUnavailable

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

log = logging.getLogger(__name__)

_ENDINGS = ("", "-wal", "-shm")

Inode = tuple[int, int]


class Misplaced(StoreUnavailable):
    """The database is open, and no longer stands under its name."""


def check(path: Path, inode: Inode) -> None:
    """Make sure that a path leads to the file that is open.

    Raises:
        Misplaced: it was deleted or replaced.
        StoreUnavailable: its folder, or the disk that it is on, is gone.
    """
    try:
        status = path.stat()
        if (status.st_dev, status.st_ino) == inode:
            return
        said = "another file was put in its place"
    except FileNotFoundError:
        said = "it was deleted"
    try:
        device = path.parent.stat().st_dev
    except FileNotFoundError:
        raise StoreUnavailable(f"{path.parent} is gone, with {path.name} in it") from None
    if device != inode[0]:
        raise StoreUnavailable(f"the disk with {path} is not mounted")
    raise Misplaced(f"{path}: {said} while labmon had it open")


def put_back(connection: sqlite3.Connection, path: Path) -> Path | None:
    """Copy a database that lost its name to where it was; what stands there is moved aside.

    Args:
        connection: reads the open file, which has everything that was committed.
        path: where it belongs.

    Returns:
        The new name of what stood there; None: nothing did.
    """
    new = path.with_name(f"{path.name}.new")
    for remains in (new, new.with_name(f"{new.name}-journal")):
        remains.unlink(missing_ok=True)
    connection.execute("PRAGMA query_only = OFF")
    try:
        connection.execute("VACUUM INTO ?", (str(new),))
    finally:
        connection.execute("PRAGMA query_only = ON")
    descriptor = os.open(new, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    moved = move_aside(path)
    schema.put(new, path)
    return moved


def move_aside(path: Path) -> Path | None:
    """Rename what stands under a name that is ours, with the files beside it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.replaced.{stamp}")
    moved = None
    for ending in _ENDINGS:
        there = path.with_name(path.name + ending)
        if there.exists():
            there.rename(aside.with_name(aside.name + ending))
            moved = moved or aside
    return moved if aside.exists() else None

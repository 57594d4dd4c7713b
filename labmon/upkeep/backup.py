"""`back_up`: a whole, consistent copy of a SQLite store in one file, while a server writes to it.

VACUUM INTO copies one snapshot, packed, without stopping anybody; what is still in databases that
were set aside is added. The trap: a copy counts only once it was opened, checked and is on disk
under its name; until then it has another one.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.sqlite_attic import salvage_into
from labmon.datastream.exceptions import StoreError, StoreUnavailable
from labmon.errors import BadRequestError
from labmon.upkeep import sqlite_file
from labmon.upkeep.inspecting import inspect
from labmon.whole_file import replaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.upkeep.inspecting import Inspection

LOOK_S: Final = 0.2
"""How often the growing copy is looked at."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made and checked."""

    path: Path
    size_bytes: int
    contents: Inspection


def back_up(
    url: str,
    target: Path,
    *,
    force: bool = False,
    moved: Callable[[int, int], None] = lambda *_: None,
) -> Backup:
    """Copy a store into a file, and check the copy; not to be called on an event loop.

    Args:
        url: of a SQLite store.
        target: the file to be made.
        force: replace what is there.
        moved: is told (bytes written, bytes expected).

    Raises:
        BadRequestError: the store is not SQLite's, or the target must not be replaced.
        StoreError: the store cannot be read, the copy not be written, or is not right.
    """
    source = sqlite_file.path_of(url)
    if source is None:
        raise BadRequestError(f"{url} is no file: back it up with its database's own tools")
    schema.check_file(source, must_exist=True)
    _check_target(source, target)
    with replaced(target, force=force) as part:
        _copy(source, part, moved)
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            salvage_into(copy, source)
        contents = _checked(source, part)
    return Backup(target, target.stat().st_size, contents)


def _check_target(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        raise BadRequestError(f"{target} is the store itself")
    wal = target.with_name(target.name + "-wal")
    if wal.exists():  # it would be read into the copy
        raise BadRequestError(
            f"{target} is a store in use, or was not closed ({wal.name} is beside it): not replaced"
        )
    if not target.parent.is_dir():
        return  # said when the copy is begun
    needed, free = source.stat().st_size, shutil.disk_usage(target.parent).free
    if free < needed:
        raise BadRequestError(
            f"{target.parent} has {free >> 20:,} MiB free, the copy may need {needed >> 20:,} MiB"
        )


def _copy(source: Path, part: Path, moved: Callable[[int, int], None]) -> None:
    """Copy one snapshot; the copying thread is stopped should the caller be."""
    failures: list[BaseException] = []
    with sqlite_file.reading(source) as probe:
        pages = "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count"
        expected = probe.execute(pages).fetchone()[0] * schema.PAGE_BYTES
    connection = sqlite3.connect(
        f"{source.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=5.0,
        check_same_thread=False,
    )

    def vacuum() -> None:
        try:
            connection.execute("VACUUM INTO ?", (str(part),))
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failures.append(error)

    thread = threading.Thread(target=vacuum, name="backup")
    with closing(connection):
        thread.start()
        try:
            while thread.is_alive():
                thread.join(LOOK_S)
                moved(part.stat().st_size if part.exists() else 0, expected)
        finally:
            connection.interrupt()
            thread.join()
    for failure in failures:
        raise StoreUnavailable(f"{part.parent}: the copy was not written: {failure}") from failure
    moved(expected, expected)


def _checked(source: Path, part: Path) -> Inspection:
    """What the copy has, once it turned out whole."""
    contents = asyncio.run(inspect(f"sqlite:///{part.absolute()}"))
    if contents.problems:
        raise StoreError(
            f"the copy of {source} is not whole, and was removed: {'; '.join(contents.problems)}"
        )
    return contents

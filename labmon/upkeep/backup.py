"""`back_up`: a whole, consistent copy of a SQLite store in one file, while a server writes to it.

VACUUM INTO copies one snapshot, packed, without stopping anybody; what is still in databases that
were set aside is added. The trap: a copy counts only once it was opened, checked and is on disk
under its name; until then it has another one. Damage that the store has is copied with the rest,
and said: a store that lost a block needs backups no less.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends import sqlite_schema as schema
from labmon.datastream.backends.sqlite_attic import salvage_into
from labmon.datastream.exceptions import StoreError, StoreUnavailable
from labmon.errors import BadRequestError
from labmon.upkeep import sqlite_file
from labmon.upkeep.checksums import damaged_blocks, damaged_there_too
from labmon.upkeep.contents import opened
from labmon.upkeep.inspecting import inspect
from labmon.whole_file import replaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.upkeep.finding import Finding
    from labmon.upkeep.inspecting import Inspection

LOOK_S: Final = 0.2
"""How often the growing copy is looked at."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was made and checked.

    Attributes:
        damage: blocks that are damaged in the store, and so in the copy.
        kept: the copy that was there before, where this one has damage which that may not have.
    """

    path: Path
    size_bytes: int
    contents: Inspection
    damage: list[Finding]
    kept: Path | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing in it."""
        return not (self.damage or self.contents.problems or self.contents.damage)


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
        moved: is told (bytes written and checked, bytes expected).

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
        size = part.stat().st_size
        contents, damage = asyncio.run(_checked(source, part, size, moved))
        made = Backup(target, size, contents, damage, None)
        if not made.is_whole:
            made = replace(made, kept=_keep(target))
    return made


def _keep(target: Path) -> Path | None:
    """Keep the first copy that one with damage replaces: it may have what is damaged."""
    older = target.with_name(f"{target.name}.older")
    if not target.exists() or older.exists():
        return None
    target.rename(older)
    return older


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
                moved(part.stat().st_size if part.exists() else 0, 2 * expected)
        finally:
            connection.interrupt()
            thread.join()
    for failure in failures:
        hint = "; labmon verify says what is damaged" if "malformed" in str(failure) else ""
        text = f"{part.parent}: the copy was not written: {failure}{hint}"
        raise StoreUnavailable(text) from failure


async def _checked(
    source: Path, part: Path, size: int, moved: Callable[[int, int], None]
) -> tuple[Inspection, list[Finding]]:
    """What the copy has, and which of its blocks are damaged as they are in the store.

    Raises:
        StoreError: something is wrong with the copy alone.
    """
    contents = await inspect(_url(part))
    if contents.problems:
        known = (await inspect(_url(source))).problems
        _refuse(source, [problem for problem in contents.problems if problem not in known])
    read = size
    moved(read, 2 * size)

    def read_more(count: int) -> None:
        nonlocal read
        read = min(2 * size, read + count)
        moved(read, 2 * size)

    async with opened(_url(part)) as copy:
        damaged = await damaged_blocks(copy, read_more)
    if damaged:
        async with opened(_url(source)) as store:
            there = await damaged_there_too(store.backend, damaged)
        _refuse(source, [str(one) for _, one in damaged if one not in {each for _, each in there}])
    moved(2 * size, 2 * size)
    return contents, [finding for _, finding in damaged]


def _refuse(source: Path, own: list[str]) -> None:
    if own:
        raise StoreError(f"the copy of {source} is not whole, and was removed: {'; '.join(own)}")


def _url(path: Path) -> str:
    return f"sqlite:///{path.absolute()}"

"""`replaced`: a file that has its name only once all of it is on disk.

The trap: a rename is durable only when the folder was synced too, and not before the content was.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from labmon.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENDINGS: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite may leave beside the part."""


@contextmanager
def replaced(path: Path, *, force: bool = False) -> Iterator[Path]:
    """The path of a part beside the file, to be written; it takes the file's name at the end.

    Should anything be raised within, nothing of it stays.

    Raises:
        BadRequestError: there is no such folder, or the file exists and `force` is not given, or
            the path is that of a folder or a device.
    """
    if not path.parent.is_dir():
        raise BadRequestError(f"there is no folder {path.parent}")
    if path.exists() and not path.is_file():
        raise BadRequestError(f"{path} is no file, and is not replaced by one")
    if path.exists() and not force:
        raise BadRequestError(f"{path} exists: give --force to replace it")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        _sync(part, os.O_RDWR)
        part.replace(path)
        if os.name != "nt":  # where no folder can be opened
            _sync(path.parent, os.O_RDONLY)
    finally:
        for ending in _ENDINGS:
            part.with_name(part.name + ending).unlink(missing_ok=True)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

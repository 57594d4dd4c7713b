"""A lock on a side file that keeps a second process away from a store.

The kernel gives it back when the process ends, however it ends. The trap: the file itself stays;
its presence means nothing, only the lock on it does.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

from labmon.datastream.exceptions import StoreLocked

if TYPE_CHECKING:
    from pathlib import Path


if sys.platform == "win32":
    import msvcrt

    FAR_BYTE: Final = 1 << 30
    """What is locked on Windows nobody else can read: so not where the holder's id stands."""

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, FAR_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """An exclusive lock, with the holder's process id as the file's text."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, what: Path) -> None:
        """Take the lock, at once or not at all.

        Raises:
            StoreLocked: another process has it; says which.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _try_lock(descriptor)
        except (BlockingIOError, PermissionError):  # what Linux says, and Windows
            os.lseek(descriptor, 0, os.SEEK_SET)
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreLocked(
                f"{what} is in use by process {holder}: stop that one first,"
                " or open the store for reading only"
            ) from None
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk: the lock holds without saying whose it is
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the lock back; without having it, nothing happens."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

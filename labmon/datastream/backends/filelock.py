"""A lock on a side file that keeps a second process away from a store.

The kernel gives it back when the process ends, however it ends. The trap: the file itself stays;
its presence means nothing, only the lock on it does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from labmon.datastream.exceptions import StoreLocked

if TYPE_CHECKING:
    from pathlib import Path


class FileLock:
    """An exclusive `flock`, with the holder's process id as the file's text."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, what: Path) -> None:
        """Take the lock, at once or not at all.

        Raises:
            StoreLocked: another process has it; says which.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreLocked(
                f"{what} is in use by process {holder}: stop that one first,"
                " or open the store for reading only"
            ) from None
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk: the lock holds without saying whose it is
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; without having it, nothing happens."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

"""Ballast: a file of a few MiB beside the store, given up when the disk is full.

Then what is committed can still be copied out of the write-ahead log, so that this begins anew, and
the journal can be trimmed; and somebody hears of a full disk before readings are lost. The trap: a
file with holes takes no room, so its bytes are really written.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

BALLAST_BYTES: Final = 4 << 20
ROOM: Final = 4
"""It is made only where so many times its size is free: it must not fill the disk itself."""
_CHUNK: Final = bytes(1 << 20)


class Ballast:
    """One file; on any thread, by one at a time.

    Args:
        path: where it lies: on the disk of the store.
        size: its bytes.
    """

    def __init__(self, path: Path, size: int = BALLAST_BYTES) -> None:
        self._path = path
        self._size = size
        self.is_given_up = False
        """Whether the disk ran full, and has had no room for the file since."""

    def give_up(self) -> bool:
        """Free its room; returns whether there was any."""
        self.is_given_up = True
        if not self._path.exists():
            return False
        self._path.unlink()
        return True

    def refill(self) -> bool:
        """Make the file where it is missing and there is room; returns whether it was made."""
        if self._path.exists():
            self.is_given_up = False
            return False
        if shutil.disk_usage(self._path.parent).free < ROOM * self._size:
            return False
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            with part.open("wb") as file:
                for written in range(0, self._size, len(_CHUNK)):
                    file.write(_CHUNK[: self._size - written])
            part.replace(self._path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self.is_given_up = False
        return True

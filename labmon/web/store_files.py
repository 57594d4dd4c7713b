"""How large the store is on disk, and how much room there is: of a store in a file only.

The trap: the file beside the database, its write-ahead log, grows and shrinks; it counts too.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from labmon.config import STORE

if TYPE_CHECKING:
    from labmon.config import Config


class StoreFiles(NamedTuple):
    """Bytes of the store's files, and bytes that are free beside them."""

    used_bytes: int
    free_bytes: int


def measure(config: Config) -> StoreFiles | None:
    """The size of the store; None where it is no file of this machine, or cannot be looked at."""
    match = STORE.fullmatch(config.store)
    if match is None or not match["file"]:
        return None
    store = Path(match["file"])
    try:
        used = sum(file.stat().st_size for file in store.parent.glob(f"{store.name}*"))
        return StoreFiles(used, shutil.disk_usage(store.parent).free)
    except OSError:  # a file that went away meanwhile: the next look has it
        return None

"""Readings that the store refused for good: each journal entry is kept in a file of its own.

`refused/EPOCH-NUMBER.entry` beside the store holds the entry as `docs/format.md` describes it. The
trap: what refuses an entry may refuse a file, too (a bug eats memory, a disk is full), so a file
that cannot be written is said and stops nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from labmon.datastream.backends.base import Change

log = logging.getLogger(__name__)

FOLDER: Final = "refused"


def set_aside(folder: Path | None, change: Change) -> Path | None:
    """Keep the journal entries of a change; returns where, or None where there are none."""
    if folder is None or not change.entries:
        return None
    place = folder / FOLDER
    try:
        place.mkdir(exist_ok=True)
        for row in change.entries:
            (place / f"{row.key.epoch}-{row.key.number}.entry").write_bytes(row.body)
    except OSError as error:
        log.error("refused readings cannot be kept in %s: %s", place, error)  # noqa: TRY400
        return None
    return place

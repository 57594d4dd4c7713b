"""What the journal says is put back into the heads, at every start.

Each entry tells the ordinal of the first datapoint of each stream in it. The trap: blocks may have
some of the very same datapoints, so everything below what the stream's head already counts is
skipped; and a datapoint never stands twice, although a carry entry repeats it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from labmon.datastream.backends.base import CARRY_ENTRY, EntryRow
from labmon.datastream.entry import decode_entry
from labmon.datastream.exceptions import DamagedBlock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon.datastream.catalogue import Catalogue
    from labmon.datastream.entry import JournalEntry

log = logging.getLogger(__name__)


class Recovery:
    """Replays a journal into the heads of a catalogue.

    Attributes:
        damaged: the entries that could not be read; their datapoints are gone.
        has_gaps: whether ordinals are missing, so that heads and journal no longer count alike.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.damaged: list[EntryRow] = []
        self.has_gaps = False
        self.readings = 0

    def replay(self, rows: Iterable[EntryRow]) -> None:
        """Put back what the entries say and no block has; carried datapoints come first."""
        for row in sorted(rows, key=lambda row: (row.kind != CARRY_ENTRY, row.key)):
            try:
                entry = decode_entry(
                    row.body, which=f"journal entry {row.key.epoch}/{row.key.number}"
                )
            except DamagedBlock as error:
                log.error("readings are lost: %s", error)  # noqa: TRY400 - the message says it all
                self.damaged.append(row)
                self.has_gaps = True
                continue
            self._enter(entry)

    def _enter(self, entry: JournalEntry) -> None:
        skip = self._skips(entry)
        numbers = entry.streams.tolist()
        values = entry.values.unpack()
        qualities = bytes(len(numbers)) if entry.quality is None else entry.quality.tobytes()
        streams = {number: self._catalogue.number(number) for number in set(numbers)}
        for number, time_ns, value, quality in zip(
            numbers, entry.t.tolist(), values, qualities, strict=True
        ):
            stream = streams[number]
            if stream is None:  # removed since
                continue
            if skip[number]:
                skip[number] -= 1
                continue
            stream.enter(time_ns, value, quality)
            self.readings += 1

    def _skips(self, entry: JournalEntry) -> dict[int, int]:
        """How many datapoints of each stream in an entry its head or a block already has."""
        skips: dict[int, int] = {}
        for number, first in zip(entry.note["streams"], entry.note["ordinals"], strict=True):
            stream = self._catalogue.number(number)
            known = first if stream is None else stream.head.next_ordinal
            if known < first:
                self.has_gaps = True
            skips[number] = max(0, known - first)
        return skips

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
from labmon.datastream.granularity import Granularity
from labmon.datastream.receipts import noted_receipts
from labmon.datastream.retained import DAY_NS
from labmon.datastream.seal_state import Latest, LevelState, SealState
from labmon.datastream.stream import Stream
from labmon.reading import Quality
from labmon.timestamps import MAX_NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon.datastream.backends.base import Backend, Contents
    from labmon.datastream.catalogue import Catalogue
    from labmon.datastream.entry import JournalEntry
    from labmon.datastream.receipts import Receipts

log = logging.getLogger(__name__)


class Recovery:
    """Puts streams and the journal of a store back into memory.

    Attributes:
        damaged: the entries that make no sense; their datapoints are gone.
        reasons: all that was found damaged, for people.
        has_gaps: whether ordinals are missing, so that heads and journal no longer count alike.
    """

    def __init__(self, catalogue: Catalogue, receipts: Receipts) -> None:
        self._catalogue = catalogue
        self._receipts = receipts
        self.damaged: list[EntryRow] = []
        self.reasons: list[str] = []
        self.has_gaps = False
        self.readings = 0

    async def load_streams(self, backend: Backend, contents: Contents) -> None:
        """Fill the catalogue; a stream whose record is damaged is left out, and said so."""
        for row in contents.streams:
            try:
                stream = Stream.from_document(*row)
            except DamagedBlock as error:
                self._report(f"{error}; its datapoints cannot be reached")
                self._catalogue.next_number = max(self._catalogue.next_number, row.number + 1)
                continue
            self._catalogue.insert(stream)
            state = contents.states.get(row.number)
            if state is None:
                continue
            try:
                stream.restore(SealState.decode(state))
            except DamagedBlock as error:
                self._report(f"stream {row.number}: {error}; it is found out from the blocks")
                stream.restore(await found_state(backend, row.number))

    def _report(self, reason: str) -> None:
        log.error("the store is damaged: %s", reason)
        self.reasons.append(reason)

    async def replay(self, backend: Backend, rows: Iterable[EntryRow]) -> None:
        """Put back what the entries say and no block has; carried datapoints come first.

        Args:
            backend: has the bodies of the entries; few of them are in memory at a time.
            rows: all entries, without their bodies.
        """
        rows = sorted(rows)
        for part in (
            [row for row in rows if row.kind == CARRY_ENTRY],
            [row for row in rows if row.kind != CARRY_ENTRY],
        ):
            async for row in backend.stream_entries(part):
                self._replay(row)

    def _replay(self, row: EntryRow) -> None:
        try:
            entry = decode_entry(row.body, which=f"journal entry {row.key.epoch}/{row.key.number}")
        except DamagedBlock as error:
            self._report(f"readings are lost: {error}")
            if row.body:
                self.damaged.append(row)
            self.has_gaps = True
            return
        self._enter(entry)
        for receipt in noted_receipts(entry.note):
            self._receipts.add(receipt)

    def _enter(self, entry: JournalEntry) -> None:
        skip = self._skips(entry)
        for first, end, is_array in entry.segments():
            if is_array:
                self._enter_array(entry, first, end, skip)
            else:
                self._enter_readings(entry, slice(first, end), skip)

    def _enter_array(self, entry: JournalEntry, first: int, end: int, skip: dict[int, int]) -> None:
        number = int(entry.streams[first])
        stream = self._catalogue.number(number)
        if stream is None:  # removed since
            return
        known = min(skip[number], end - first)
        skip[number] -= known
        if first + known < end:
            stream.extend(entry.samples(first + known, end))
            self.readings += end - first - known

    def _enter_readings(self, entry: JournalEntry, rows: slice, skip: dict[int, int]) -> None:
        numbers = entry.streams[rows].tolist()
        values = entry.values.rows(rows).unpack()
        quality = None if entry.quality is None else entry.quality[rows]
        qualities = bytes(len(numbers)) if quality is None else quality.tobytes()
        streams = {number: self._catalogue.number(number) for number in set(numbers)}
        for number, time_ns, value, quality in zip(
            numbers, entry.t[rows].tolist(), values, qualities, strict=True
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


async def found_state(backend: Backend, number: int) -> SealState:
    """How far a stream is sealed, as its blocks tell; of the newest datapoint only the time."""
    state = SealState()
    spans: dict[Granularity, tuple[int, int]] = {}
    for granularity in Granularity.values:
        outlines = await backend.read_outlines(number, granularity.key)
        if not outlines:
            continue
        if granularity is Granularity.Raw:
            state.through = max(outline.through for outline in outlines)
            state.first_ns = min(outline.from_ns for outline in outlines)
            state.last_ns = max(outline.to_ns for outline in outlines)
            state.latest = Latest(state.last_ns, None, Quality.FAULT)
            state.removed = state.through - sum(outline.length for outline in outlines)
        else:
            last = outlines[-1]
            until_ns = max(outline.to_ns for outline in outlines)
            state.levels[granularity.key] = LevelState(until_ns, last.key.ordinal + last.length)
        ends_ns = min(outline.to_ns for outline in outlines)
        is_raw = granularity is Granularity.Raw
        spans[granularity] = (
            min(outline.from_ns for outline in outlines),
            ends_ns if is_raw else ends_ns - 1,
        )
    if Granularity.Raw in spans:
        _find_floors(state, spans)
    return state


def _find_floors(state: SealState, spans: dict[Granularity, tuple[int, int]]) -> None:
    """Where rollups begin days before what they are made of, that was removed by retention.

    Args:
        state: of the stream.
        spans: of what is stored: when the first block begins, and the last time in the one that
            ends first. What was removed lies before the midnight before that.
    """
    floor_ns = MAX_NS
    for granularity in Granularity.values:
        # what is not stored is computed from what is finer
        begins_ns, ends_ns = spans.get(granularity, (MAX_NS, floor_ns))
        coarser = [begin for one, (begin, _) in spans.items() if one < granularity]
        if min(coarser, default=MAX_NS) // DAY_NS >= begins_ns // DAY_NS:
            break
        floor_ns = min(floor_ns, ends_ns - ends_ns % DAY_NS)
        state.floors[granularity.key] = floor_ns
    if state.floors:
        state.first_ns = min(begins_ns for begins_ns, _ in spans.values())
        state.fixed = state.through
    else:
        state.removed = 0

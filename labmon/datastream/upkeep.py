"""Upkeep every ten minutes: heads are sealed, the rest carried, the journal trimmed, old data goes.

So slow streams make no tiny blocks, and hold up nothing. A journal that fast instruments fill is
trimmed in between: a start reads all of it. The trap: an entry may go only when all
that it says is in a block or in the carry entry that is written in the same change.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.backends.base import CARRY_ENTRY, Change
from labmon.datastream.entry import JournalEntry, encode_entry
from labmon.datastream.exceptions import DatastreamException
from labmon.datastream.journal_values import JournalValues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon.datastream.backends.base import EntryRow
    from labmon.datastream.columns import Columns
    from labmon.datastream.engine import Engine
    from labmon.datastream.stream import Stream

log = logging.getLogger(__name__)

PERIOD_S: Final = 600.0
KEEP_NS: Final = 300 * 1_000_000_000
"""The journal keeps at least this, so that live clients can resume."""
LONG_BYTES: Final = 64 << 20
"""A journal that has grown by so much is trimmed before the next upkeep."""
LOOK_S: Final = 30.0
SEAL_FROM: Final = 512
"""A head with so many datapoints is worth a block."""
HEADS: Final = 200
"""So many are looked at in one turn of the event loop."""

TRIMMED: Final = "engine/trimmed"


async def run_upkeep(engine: Engine) -> None:
    """Keep a store up, for as long as it is open."""
    loop = asyncio.get_running_loop()
    due_s = loop.time() + PERIOD_S
    while True:
        await _pause(engine, due_s)
        is_due = loop.time() >= due_s
        if is_due:
            due_s = loop.time() + PERIOD_S
        try:
            await (upkeep(engine) if is_due else shorten(engine))
        except (DatastreamException, OSError) as error:
            log.warning("the upkeep of the store is put off: %s", error)
        except Exception:
            log.exception("the upkeep of the store failed, a bug of labmon")


async def _pause(engine: Engine, due_s: float) -> None:
    """Wait for a time of the loop, or until the journal has grown by much."""
    loop, written = asyncio.get_running_loop(), engine.journal.written_bytes
    while (left_s := due_s - loop.time()) > 0:
        await asyncio.sleep(min(left_s, LOOK_S))
        if engine.journal.written_bytes - written >= LONG_BYTES:
            return


async def shorten(engine: Engine) -> None:
    """Trim the journal to what it has to keep."""
    await engine.deriver.mark()
    await trim(engine, engine.clock() - KEEP_NS)


async def upkeep(engine: Engine, keep_ns: int = KEEP_NS) -> None:
    """Seal the heads that are worth it, trim the journal behind a carry entry, remove old data."""
    seal(engine, engine.catalogue)
    await engine.sealer.idle()
    await engine.deriver.mark()
    await trim(engine, engine.clock() - keep_ns)
    await engine.retainer.run()


def seal(engine: Engine, streams: Iterable[Stream]) -> None:
    """Seal those heads that are worth a block, soon."""
    worth = min(SEAL_FROM, engine.sealer.size)
    for stream in streams:
        if stream.head_length >= worth:
            engine.sealer.want(stream)


async def trim(engine: Engine, before_ns: int) -> None:
    """Remove the journal entries from before a time; what is not sealed is carried on."""
    gone = engine.journal.entries.up_to(before_ns)
    if gone:
        await _carry(engine, gone, {})


async def rewrite(engine: Engine) -> None:
    """Begin the journal anew: datapoints are missing in it, so that its ordinals are wrong.

    Entries that could not be read are set aside under `damaged/`.
    """
    aside: dict[str, bytes | None] = {
        f"damaged/entry/{row.key.epoch}/{row.key.number}": row.body
        for row in engine.recovery.damaged
    }
    await _carry(engine, list(engine.journal.entries), aside)


async def _carry(engine: Engine, gone: list[EntryRow], cursors: dict[str, bytes | None]) -> None:
    """Write one entry with everything that is not sealed, and remove the others."""
    seqs = [(row.key.epoch, row.last_seq) for row in gone if row.last_seq]
    heads = await _heads(engine)
    body = await asyncio.get_running_loop().run_in_executor(None, encode_carry, engine.epoch, heads)
    trimmed = max([engine.trimmed, *seqs])
    change = Change(
        epochs=engine.epoch_rows(),
        entries=[engine.journal.entry_row(CARRY_ENTRY, body)] if heads else [],
        cursors={**cursors, TRIMMED: b"%d %d" % trimmed},
        removed_entries=[row.key for row in gone],
    )
    engine.trimmed = trimmed  # first: who reads the journal while entries go must see that they go
    await engine.journal.submit(change)


async def _heads(engine: Engine) -> list[tuple[int, int, Columns]]:
    """Number, first ordinal and datapoints of each head, taken in many turns.

    What arrives or is sealed in between is in later entries, or in blocks: ordinals tell.
    """
    heads: list[tuple[int, int, Columns]] = []
    for place, stream in enumerate(list(engine.catalogue), 1):
        if stream.head_length and stream.config.derived_from is None:
            heads.append((stream.number, stream.head.first_ordinal, stream.head.arrivals()))
        if place % HEADS == 0:
            await asyncio.sleep(0)
    return heads


def encode_carry(epoch: int, heads: list[tuple[int, int, Columns]]) -> bytes:
    """(stream, first ordinal, datapoints in the order of arrival) of each head as an entry."""
    counts = [len(columns) for _, _, columns in heads]
    qualities = [columns.qualities() for _, _, columns in heads]
    values = [JournalValues.of(columns) for _, _, columns in heads]
    numbers = [number for number, _, _ in heads]
    return encode_entry(
        JournalEntry(
            epoch,
            np.zeros(sum(counts), np.int64),
            np.repeat(np.array(numbers, np.uint32), counts),
            np.concatenate([columns.t for _, _, columns in heads] or [np.empty(0, np.int64)]),
            JournalValues.concatenate(values),
            np.concatenate(qualities) if any(map(np.any, qualities)) else None,
            {"streams": numbers, "ordinals": [ordinal for _, ordinal, _ in heads]},
        )
    )

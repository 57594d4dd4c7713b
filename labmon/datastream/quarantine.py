"""What an engine knows, said again: for a new store in the place of one that was found damaged.

Blocks are not in memory: the backend copies those of the damaged store. The trap: what is queued is
written after this, and may say the same datapoints once more; their ordinals tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labmon.datastream.backends.base import CARRY_ENTRY, Change, EpochRow, StreamRow
from labmon.datastream.entry_list import EntryList
from labmon.datastream.upkeep import TRIMMED, encode_carry

if TYPE_CHECKING:
    from labmon.datastream.engine import Engine


def restatement(engine: Engine) -> Change:
    """Node, epochs, streams, how far they are sealed or derived, one entry with all that is not."""
    durable_seq = engine.journal.durable_seq
    engine.blocks.damaged.clear()  # the old store is read in other ways from now on: look again
    heads = [
        (stream.number, stream.head.first_ordinal, stream.head.arrivals())
        for stream in engine.catalogue
        if stream.head.length and stream.config.derived_from is None  # they have marks
    ]
    carry = engine.journal.entry_row(CARRY_ENTRY, encode_carry(engine.epoch, heads))
    engine.journal.entries = EntryList([carry])
    engine.trimmed = max(engine.trimmed, (engine.epoch, durable_seq))
    return Change(
        node=engine.node,
        epochs=[
            *(
                EpochRow(epoch, engine.starts.get(epoch, 0), last_seq)
                for epoch, last_seq in engine.ends.items()
            ),
            EpochRow(engine.epoch, engine.started_ns, durable_seq),
        ],
        streams=[
            StreamRow(stream.number, stream.id, stream.document()) for stream in engine.catalogue
        ],
        states={stream.number: stream.state.encode() for stream in engine.catalogue},
        entries=[carry],
        cursors={**engine.deriver.restated(), TRIMMED: b"%d %d" % engine.trimmed},
    )

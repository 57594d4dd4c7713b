"""Readings of an earlier start, which were kept elsewhere because the store was away.

They become entries of that start's epoch, so cursors into it stay right. The trap: one of these
entries may have landed before a crash without anybody hearing of it; it has the same key and the
same readings when it is written again, and their ordinals tell that they are there already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from labmon.datastream.backends.base import EntryKey

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from labmon.datastream.appending import Rejection
    from labmon.datastream.engine import Engine
    from labmon.reading import AnyBatch

FIRST_NUMBER: Final = 1 << 39
"""Entries that the earlier start has written itself have lower numbers."""


class Earlier(NamedTuple):
    """What came of readings of an earlier start.

    Attributes:
        rejections: those that were not taken.
        durable: done once the others are durable, or refused by the store; None: there are none.
    """

    rejections: list[Rejection]
    durable: asyncio.Future[None] | None


def append_earlier(engine: Engine, epoch: int, number: int, batches: Sequence[AnyBatch]) -> Earlier:
    """Take readings that an earlier epoch numbered, behind all of it that the store has.

    Args:
        engine: open.
        epoch: one that the store knows.
        number: tells these readings from others of the epoch, whenever they are given.
        batches: in order, at least one; nothing that was given before.

    Raises:
        StreamAppendFailed: there is no room while the store is away; none is taken.
    """
    engine.check_writable()
    entry, rejections = engine.appender.earlier(batches)
    if not entry.count:
        return Earlier(rejections, None)
    durable = engine.journal.add_earlier(entry, EntryKey(epoch, FIRST_NUMBER + number))
    last_seq = batches[-1].last_seq

    def is_durable(done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is None:
            engine.ends[epoch] = max(engine.ends.get(epoch, 0), last_seq)

    durable.add_done_callback(is_durable)
    return Earlier(rejections, durable)

"""The tail of the journal as batches, for live clients that resume where they were.

Only what is durable is told, in the order of arrival. The trap: numbers have holes where readings
were refused, so a missing number says nothing; how far the journal was trimmed is written down.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labmon.datastream.entry import decode_entry
from labmon.datastream.exceptions import DamagedBlock
from labmon.reading import ArrayBatch, Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.datastream.backends.base import EntryRow
    from labmon.datastream.engine import Engine
    from labmon.datastream.entry import JournalEntry
    from labmon.reading import AnyBatch


@dataclass(slots=True)
class JournalTail:
    """What was durable after a position.

    Attributes:
        batches: in the order of arrival; a batch may have more parts than when it was published,
            an array is whole.
        epochs: of each batch, the epoch in which it was numbered.
        complete: whether these are all; else the journal does not reach back so far.
        from_ns: when the entry was committed behind which all is there; None: no entry.
        epoch, seq: the position behind the last batch: the later epochs are told too.
        is_cut: there is more, from that position on.
    """

    batches: list[AnyBatch] = field(default_factory=list["AnyBatch"])
    epochs: list[int] = field(default_factory=list[int])
    complete: bool = True
    from_ns: int | None = None
    epoch: int = 0
    seq: int = 0
    is_cut: bool = False


async def journal_since(
    engine: Engine, epoch: int, seq: int, limit: int | None = None
) -> JournalTail:
    """The durable readings after a position, of this epoch and of later ones.

    At least `limit` of them, to the end of an entry, if there are so many; others run between two
    entries.
    """
    tail = JournalTail(complete=(epoch, seq) >= engine.trimmed, epoch=epoch, seq=seq)
    if epoch != engine.epoch and epoch not in engine.ends:
        tail.complete = False
    rows = engine.journal.entries.commits_after(epoch, seq)
    if rows:
        tail.from_ns = rows[0].time_ns
    found = 0
    async with aclosing(engine.backend.stream_entries(rows)) as entries:
        async for row in entries:
            found += _add(engine, tail, row)
            if limit is not None and found >= limit:
                tail.is_cut = True
                break
            await asyncio.sleep(0)
    return tail


def _add(engine: Engine, tail: JournalTail, row: EntryRow) -> int:
    """Put what is in an entry behind a tail; returns how many readings these are."""
    first = tail.seq + 1 if row.key.epoch == tail.epoch else 1
    try:
        entry = decode_entry(row.body)
    except DamagedBlock:  # or trimmed since it was asked for
        tail.complete = False
        tail.from_ns = row.time_ns
        return 0
    batches = list(_batches(engine, entry, first))
    tail.batches += batches
    tail.epochs += [row.key.epoch] * len(batches)
    if row.last_seq:
        tail.epoch, tail.seq = row.key.epoch, row.last_seq
    return sum(map(len, batches))


def _batches(engine: Engine, entry: JournalEntry, first_seq: int) -> Iterator[AnyBatch]:
    """The numbered readings of an entry from `first_seq` on, those of one poll together."""
    for first, end, is_array in entry.segments():
        if is_array:
            yield from _array(engine, entry, first, end, first_seq)
        else:
            yield from _polls(engine, entry, slice(first, end), first_seq)


def _array(
    engine: Engine, entry: JournalEntry, first: int, end: int, first_seq: int
) -> Iterator[ArrayBatch]:
    stream = engine.catalogue.number(int(entry.streams[first]))
    path = None if stream is None else stream.path
    if path is None or entry.seq[end - 1] < first_seq:
        return
    columns = entry.samples(first, end)
    yield ArrayBatch(
        path.partition("/")[0],
        (path,),
        columns.t,
        columns.v,
        columns.quality,
        int(entry.seq[first]),
    )


def _polls(engine: Engine, entry: JournalEntry, rows: slice, first_seq: int) -> Iterator[Batch]:
    qualities = bytes(rows.stop - rows.start)
    if entry.quality is not None:
        qualities = entry.quality[rows].tobytes()
    part = _Part()
    for seq, number, time_ns, value, quality in zip(
        entry.seq[rows].tolist(),
        entry.streams[rows].tolist(),
        entry.t[rows].tolist(),
        entry.values.rows(rows).unpack(),
        qualities,
        strict=True,
    ):
        stream = engine.catalogue.number(number)
        path = None if stream is None else stream.path
        if seq < first_seq or path is None or stream is None:
            continue
        if part.ends_before(seq, time_ns, path):
            yield part.batch()
            part = _Part()
        part.add(seq, time_ns, path, stream.answer(value), quality)
    if part.paths:
        yield part.batch()


class _Part:
    """Readings that go into one batch."""

    def __init__(self) -> None:
        self.first_seq = 0
        self.time_ns = 0
        self.source = ""
        self.paths: list[str] = []
        self._values: list[Any] = []
        self._qualities = bytearray()

    def ends_before(self, seq: int, time_ns: int, path: str) -> bool:
        return bool(self.paths) and (
            seq != self.first_seq + len(self.paths)
            or time_ns != self.time_ns
            or path.partition("/")[0] != self.source
            or path in self.paths
        )

    def add(self, seq: int, time_ns: int, path: str, value: Any, quality: int) -> None:
        if not self.paths:
            self.first_seq, self.time_ns = seq, time_ns
            self.source = path.partition("/")[0]
        self.paths.append(path)
        self._values.append(value)
        self._qualities.append(quality)

    def batch(self) -> Batch:
        return Batch(
            self.source,
            self.time_ns,
            tuple(self.paths),
            tuple(self._values),
            bytes(self._qualities),
            self.first_seq,
        )

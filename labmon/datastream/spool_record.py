"""Batches as one record of the spool, and back: a journal entry that knows paths, not streams.

What waits for a store may be of streams that the store does not know yet, so a record names them,
and tells how they were described. The trap: a batch must come back as it went, with the number of
each reading and the push that it is of, or a client would get readings twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream.entry import JournalEntry, decode_entry, encode_entry
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.journal_values import INT, JournalValues
from labmon.reading import ArrayBatch, Batch, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.spool_file import Frame
    from labmon.reading import AnyBatch

StreamFacts = tuple[str, dict[str, Any]]
"""Type and tags of a stream, as it was made."""
Shape = tuple[str, tuple[str, ...], int]
"""Source, paths, and how many samples: 0: it is no array."""
_UNREADABLE: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError)


@dataclass(slots=True)
class SpoolRecord:
    """Some batches in order, as they were numbered.

    Attributes:
        node, epoch: who numbered them.
        batches: at least one.
        streams: of paths of which the store may not know the stream.
        start_id: which start of theirs it was: a copy of a store goes on with the same node, and
            starts of the same numbers. None: an earlier labmon wrote it, and did not say.
    """

    node: str
    epoch: int
    batches: list[AnyBatch]
    streams: dict[str, StreamFacts] = field(default_factory=dict[str, StreamFacts])
    start_id: str | None = None


@dataclass(slots=True)
class Portion:
    """What of a record is to be handed over.

    Attributes:
        frame: where it stands.
        is_earlier: whether an earlier start numbered it.
        batches: those that the store does not have, nor the datastream in its hands.
        streams: how streams of which the store may not know were made.
    """

    frame: Frame
    is_earlier: bool
    batches: list[AnyBatch]
    streams: Mapping[str, StreamFacts]


def encode_record(record: SpoolRecord) -> bytes:
    """A record as the bytes of a journal entry; its streams are places in the list of paths.

    Raises:
        TypeError, ValueError: a value is not JSON.
    """
    batches = record.batches
    paths = {path: 0 for batch in batches for path in batch.paths}
    paths = {path: number for number, path in enumerate(paths)}
    streams = [np.array([paths[path] for path in batch.paths], np.uint32) for batch in batches]
    return encode_entry(
        JournalEntry(
            record.epoch,
            np.concatenate([np.arange(each.seq, each.seq + len(each)) for each in batches]),
            np.concatenate([_rows(*each) for each in zip(streams, batches, strict=True)]),
            np.concatenate([_rows(each.times_ns, each) for each in batches]),
            JournalValues.concatenate(list(_values(batches))),
            np.concatenate([_qualities(each) for each in batches]),
            _note(record, paths),
        )
    )


def _note(record: SpoolRecord, paths: dict[str, int]) -> dict[str, Any]:
    """What makes batches of the columns again."""
    shapes: dict[Shape, int] = {}
    order: list[int] = []
    arrays: list[tuple[int, int]] = []
    pushes: list[tuple[int, Receipt]] = []
    row = 0
    for place, batch in enumerate(record.batches):
        samples = len(batch) if isinstance(batch, ArrayBatch) else 0
        order.append(shapes.setdefault((batch.source, batch.paths, samples), len(shapes)))
        if samples:
            arrays.append((row, samples))
        elif isinstance(batch, Batch) and batch.receipt is not None:
            pushes.append((place, batch.receipt))
        row += len(batch)
    return {
        "node": record.node,
        "start": record.start_id,
        "paths": list(paths),
        "shapes": [
            (source, [paths[path] for path in of], samples) for source, of, samples in shapes
        ],
        "batches": order,
        "arrays": arrays,
        "pushes": pushes,
        "described": record.streams,
    }


def _rows(column: NDArray[Any], batch: AnyBatch) -> NDArray[Any]:
    """A column of a batch where it stands once for all readings."""
    return np.broadcast_to(column, len(batch)) if len(column) == 1 else column


def _values(batches: Sequence[AnyBatch]) -> Iterator[JournalValues]:
    """The values of runs of batches: those of polls are packed together."""
    polled: list[Any] = []
    for batch in batches:
        if isinstance(batch, Batch):
            polled += batch.values
            continue
        if polled:
            yield JournalValues.pack(polled)
            polled = []
        if batch.values.dtype.kind in "iu":
            kinds = np.full(len(batch), INT, np.uint8)
            yield JournalValues(batch.values.astype(np.int64).view(np.float64), kinds)
        else:
            yield JournalValues(batch.values.astype(np.float64, copy=False))
    if polled:
        yield JournalValues.pack(polled)


def _qualities(batch: AnyBatch) -> NDArray[np.uint8]:
    if isinstance(batch, Batch):
        return np.frombuffer(batch.qualities, np.uint8)
    return np.zeros(len(batch), np.uint8) if batch.qualities is None else batch.qualities


def decode_record(body: bytes, *, which: str = "a record of the spool") -> SpoolRecord:
    """The record of bytes.

    Raises:
        DamagedBlock: they are not what was written.
    """
    entry = decode_entry(body, which=which)
    try:
        note: Mapping[str, Any] = entry.note
        paths: list[str] = note["paths"]
        shapes = [
            (source, tuple(paths[i] for i in of), samples) for source, of, samples in note["shapes"]
        ]
        receipts = {place: Receipt(*receipt) for place, receipt in note["pushes"]}
        of_batches = [shapes[number] for number in note["batches"]]
        ends = np.cumsum([0, *(samples or len(of) for _, of, samples in of_batches)]).tolist()
        if ends[-1] != len(entry):
            raise ValueError(f"batches of {ends[-1]} readings instead of {len(entry)}")
        batches = [
            _batch(entry, first, end, shape, receipts.get(place))
            for place, ((first, end), shape) in enumerate(
                zip(pairwise(ends), of_batches, strict=True)
            )
        ]
        streams = {path: (kind, tags) for path, (kind, tags) in note["described"].items()}
        return SpoolRecord(note["node"], entry.epoch, batches, streams, note.get("start"))
    except _UNREADABLE as error:
        raise DamagedBlock(which, f"has a note that says nothing of batches: {error}") from None


def _batch(
    entry: JournalEntry,
    first: int,
    end: int,
    shape: Shape,
    receipt: Receipt | None,
) -> AnyBatch:
    source, paths, samples = shape
    seq = int(entry.seq[first])
    if samples:
        columns = entry.samples(first, end)
        return ArrayBatch(source, paths, columns.t, columns.v, columns.quality, seq)
    rows = slice(first, end)
    qualities = bytes(end - first) if entry.quality is None else entry.quality[rows].tobytes()
    values = tuple(entry.values.rows(rows).unpack())
    return Batch(source, int(entry.t[first]), paths, values, qualities, seq, receipt)


def is_plain(batch: AnyBatch) -> bool:
    """Whether a batch is nothing but data."""
    try:
        encode_record(SpoolRecord("", 0, [batch]))
    except (TypeError, ValueError):
        return False
    return True


def rest_after(batches: Sequence[AnyBatch], seq: int) -> list[AnyBatch]:
    """What of batches comes after a number."""
    return [rest for batch in batches if (rest := rest_of(batch, seq)) is not None]


def rest_of(batch: AnyBatch, seq: int) -> AnyBatch | None:
    """What of a batch comes after a number; None: nothing. An array is never cut."""
    if batch.last_seq <= seq:
        return None
    skipped = seq - batch.seq + 1
    if skipped <= 0 or isinstance(batch, ArrayBatch):
        return batch
    return Batch(
        batch.source,
        batch.time_ns,
        batch.paths[skipped:],
        batch.values[skipped:],
        batch.qualities[skipped:],
        batch.seq + skipped,
        batch.receipt,
    )

"""How values come in: checked, entered into heads, and handed to the journal.

Everything here happens between two awaits, so a value is in the head and in the journal, or in
neither. The trap: a batch is never refused as a whole; each reading of it is taken or rejected
with a reason, and the late ones are flagged.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from labmon.datastream.columns import Columns
from labmon.datastream.entry import EntryColumns
from labmon.datastream.exceptions import (
    AppendToDerivedStreamNotAllowed,
    DatastreamException,
    InvalidTimestamp,
    StreamAppendFailed,
)
from labmon.datastream.feed import Feed
from labmon.datastream.granularity import Granularity
from labmon.datastream.journal_values import JournalValues
from labmon.datastream.open_entry import OpenEntry, seq_column
from labmon.datastream.polls import StreamNumbers
from labmon.datastream.times import LAST_NS, column_ns
from labmon.datastream.values import quality_column, weight
from labmon.reading import ArrayBatch, Quality
from labmon.timestamps import to_iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.catalogue import Catalogue
    from labmon.datastream.journal import Journal
    from labmon.datastream.several import Several
    from labmon.datastream.stream import Stream
    from labmon.reading import AnyBatch, Batch, Value

log = logging.getLogger(__name__)

SHAPES: Final = 4096


class Rejection(NamedTuple):
    """One reading of a batch that was not taken, and why."""

    index: int  # pyright: ignore[reportIncompatibleMethodOverride]
    path: str
    reason: str


class Shape(NamedTuple):
    """What is known of the paths of a batch, which come again with every poll.

    Attributes:
        version: of the catalogue.
        streams: of each path, None where there is none.
        numbers: of the streams, 0 where there is none.
        feed: takes their polls; None: not all are there and take floats as they come.
    """

    version: int
    streams: tuple[Stream | None, ...]
    numbers: StreamNumbers
    feed: Feed | None


_FLOATS: Final = frozenset({float, type(None)})


class Appender:
    """Enters values; on the event loop, never waits.

    Args:
        catalogue: the streams.
        journal: what makes it durable.
        spool_bytes: how much may wait while the store is away; what is beyond is refused, so
            whoever appends decides what to do without, see `progress`.
    """

    def __init__(self, catalogue: Catalogue, journal: Journal, spool_bytes: int) -> None:
        self._catalogue = catalogue
        self._journal = journal
        self._entry: Journal | OpenEntry = journal
        self._spool_bytes = spool_bytes
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._is_numbered_outside = False
        self.last_seq = 0
        """The number of the newest reading."""

    def batch(self, batch: Batch) -> tuple[Rejection, ...]:
        """Take the readings of one poll; returns those that were refused.

        Raises:
            StreamAppendFailed: there is no room while the store is away; none is taken.
        """
        self._check_room()
        shape = self._shapes.get(batch.paths)
        if shape is None or shape.version != self._catalogue.version:
            shape = self._find_shape(batch.paths)
        time_ns, values = batch.time_ns, batch.values
        first_seq = self._first_seq(batch.seq, len(values))
        if not 0 <= time_ns <= LAST_NS:
            reason = f"{time_ns} ns lies outside the years 1970 to 2262"
            return tuple(Rejection(i, path, reason) for i, path in enumerate(batch.paths))
        if batch.receipt is not None:
            self._entry.add_receipt(batch.receipt)
        feed = shape.feed
        if feed is None or not _FLOATS.issuperset(map(type, values)):
            return self._careful(batch, shape, first_seq)
        if not feed.is_whole:
            feed.attach()
        if time_ns < feed.latest_ns:
            return self._careful(batch, shape, first_seq)
        packed = feed.take(time_ns, values, batch.qualities)
        self._entry.add_poll((shape.numbers, time_ns, packed, batch.qualities, first_seq))
        return ()

    def samples(self, batch: ArrayBatch) -> tuple[Rejection, ...]:
        """Take an array of samples through the journal, all of it or nothing.

        Raises:
            StreamAppendFailed: there is no room while the store is away.
        """
        self._check_room()
        shape = self._find_shape(batch.paths)
        first_seq = self._first_seq(batch.seq, len(batch))
        stream, path = shape.streams[0], batch.paths[0]
        try:
            _check(stream, path, None, max(0, int(batch.times_ns[0])))
            assert stream is not None
            columns = array_columns(stream, batch.times_ns, batch.values, batch.qualities)
            _check_ascending(columns.t)
        except (DatastreamException, ValueError) as error:
            return (Rejection(0, path, str(error)),)
        if columns.t[0] < stream.latest_ns:
            columns = columns.marked(columns.t < stream.latest_ns, Quality.LATE)
        stream.extend(columns)
        self._entry.add_array(stream.number, columns, first_seq)
        return ()

    def earlier(self, batches: Iterable[AnyBatch]) -> tuple[OpenEntry, list[Rejection]]:
        """Take what an earlier start was given: into the heads, and an entry of its own.

        Nothing may be appended before that is queued: the heads must end with what is in it.
        """
        self._journal.close_entry()
        numbered = self._is_numbered_outside, self.last_seq
        rejections: list[Rejection] = []
        self._entry = entry = OpenEntry()
        try:
            for batch in batches:
                rejections += self._earlier_batch(batch)
        finally:
            self._entry = self._journal
            self._is_numbered_outside, self.last_seq = numbered
        return entry, rejections

    def _earlier_batch(self, batch: AnyBatch) -> tuple[Rejection, ...]:
        try:
            if isinstance(batch, ArrayBatch):
                return self.samples(batch)
            if batch.receipt is not None:
                self._journal.receipts.add(batch.receipt)
            return self.batch(batch)
        except StreamAppendFailed:
            raise
        except Exception as error:  # what the heads have of the others is to be queued
            log.exception("a batch of %s is not recorded, a bug of labmon", batch.source)
            return tuple(Rejection(i, path, repr(error)) for i, path in enumerate(batch.paths))

    def _find_shape(self, paths: tuple[str, ...]) -> Shape:
        shape = self._shapes.get(paths)
        if shape is not None and shape.version == self._catalogue.version:
            return shape
        if len(self._shapes) > SHAPES:
            self._shapes.clear()
        streams = tuple(self._catalogue.at(path) for path in paths)
        numbers = StreamNumbers(0 if one is None else one.number for one in streams)
        shape = Shape(self._catalogue.version, streams, numbers, _feed(streams))
        self._shapes[paths] = shape
        return shape

    def _careful(self, batch: Batch, shape: Shape, first_seq: int) -> tuple[Rejection, ...]:
        """Enter reading by reading: each is taken or refused, and flagged where it is late."""
        rejections: list[Rejection] = []
        values: list[Any] = list(batch.values)
        qualities = bytearray(batch.qualities)
        for i, stream in enumerate(shape.streams):
            try:
                value = values[i] = _check(stream, batch.paths[i], values[i], batch.time_ns)
            except (DatastreamException, ValueError) as error:
                rejections.append(Rejection(i, batch.paths[i], str(error)))
                continue
            assert stream is not None
            if batch.time_ns < stream.latest_ns:
                qualities[i] |= Quality.LATE
            stream.enter(batch.time_ns, value, qualities[i])
        for refused, end in pairwise([-1, *(one.index for one in rejections), len(values)]):
            taken = slice(refused + 1, end)
            if taken.start < end:
                numbers = shape.numbers.rows(taken) if rejections else shape.numbers
                seq = first_seq + taken.start if first_seq else 0
                self._add(numbers, batch.time_ns, values[taken], bytes(qualities[taken]), seq)
        return tuple(rejections)

    def _first_seq(self, given: int, count: int) -> int:
        """The number of the first of some readings: the hub's where it gives any, else our own.

        0: the hub gives numbers, and gave none to these.
        """
        if given:
            self._is_numbered_outside = True
            self.last_seq = max(self.last_seq, given + count - 1)
            return given
        if self._is_numbered_outside:
            return 0
        first = self.last_seq + 1
        self.last_seq += count
        return first

    def _check_room(self) -> None:
        if self._journal.pending_bytes >= self._spool_bytes:
            raise StreamAppendFailed("the store is away and there is no more room to wait in")

    def _enter(self, stream: Stream, time_ns: int, value: Any, quality: int, seq: int) -> None:
        stream.enter(time_ns, value, quality)
        self._add(StreamNumbers((stream.number,)), time_ns, (value,), bytes((quality,)), seq)

    def _add(
        self,
        numbers: StreamNumbers,
        time_ns: int,
        values: Sequence[Any],
        qualities: bytes,
        first_seq: int,
    ) -> None:
        packed = JournalValues.pack(values)
        poll = (numbers, time_ns, packed.v.tobytes(), qualities, first_seq)
        self._entry.add_mixed(poll, packed, sum(map(weight, values)))

    def one(
        self, stream: Stream, value: Any, time_ns: int, quality: int, *, check_timestamp: bool
    ) -> int:
        """Take one value; returns its quality, with the flag `late` where it is.

        Raises:
            InvalidTimestamp: before the stream's latest, where that is checked; or from when
                datapoints were removed.
            StreamAppendFailed: there is no room while the store is away.
        """
        if time_ns < stream.latest_ns:
            if check_timestamp:
                raise InvalidTimestamp(
                    f"{time_ns} is before the stream's latest, {stream.latest_ns}"
                )
            check_kept(stream, time_ns)
            quality |= Quality.LATE
        self._check_room()
        self._enter(stream, time_ns, value, quality, self._first_seq(0, 1))
        return quality

    def several(self, several: Several) -> None:
        """Take checked datapoints of several streams, all of them.

        Raises:
            StreamAppendFailed: there is no room while the store is away.
        """
        self._check_room()
        count = len(several.t)
        for stream, columns in several.parts:
            stream.extend(columns)
        self._entry.add_columns(
            EntryColumns(
                seq_column(self._first_seq(0, count), count),
                several.streams,
                several.t,
                several.values,
                several.quality,
            ),
            several.heavy,
        )

    def array(self, stream: Stream, columns: Columns) -> None:
        """Take columns in the order of time through the journal.

        Raises:
            InvalidTimestamp: they are not in order, or begin before the stream's latest.
            StreamAppendFailed: there is no room while the store is away.
        """
        check_order(stream, columns)
        self._check_room()
        stream.extend(columns)
        first_seq = self._first_seq(0, len(columns))
        self._entry.add_array(stream.number, columns, first_seq, is_noted=False)


def _feed(streams: Sequence[Stream | None]) -> Feed | None:
    """What takes polls of these streams, where all of them take floats as they come."""
    plain = [stream for stream in streams if stream is not None and stream.takes_floats]
    is_plain = 0 < len(plain) == len(streams) == len(set(map(id, plain)))
    return Feed(plain) if is_plain else None


def check_order(stream: Stream, columns: Columns) -> None:
    """Refuse columns that are not in the order of time, or begin before the stream's latest.

    Raises:
        InvalidTimestamp: which it is.
    """
    t = columns.t
    if not len(t):
        return
    if t[0] < max(0, stream.latest_ns):
        raise InvalidTimestamp(f"{t[0]} is before the stream's latest, {stream.latest_ns}")
    _check_ascending(t)


def _check_ascending(t: NDArray[np.int64]) -> None:
    for end_ns in (t[0], t[-1]):
        if not 0 <= end_ns <= LAST_NS:
            raise InvalidTimestamp(f"{end_ns} ns lies outside the years 1970 to 2262")
    if (t[1:] < t[:-1]).any():
        at = int(np.flatnonzero(t[1:] < t[:-1])[0]) + 1
        raise InvalidTimestamp(f"timestamp {at}, {t[at]}, is before the one in front of it")


def array_columns(stream: Stream, timestamps: Any, values: Any, qualities: Any = None) -> Columns:
    """Columns of arrays as a caller gave them.

    Raises:
        ValueError: they are not equally long.
        UnsupportedValueType: the values are no floats or integers of 64 bits.
    """
    times_ns = t = column_ns(timestamps)
    v = np.array(values.tolist(), object) if np.ma.is_masked(values) else np.asarray(values)
    quality = None if qualities is None else quality_column(qualities)
    if t.ndim != 1 or t.shape != v.shape or (quality is not None and quality.shape != t.shape):
        raise ValueError("timestamps, values and qualities are equally long, and of one dimension")
    if quality is not None and not quality.any():
        quality = None
    if stream.takes_floats:
        if v.dtype.kind in "iu" and v.dtype != np.uint64:
            return Columns(times_ns, v.astype(np.int64), None, quality)
        if v.dtype.kind == "f" and v.dtype.itemsize <= 8:
            return Columns(times_ns, v.astype(np.float64), None, quality)
    return Columns.from_values(times_ns, [stream.check(value) for value in v.tolist()], quality)


def _check(stream: Stream | None, path: str, value: Value, first_ns: int) -> Any:
    if stream is None:
        raise DatastreamException(f"there is no stream {path!r}")
    check_source(stream)
    check_kept(stream, first_ns)
    return stream.check(value)


def check_kept(stream: Stream, time_ns: int) -> None:
    """Refuse a late datapoint of a time of which retention has removed the datapoints.

    Raises:
        InvalidTimestamp: it is one.
    """
    floor_ns = stream.floors.get(Granularity.Raw.key, 0)
    if time_ns < floor_ns:
        raise InvalidTimestamp(
            f"{to_iso(time_ns)} is too long ago: retention has removed the datapoints of"
            f" {stream.path or stream.id} from before {to_iso(floor_ns)}"
        )


def check_source(stream: Stream) -> None:
    """Refuse to append to what the library computes itself.

    Raises:
        AppendToDerivedStreamNotAllowed: the stream is derived.
    """
    if stream.config.derived_from is not None:
        raise AppendToDerivedStreamNotAllowed(f"stream {stream.id} is derived from others")

"""`Datastream`: the library's front, one object for one open store.

It is used on one event loop. Appending enters a value into memory, where queries see it at once,
and returns before it is durable; `commit` waits. The trap: a coroutine of it may be cancelled at
any await, so whatever changes memory does it all between two awaits.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import TYPE_CHECKING, Any

from labmon.datastream.aggregate import FIELDS, Aggregate
from labmon.datastream.appending import Rejection, array_columns, check_source
from labmon.datastream.backends.base import Change
from labmon.datastream.cursor import Cursor
from labmon.datastream.engine import FOLLOWERS
from labmon.datastream.follow import Followed, Follower, Removed, Revised
from labmon.datastream.granularity import Granularity
from labmon.datastream.graph import Graph
from labmon.datastream.query import Arrays, answered_granularity, make_range, without_raw
from labmon.datastream.retained import answering, steady
from labmon.datastream.several import several
from labmon.datastream.stream_api import StreamApi
from labmon.datastream.tail import JournalTail
from labmon.datastream.times import datapoint_ns, to_ns
from labmon.datastream.values import check_quality
from labmon.reading import ArrayBatch, Quality

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from labmon.datastream.lazy import Datapoints
    from labmon.datastream.receipts import Received
    from labmon.datastream.stream import Stream
    from labmon.datastream.times import Timestamp
    from labmon.reading import AnyBatch, Value

__all__ = ["Datastream", "Followed", "Graph", "JournalTail", "Rejection", "Removed", "Revised"]


class Datastream(StreamApi):
    """An open store of streams: append to them, and ask them; see `OpenStore` for the arguments."""

    async def append(
        self,
        stream_id: str,
        value: Value,
        timestamp: Timestamp | None = None,
        check_timestamp: bool = True,
        quality: int = Quality.OK,
    ) -> dict[str, Any]:
        """Append one value; it is visible at once, and durable after the next commit.

        Args:
            stream_id: of a stream that is not derived.
            value: of the stream's type; None marks a gap.
            timestamp: now by default.
            check_timestamp: refuse a time before the stream's latest; else the datapoint is
                flagged late and sorted in.
            quality: a byte of `labmon.reading.Quality`.

        Returns:
            {"stream_id", "granularity", "datapoint": {"t", "v"[, "quality"]}}.

        Raises:
            StreamNotFound, InvalidTimestamp, AppendToDerivedStreamNotAllowed.
            UnsupportedValueType, ValueError: the value is none for this stream.
            StreamAppendFailed: the store is away, and there is no more room to wait in.
        """
        self._engine.check_writable()
        stream = self._engine.catalogue.get(stream_id)
        check_source(stream)
        checked = stream.check(value)
        time_ns = datapoint_ns(self._clock() if timestamp is None else timestamp)
        quality = self._engine.appender.one(
            stream, checked, time_ns, check_quality(quality), check_timestamp=check_timestamp
        )
        datapoint = {"t": time_ns, "v": stream.answer(checked)}
        if quality:
            datapoint["quality"] = quality
        return {
            "stream_id": stream_id,
            "granularity": stream.config.highest_granularity,
            "datapoint": datapoint,
        }

    async def append_multiple(self, datapoints: Sequence[Mapping[str, Any]]) -> None:
        """Append to several streams: all of it or nothing, also after a crash.

        Args:
            datapoints: [{"stream_id", "value", "timestamp", "quality"}], the last two optional;
                None as time means now, the same now for all.

        Raises:
            As `append` does, and ValueError for another key; then nothing was appended.
        """
        self._engine.check_writable()
        now_ns = datapoint_ns(self._clock())
        if given := list(datapoints):
            self._engine.appender.several(several(self._engine.catalogue, given, now_ns))

    async def append_array(
        self,
        stream_id: str,
        timestamps: Any,
        values: Any,
        qualities: Any = None,
    ) -> None:
        """Append many datapoints of one stream, in the order of time.

        As many as fill a block go straight into blocks, and are durable when this returns.

        Args:
            stream_id: of a stream that is not derived.
            timestamps: array of int64 ns or datetime64, ascending.
            values: array of floats or integers; NaN, and what is masked, for null.
            qualities: array of uint8; None: all ok.

        Raises:
            StreamNotFound, AppendToDerivedStreamNotAllowed.
            InvalidTimestamp: not in order, or before the stream's latest.
            UnsupportedValueType, ValueError: the values are none for this stream.
            StreamAppendFailed: the store is away, and there is no more room to wait in.
        """
        self._engine.check_writable()
        stream = self._engine.catalogue.get(stream_id)
        check_source(stream)
        columns = array_columns(stream, timestamps, values, qualities)
        if len(columns) < self._engine.sealer.size:
            self._engine.appender.array(stream, columns)
        else:
            await self._engine.import_columns(stream, columns)

    async def append_batch(self, batch: AnyBatch) -> tuple[Rejection, ...]:
        """Append the readings of one poll, or an array of samples; never suspends.

        Args:
            batch: its paths name streams; late readings are taken, flagged and sorted in. An array
                goes through the journal, so that live clients can resume behind it.

        Returns:
            The readings that were not taken, and why; an array is refused as a whole.
        """
        return self.append_batch_now(batch)

    def append_batch_now(self, batch: AnyBatch) -> tuple[Rejection, ...]:
        """What `append_batch` does, without a coroutine: for who has a batch on the event loop."""
        self._engine.check_writable()
        if isinstance(batch, ArrayBatch):
            return self._engine.appender.samples(batch)
        return self._engine.appender.batch(batch)

    def received(self, key: str) -> Received | None:
        """What was taken of a push whose batches have receipts with this key, also before a crash.

        It is known for as long as the journal keeps it, 5 minutes at least.
        """
        return self._engine.journal.receipts.find(key)

    async def commit(self) -> None:
        """Wait until everything that was appended before is durable."""
        await self._engine.commit()

    async def get_data(
        self,
        stream_id: str,
        granularity: Granularity | str,
        start: Timestamp | None = None,
        end: Timestamp | None = None,
        start_exclusive: Timestamp | None = None,
        end_exclusive: Timestamp | None = None,
        reverse: bool = False,
        value_downsamplers: Iterable[str] | None = None,
        time_downsamplers: Iterable[str] | None = None,
        *,
        empty: bool = False,
        complete: bool = False,
    ) -> Datapoints:
        """The datapoints of a range, read when they are asked for.

        Where retention has removed this granularity from the start of the range on, all of the
        range is answered with the finest one that is left: see `Datapoints.granularity`.

        Args:
            stream_id: of any stream.
            granularity: one that is finer than the stream's highest answers with the highest.
            start: floored to its bucket, which is in the range.
            end: a bucket that starts then is in the range.
            start_exclusive: the bucket that contains it is not in the range.
            end_exclusive: a bucket that starts then is not in the range.
            reverse: newest first.
            value_downsamplers: those of the stream by default; empty leaves the values out.
            time_downsamplers: mean, first and last by default; empty leaves the times out.
            empty: also yield buckets without datapoints.
            complete: leave out the bucket that is still filling.

        Raises:
            StreamNotFound, UnsupportedGranularity, UnsupportedDownsampler.
            ValueError: not exactly one start, or two ends.
        """
        stream = self._open_stream(stream_id)
        first = start if start_exclusive is None else start_exclusive
        first_ns = None if first is None else to_ns(first)
        answered = answered_granularity(stream, granularity, first_ns)
        return self._engine.query.data(
            stream,
            answered,
            make_range(answered, start, end, start_exclusive, end_exclusive),
            reverse=reverse,
            value_downsamplers=value_downsamplers,
            time_downsamplers=time_downsamplers,
            empty=empty,
            complete=complete,
        )

    async def get_arrays(
        self,
        stream_id: str,
        granularity: Granularity | str,
        start: Timestamp,
        end: Timestamp,
        fields: Iterable[str] | None = None,
    ) -> Arrays:
        """The datapoints of `start <= t < end` as numpy columns, ascending.

        Returns:
            Raw: `t` (int64 ns), `v` and `quality` (uint8). Numbers are float64, NaN for null, or
            int64 where all are; of datapoints that came downsampled it is the mean. Decimals, words
            and graphs are objects. Rollups: `t` (starts of the buckets) and the fields asked for,
            by default the stream's downsamplers. The attribute `granularity` of this dict says
            which one was answered, as in `get_data`.

        Raises:
            StreamNotFound, UnsupportedGranularity, UnsupportedDownsampler, InvalidTimestamp.
        """
        stream = self._open_stream(stream_id)
        start_ns, end_ns = to_ns(start), to_ns(end)
        asked = answered_granularity(stream, granularity)
        names = (fields,) if isinstance(fields, str) else fields and tuple(fields)
        query = self._engine.query

        async def ask() -> Arrays:
            answered = answering(stream, asked, start_ns)
            is_instead = answered is not asked and asked is Granularity.Raw
            told = without_raw(names) if is_instead else names
            return await query.arrays(stream, answered, start_ns, end_ns, told)

        return await steady(stream, ask)

    async def get_graph(
        self,
        stream_id: str,
        start_ns: Timestamp,
        end_ns: Timestamp,
        points: int,
        fields: Iterable[str] | None = None,
        granularity: Granularity | str | None = None,
    ) -> Graph:
        """Columns for a graph of `start_ns <= t < end_ns` that is `points` wide.

        Args:
            stream_id: of any stream.
            start_ns: inside; nanoseconds may also lie before 1970 or behind 2262.
            end_ns: outside.
            points: at most twice as many rows come back, unless `granularity` is given.
            fields: of buckets: mean, min, max, count, std_dev, sum, bad, flags by default.
            granularity: take this level as it is; None: one that fits is chosen. Where retention
                has removed it, the finest that is left is taken: see `Graph.granularity`.

        Raises:
            StreamNotFound, UnsupportedGranularity, UnsupportedDownsampler, ValueError.
        """
        stream = self._open_stream(stream_id)
        first_ns = start_ns if isinstance(start_ns, int) else to_ns(start_ns)
        last_ns = end_ns if isinstance(end_ns, int) else to_ns(end_ns)
        return await self._engine.graphs.graph(
            stream, first_ns, last_ns, index(points), fields, granularity
        )

    async def aggregate(
        self,
        stream_id: str,
        start: Timestamp,
        end: Timestamp,
        fields: Iterable[str] = FIELDS,
    ) -> Aggregate:
        """Exact aggregates of all datapoints with `start <= t < end`, however many there are.

        Rollups are merged inside of the range, datapoints are read at its two edges only; what was
        appended a moment ago and what came late is in it. Where retention has removed the
        datapoints of an edge, the whole bucket there is taken that is the finest left.

        Args:
            stream_id: of any stream, also one that is never downsampled.
            start: inside.
            end: outside.
            fields: any of mean, sum, min, max, sum_squares, std_dev (of the population), count and
                bad; of streams that are not numeric: count, bad and the stream's downsamplers.

        Returns:
            The fields by name; where nothing is counted, sums and counts are 0 and the others None.
            The attributes `start_ns` and `end_ns` of this dict say of which range they are.

        Raises:
            StreamNotFound, UnsupportedDownsampler, InvalidTimestamp.
        """
        stream = self._open_stream(stream_id)
        return await self._engine.aggregates.aggregate(stream, to_ns(start), to_ns(end), fields)

    def follow(
        self, streams: Iterable[str] | Mapping[str, Any] | None, after: Timestamp | str
    ) -> AsyncIterator[Followed]:
        """Stored history in the order of time, then everything as it arrives, until it is closed.

        Of no stream, because the query selects none or the store has none, it ends at once; it ends
        as well when all of its streams are deleted.

        Nothing is left out and nothing comes twice, from one call to the next one with the last
        cursor, and across restarts. What is told need not be durable yet; a cursor that is kept
        with `set_checkpoint` never runs ahead of what is.

        Changes to what was told come as `revised`, also to one who was away. Late datapoints are
        told as they arrive, one who was away is told the span only: whoever keeps a copy takes the
        columns first, and then puts in the place of each span what `get_arrays` has of it now. A
        derived stream is told once more from the start of the span on: there the copy drops the
        span first, and takes the columns then. What retention has removed cannot be told: it is
        named in `removed`, once.

        Args:
            streams: an id or several, or a tag query, or None for all streams that there are now.
            after: a time: later datapoints only; or the cursor of a `Followed`.

        Raises:
            StreamNotFound: one is none.
            ValueError: `after` is neither a time nor a cursor of this store.

        Yields:
            `Followed`.
        """
        self._engine.check_open()
        catalogue = self._engine.catalogue
        if streams is None or isinstance(streams, Mapping):
            found = catalogue.find(streams)
        elif isinstance(streams, str):
            found = [catalogue.get(streams)]
        else:
            found = [catalogue.get(stream_id) for stream_id in streams]
        if isinstance(after, str):
            cursor = Cursor.decode(after, self.node)
        else:
            cursor = Cursor(self.node, to_ns(after))
        return Follower(self._engine, found, cursor).told()

    async def set_checkpoint(self, name: str, cursor: str) -> None:
        """Keep a cursor under a name; durable when this returns, and all that it covers, too."""
        self._engine.check_writable()
        await self._engine.journal.submit(Change(cursors={FOLLOWERS + name: cursor.encode()}))

    async def get_checkpoint(self, name: str) -> str | None:
        """The cursor that was kept under a name, or None."""
        self._engine.check_open()
        found = await self._engine.backend.read_cursors(FOLLOWERS + name)
        cursor = found.get(FOLLOWERS + name)
        return None if cursor is None else cursor.decode()

    def _open_stream(self, stream_id: str) -> Stream:
        self._engine.check_open()
        return self._engine.catalogue.get(stream_id)

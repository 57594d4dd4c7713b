"""`Datastream`: the library's front, one object for one open store.

It is used on one event loop. Appending enters a value into memory, where queries see it at once,
and returns before it is durable; `commit` waits. The trap: a coroutine of it may be cancelled at
any await, so whatever changes memory does it all between two awaits.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from labmon.datastream import tags as tagging
from labmon.datastream.appending import Rejection, array_columns, check_source
from labmon.datastream.backends import open_backend
from labmon.datastream.descriptor import describe
from labmon.datastream.engine import Engine
from labmon.datastream.exceptions import UnsupportedValueType
from labmon.datastream.granularity import Granularity
from labmon.datastream.graph import Graph
from labmon.datastream.lazy import Datapoints, Streams
from labmon.datastream.query import answered_granularity, make_range
from labmon.datastream.stream import StreamConfig, all_downsamplers
from labmon.datastream.tail import JournalTail, journal_since
from labmon.datastream.times import to_ns
from labmon.datastream.values import VALUE_TYPES
from labmon.reading import Quality

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from labmon.datastream.backends.base import Backend
    from labmon.datastream.times import Timestamp
    from labmon.reading import Batch, Value

__all__ = ["Datastream", "Graph", "JournalTail", "Rejection"]


class Datastream:
    """An open store of streams; `async with` opens and closes it, or `start` and `close`.

    Args:
        url: `sqlite:///data/labmon.db`, `memory:`, ... or a backend that is not open yet.
        clock: int nanoseconds UTC; gives the time of what is appended without one.
        read_only: one consistent snapshot, beside whoever writes; nothing can be changed.
        commit_interval_s: a value waits at most so long for others to be committed with it.
        commit_readings: so many values do not wait.
        durability: `full`: a commit survives a power cut; `relaxed`: it survives a crash of this
            process, while a power cut may take the last seconds.
        spool_bytes: how much may wait in memory while the store is away.
        seal_datapoints: so many datapoints make a block.
    """

    def __init__(
        self,
        url: str | Backend,
        *,
        clock: Callable[[], int] = time.time_ns,
        read_only: bool = False,
        commit_interval_s: float = 0.1,
        commit_readings: int = 1000,
        durability: str = "full",
        spool_bytes: int = 64 << 20,
        seal_datapoints: int = 4096,
    ) -> None:
        backend = open_backend(url, durability=durability) if isinstance(url, str) else url
        self._clock = clock
        self._engine = Engine(
            backend,
            clock,
            read_only=read_only,
            commit_interval_s=commit_interval_s,
            commit_readings=commit_readings,
            spool_bytes=spool_bytes,
            seal_datapoints=seal_datapoints,
        )

    async def start(self) -> None:
        """Open the store; afterwards `node` and `epoch` are known, and durable."""
        await self._engine.start()

    async def close(self) -> None:
        """Make durable what waits, as far as the store takes it, and close the store."""
        await self._engine.close()

    async def __aenter__(self) -> Self:
        """Open the store."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.close()

    # What is known without waiting

    @property
    def node(self) -> str:
        """The identity of this store's server."""
        return self._engine.node

    @property
    def epoch(self) -> int:
        """The number of this start."""
        return self._engine.epoch

    @property
    def durable_seq(self) -> int:
        """The last sequence number of this epoch that is durable."""
        return self._engine.journal.durable_seq

    @property
    def pending_bytes(self) -> int:
        """What waits in memory to become durable."""
        return self._engine.journal.pending_bytes

    @property
    def dropped_readings(self) -> int:
        """Readings that were lost since the start, because the store was away for too long."""
        return self._engine.appender.dropped_readings

    @property
    def is_healthy(self) -> bool:
        """Whether the store took the last write."""
        return self._engine.journal.is_healthy

    @property
    def last_error(self) -> str | None:
        """Why the store did not take the last write; None: it did."""
        return self._engine.journal.last_error

    def stream_id(self, path: str) -> str | None:
        """The id of the stream of a path, or None."""
        stream = self._engine.catalogue.at(path)
        return None if stream is None else stream.id

    def paths(self) -> list[str]:
        """The paths of all streams that have one."""
        return self._engine.catalogue.paths()

    def describe(self, stream_id: str) -> dict[str, Any]:
        """The descriptor of a stream: its tags and the reserved ones.

        Raises:
            StreamNotFound: there is none.
        """
        return describe(self._engine.catalogue, self._engine.catalogue.get(stream_id))

    def latest(self, stream_id: str) -> tuple[int, Any, int] | None:
        """(time_ns, value, quality) of the newest datapoint, or None; from memory.

        Raises:
            StreamNotFound: there is none.
        """
        return self._engine.catalogue.get(stream_id).newest()

    async def epoch_end(self, epoch: int) -> int | None:
        """The last durable sequence number of an epoch; None: there was no such epoch."""
        return self.durable_seq if epoch == self.epoch else self._engine.ends.get(epoch)

    async def journal_since(self, epoch: int, seq: int) -> JournalTail:
        """The durable readings after a position, as far as the journal reaches back."""
        return await journal_since(self._engine, epoch, seq)

    # Streams

    async def ensure_stream(
        self,
        query_tags: Mapping[str, Any],
        tags: Mapping[str, Any],
        value_downsamplers: Iterable[str],
        highest_granularity: Granularity | str,
        derive_from: Sequence[Any] | None = None,
        derive_op: str | None = None,
        derive_args: Mapping[str, Any] | None = None,
        value_type: str | None = None,
        value_type_options: Mapping[str, Any] | None = None,
        derive_backprocess: bool = True,
    ) -> str:
        """The id of the stream that `query_tags` select; it is made where there is none.

        Args:
            query_tags: select the stream; a new one gets them as tags.
            tags: a new stream gets them, of an old one they are merged into its own.
            value_downsamplers: names; those that they imply are added. Empty: never downsampled.
            highest_granularity: the finest one that is kept.
            derive_from: the sources of a derived stream.
            derive_op: its operator.
            derive_args: arguments of the operator.
            value_type: `numeric` (also None), `nominal` or `graph`.
            value_type_options: `{"high_accuracy": True}` keeps decimals exactly.
            derive_backprocess: whether a derived stream starts with what its sources have.

        Raises:
            MultipleStreamsReturned: the query selects several.
            InconsistentStreamConfiguration: it exists and differs in anything but tags.
            ReservedTagNameError, UnsupportedDownsampler, UnsupportedGranularity,
            UnsupportedValueType: an argument makes no sense.
        """
        self._engine.check_writable()
        kind = "numeric" if value_type is None else value_type
        if kind not in VALUE_TYPES:
            raise UnsupportedValueType(
                f"{kind!r} is no value type: use one of {', '.join(VALUE_TYPES)}"
            )
        config = StreamConfig(
            kind,
            dict(value_type_options or {}),
            all_downsamplers(value_downsamplers, kind),
            Granularity.find(highest_granularity),
        )
        stream, is_changed = self._engine.catalogue.ensure(query_tags, tags, config)
        if is_changed:
            self._engine.write_stream(stream)
        return stream.id

    async def find_streams(self, query_tags: Mapping[str, Any] | None = None) -> Streams:
        """The descriptors of the streams that a tag query selects, all of them by default."""
        catalogue = self._engine.catalogue

        async def chunks() -> AsyncIterator[list[dict[str, Any]]]:
            for stream in catalogue.find(query_tags):
                yield [describe(catalogue, stream)]

        async def counting() -> int:
            return len(catalogue.find(query_tags))

        return Streams(chunks, counting)

    async def get_tags(self, stream_id: str) -> dict[str, Any]:
        """The descriptor of a stream: its tags and the reserved ones.

        Raises:
            StreamNotFound: there is none.
        """
        return self.describe(stream_id)

    async def update_tags(self, stream_id: str, tags: Mapping[str, Any]) -> None:
        """Merge tags into a stream's own.

        Raises:
            StreamNotFound: there is none.
            ReservedTagNameError: a name is reserved.
        """
        stream = self._engine.catalogue.get(stream_id)
        self._retag(stream_id, tagging.merge(stream.tags, tagging.check_tags(tags)))

    async def remove_tag(self, stream_id: str, tag: str) -> None:
        """Remove one tag; one that is not there is no error.

        Raises:
            StreamNotFound: there is none.
            ReservedTagNameError: the name is reserved.
        """
        tagging.check_name(tag)
        tags = dict(self._engine.catalogue.get(stream_id).tags)
        tags.pop(tag, None)
        self._retag(stream_id, tags)

    async def clear_tags(self, stream_id: str) -> None:
        """Remove all tags.

        Raises:
            StreamNotFound: there is none.
        """
        self._retag(stream_id, {})

    def _retag(self, stream_id: str, tags: dict[str, Any]) -> None:
        self._engine.check_writable()
        stream = self._engine.catalogue.get(stream_id)
        if self._engine.catalogue.retag(stream, tags):
            self._engine.write_stream(stream)

    # Appending

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
        time_ns = self._clock() if timestamp is None else to_ns(timestamp)
        quality = self._engine.appender.one(
            stream, checked, time_ns, quality, check_timestamp=check_timestamp
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
            datapoints: [{"stream_id", "value", "timestamp", "quality"}], the last two optional.

        Raises:
            As `append` does; then nothing was appended.
        """
        self._engine.check_writable()
        now_ns = self._clock()
        checked: list[tuple[Any, Any, int, int]] = []
        for datapoint in datapoints:
            stream = self._engine.catalogue.get(datapoint["stream_id"])
            check_source(stream)
            timestamp = datapoint.get("timestamp")
            time_ns = now_ns if timestamp is None else to_ns(timestamp)
            value = stream.check(datapoint["value"])
            checked.append((stream, value, time_ns, datapoint.get("quality", Quality.OK)))
        self._engine.appender.several(checked)

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
            values: array of floats or integers, NaN for null.
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

    async def append_batch(self, batch: Batch) -> tuple[Rejection, ...]:
        """Append the readings of one poll; never suspends.

        Args:
            batch: its paths name streams; late readings are taken, flagged and sorted in.

        Returns:
            The readings that were not taken, and why.
        """
        self._engine.check_writable()
        return self._engine.appender.batch(batch)

    async def commit(self) -> None:
        """Wait until everything that was appended before is durable."""
        await self._engine.commit()

    # Queries

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
        stream = self._engine.catalogue.get(stream_id)
        answered = answered_granularity(stream, granularity)
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
    ) -> dict[str, NDArray[Any]]:
        """The datapoints of `start <= t < end` as numpy columns, ascending.

        Returns:
            Raw: `t` (int64 ns), `v` (float64 with NaN for null, or int64 where all are), and
            `quality` (uint8). Rollups: `t` (starts of the buckets) and the fields asked for, by
            default the stream's downsamplers.

        Raises:
            StreamNotFound, UnsupportedGranularity, UnsupportedDownsampler, InvalidTimestamp.
        """
        stream = self._engine.catalogue.get(stream_id)
        answered = answered_granularity(stream, granularity)
        return await self._engine.query.arrays(stream, answered, to_ns(start), to_ns(end), fields)

    async def get_graph(
        self,
        stream_id: str,
        start_ns: int,
        end_ns: int,
        points: int,
        fields: Iterable[str] | None = None,
        granularity: Granularity | str | None = None,
    ) -> Graph:
        """Columns for a graph of `start_ns <= t < end_ns` that is `points` wide.

        Args:
            stream_id: of any stream.
            start_ns: int nanoseconds, inside.
            end_ns: int nanoseconds, outside.
            points: at most twice as many rows come back, unless `granularity` is given.
            fields: of buckets: mean, min, max, count, std_dev, sum, bad, flags by default.
            granularity: take this level as it is; None: one that fits is chosen.

        Raises:
            StreamNotFound, UnsupportedGranularity, UnsupportedDownsampler, ValueError.
        """
        stream = self._engine.catalogue.get(stream_id)
        return await self._engine.graphs.graph(
            stream, start_ns, end_ns, points, fields, granularity
        )

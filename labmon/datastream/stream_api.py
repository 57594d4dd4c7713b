"""`StreamApi`: the streams of a store: made, found, tagged and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labmon.datastream import tags as tagging
from labmon.datastream.catalogue import check_unit, keep_unit
from labmon.datastream.derivation import check_derivation, check_value_type
from labmon.datastream.descriptor import describe
from labmon.datastream.downsampling import downsample
from labmon.datastream.exceptions import (
    OutstandingDependenciesError,
    UnsupportedValueType,
)
from labmon.datastream.granularity import Granularity
from labmon.datastream.lazy import Streams
from labmon.datastream.open_store import OpenStore
from labmon.datastream.stream import StreamConfig, all_downsamplers
from labmon.datastream.times import to_ns
from labmon.datastream.values import VALUE_TYPES, check_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from labmon.datastream.times import Timestamp


class StreamApi(OpenStore):
    """An open store, and its streams."""

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
            derive_from: the sources of a derived stream: ids, or {"name", "stream"} where the
                operator calls one of them by a name.
            derive_op: its operator, one of `labmon.datastream.operators.OPERATORS`.
            derive_args: arguments of the operator.
            value_type: `numeric`, `nominal` or `graph`; None: what the operator gives, or numeric.
            value_type_options: `{"high_accuracy": True}` keeps decimals exactly.
            derive_backprocess: whether a derived stream starts with what its sources have, in the
                background; else with what comes from now on.

        Raises:
            MultipleStreamsReturned: the query selects several.
            ValueError: it would not select the stream that it makes, so each call would make one.
            InconsistentStreamConfiguration: it exists and differs in anything but tags.
            ReservedTagNameError, UnsupportedDownsampler, UnsupportedGranularity,
            UnsupportedValueType: an argument makes no sense.
            StreamNotFound, UnsupportedDeriveOperator, InvalidOperatorArguments,
            IncompatibleGranularities, IncompatibleTypes: it cannot be derived like that.
        """
        self._engine.check_writable()
        highest = Granularity.find(highest_granularity)
        catalogue = self._engine.catalogue
        derivation = check_derivation(catalogue, derive_from, derive_op, derive_args, highest)
        default = "numeric" if derivation is None else derivation.value_type
        kind = default if value_type is None else value_type
        if kind not in VALUE_TYPES:
            raise UnsupportedValueType(
                f"{kind!r} is no value type: use one of {', '.join(VALUE_TYPES)}"
            )
        options = check_options(kind, value_type_options or {})
        if derivation is not None:
            check_value_type(derivation, kind, options)
        config = StreamConfig(kind, options, all_downsamplers(value_downsamplers, kind), highest)
        if derivation is not None:
            config.derived_from = derivation.derived_from
            config.derive_op, config.derive_args = derivation.derive_op, derivation.derive_args
        following = catalogue.next_number
        stream, is_changed = catalogue.ensure(query_tags, tags, config)
        if derivation is not None and stream.number == following:
            mark = self._engine.deriver.add(stream, backprocess=derive_backprocess)
            self._engine.write_stream(stream, mark)
        elif is_changed:
            self._engine.write_stream(stream)
        return stream.id

    async def find_streams(self, query_tags: Mapping[str, Any] | None = None) -> Streams:
        """The descriptors of the streams that a tag query selects, all of them by default.

        Args:
            query_tags: names of tags, also of reserved ones, and what they are. Instead of a value
                there may be conditions, `{"title": {"iexact": "x"}}`: iexact, icontains, gt, gte,
                lt, lte, in, nin, all. A tag that is a list matches each value that it contains;
                any other dict looks into a tag that is a dict.

        Raises:
            TypeError: it is no such query.
        """
        self._engine.check_open()
        catalogue = self._engine.catalogue
        tagging.check_query(query_tags or {})

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
            InconsistentStreamConfiguration: another unit, or the path of another stream.
        """
        self._engine.check_writable()
        stream = self._engine.catalogue.get(stream_id)
        check_unit(stream, tags)
        self._retag(stream_id, tagging.merge(stream.tags, tagging.check_tags(tags)))

    async def remove_tag(self, stream_id: str, tag: str) -> None:
        """Remove one tag; one that is not there is no error.

        Raises:
            StreamNotFound: there is none.
            ReservedTagNameError: the name is reserved.
            InconsistentStreamConfiguration: it is the unit of what was recorded.
        """
        self._engine.check_writable()
        tagging.check_name(tag)
        stream = self._engine.catalogue.get(stream_id)
        tags = dict(stream.tags)
        tags.pop(tag, None)
        keep_unit(stream, tags)
        self._retag(stream_id, tags)

    async def clear_tags(self, stream_id: str) -> None:
        """Remove all tags but the unit of what was recorded: no history loses its meaning.

        Raises:
            StreamNotFound: there is none.
        """
        self._engine.check_writable()
        stream = self._engine.catalogue.get(stream_id)
        is_kept = stream.count and "unit" in stream.tags
        self._retag(stream_id, {"unit": stream.tags["unit"]} if is_kept else {})

    async def downsample_streams(
        self,
        query_tags: Mapping[str, Any] | None = None,
        until: Timestamp | None = None,
        return_datapoints: bool = False,
        filter_stream: Callable[[dict[str, Any]], bool] | None = None,
    ) -> list[dict[str, Any]]:
        """Store what is due, and tell which buckets were finished since the last call.

        Downsampling happens by itself, and every answer is right without this.

        Args:
            query_tags: select the streams.
            until: only buckets that end before; now by default.
            return_datapoints: whether the finished buckets are returned; they count as told
                anyway.
            filter_stream: is given each descriptor, and says whether the stream takes part.

        Returns:
            [{"stream_id", "granularity", "datapoint"}]; empty unless `return_datapoints`.

        Raises:
            InvalidTimestamp: `until` is no time.

        Warns:
            DownsampleConsistencyNotGuaranteed: with `return_datapoints`, where late data came into
                a bucket that was told before, or retention removed one that was not. Where a filter
                makes it an error, nothing counts as told.
        """
        self._engine.check_writable()
        until_ns = self._clock() if until is None else to_ns(until)
        catalogue = self._engine.catalogue
        streams = catalogue.find(query_tags)
        if filter_stream is not None:
            streams = [one for one in streams if filter_stream(describe(catalogue, one))]
        return await downsample(self._engine, streams, until_ns, is_told=return_datapoints)

    async def backprocess_streams(self, query_tags: Mapping[str, Any] | None = None) -> None:
        """Wait until derived streams have worked in everything that their sources have.

        It happens by itself, in the background; this only waits.

        Args:
            query_tags: select the streams; those that are not derived have nothing to wait for.

        Raises:
            DatastreamException: a stream had to be given up; the message says why.
        """
        self._engine.check_open()
        await self._engine.deriver.settled(self._engine.catalogue.find(query_tags))

    async def delete_streams(self, query_tags: Mapping[str, Any] | None = None) -> None:
        """Remove streams and all of their datapoints: all of the selected ones, or none.

        Args:
            query_tags: select the streams, `{}` every one; None removes everything, the
                checkpoints of followers too.

        Raises:
            OutstandingDependenciesError: streams that are not selected are derived from them.
        """
        self._engine.check_writable()
        catalogue = self._engine.catalogue
        selected = catalogue.find(query_tags)
        numbers = {stream.number for stream in selected}
        for stream in selected:
            outside = [catalogue.number(n) for n in stream.depends - numbers]
            names = [other.path or other.id for other in outside if other is not None]
            if names:
                raise OutstandingDependenciesError(
                    f"{stream.path or stream.id} stays: {', '.join(names)} are derived from it"
                )
        await self._engine.remove(selected, forget_cursors=query_tags is None)

    def _retag(self, stream_id: str, tags: dict[str, Any]) -> None:
        stream = self._engine.catalogue.get(stream_id)
        if self._engine.catalogue.retag(stream, tags):
            self._engine.write_stream(stream)

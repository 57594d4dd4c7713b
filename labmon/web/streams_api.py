"""`streams`, `streams/ID` and `latest`: what there is, and what was measured last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

from labmon.web import stream_tags
from labmon.web.answer_schemas import LATEST, STREAM, STREAMS
from labmon.web.cursor import Cursor
from labmon.web.descriptors import (
    descriptor,
    edge_time,
    find,
    matches_tags,
    newest,
    selected_paths,
)
from labmon.web.handler import ApiHandler
from labmon.web.operation import TEXT, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labmon.datastream.backends.base import StreamSize

_PATH: Final = Parameter(
    "path", "Globs of stream paths; all of them if absent.", TEXT, ("**",), True
)
_TAG: Final = Parameter("tag.", "Only streams whose tag KEY matches this glob.", TEXT)


class StreamsHandler(ApiHandler):
    """The list of streams."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation("The streams, with their newest reading.", (_PATH, _TAG), answer=STREAMS)
    }

    async def get(self) -> None:
        """Descriptors of the selected streams, sorted by path."""
        sizes = await self.services.datastream.get_sizes()
        await self.reply_list({}, "streams", self._found(sizes))

    def _found(self, sizes: Mapping[str, StreamSize] | None) -> Iterator[dict[str, Any] | None]:
        """Of each selected path the descriptor; None where its stream is not asked for, or gone."""
        datastream, tags = self.services.datastream, self.query["tag."]
        for path in selected_paths(datastream, self.query["path"]):
            stream_id = datastream.stream_id(path)
            if stream_id is None or not matches_tags(datastream.describe(stream_id), tags):
                yield None
            else:
                about = descriptor(datastream, stream_id, self.answer_format)
                yield about | _size(sizes, stream_id)


class StreamHandler(ApiHandler):
    """One stream, by id or by path."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation("One stream.", answer=STREAM),
        "PATCH": Operation(
            "Change the tags of a stream; null takes one away.",
            body={
                "type": "object",
                "required": ["tags"],
                "additionalProperties": False,
                "properties": {"tags": stream_tags.SCHEMA},
            },
            answer=STREAM,
            role="operator",
        ),
    }

    async def get(self, name: str) -> None:
        """Its descriptor."""
        await self._tell(find(self.services.datastream, name))

    async def patch(self, name: str) -> None:
        """Set and remove tags; answers with the descriptor."""
        datastream = self.services.datastream
        stream_id = find(datastream, name)
        tags = stream_tags.checked(await self.read_body())
        for tag in sorted(tags, key=lambda tag: tag != "unit"):  # all or none: it may be refused
            if tags[tag] is None:
                await datastream.remove_tag(stream_id, tag)
            else:
                await datastream.update_tags(stream_id, {tag: tags[tag]})
        await self._tell(stream_id)

    async def _tell(self, stream_id: str) -> None:
        datastream = self.services.datastream
        sizes = await datastream.get_sizes()
        about = descriptor(datastream, stream_id, self.answer_format)
        self.reply(about | _size(sizes, stream_id))


class LatestHandler(ApiHandler):
    """The newest readings."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "The newest reading of each stream, and the cursor from which live goes on.",
            (_PATH,),
            answer=LATEST,
        )
    }

    async def get(self) -> None:
        """Newest readings with age and quality."""
        services, fmt = self.services, self.answer_format
        paths = selected_paths(services.datastream, self.query["path"])
        await asyncio.sleep(0)
        # all at once: what comes later is told live, from the cursor on
        hub, now_ns = services.hub, services.clock.now_ns()
        found = list(newest(services.datastream, paths))
        head = {
            "now": edge_time(now_ns, fmt),
            "cursor": str(Cursor(hub.start_id, hub.epoch, services.seen_seq, now_ns)),
        }
        await asyncio.sleep(0)
        await self.reply_list(head, "readings", (one.told(now_ns, fmt) for one in found))


def _size(sizes: Mapping[str, StreamSize] | None, stream_id: str) -> dict[str, Any]:
    """What a stream takes on disk: null while nobody knows, 0 while it is in the journal only."""
    if sizes is None:
        return {"size_bytes": None, "bytes_per_datapoint": None}
    size = sizes.get(stream_id)
    return {
        "size_bytes": 0 if size is None else size.total_bytes,
        "bytes_per_datapoint": None if size is None else size.bytes_per_datapoint,
    }

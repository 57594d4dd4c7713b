"""The catalogue: all streams in memory, found by id, number, path or tags, and made here.

It changes what is in memory and returns the rows to write. The trap: numbers are never used
twice, because an old journal entry may still name the stream that had one before.
"""

from __future__ import annotations

import secrets
import unicodedata
from typing import TYPE_CHECKING, Any

from labmon import paths
from labmon.datastream import tags as tagging
from labmon.datastream.descriptor import describe
from labmon.datastream.exceptions import (
    InconsistentStreamConfiguration,
    MultipleStreamsReturned,
    StreamNotFound,
)
from labmon.datastream.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labmon.datastream.stream import StreamConfig
    from labmon.datastream.tags import Tags


class Catalogue:
    """Every stream of a store; on the event loop only, never waits."""

    def __init__(self) -> None:
        self._by_number: dict[int, Stream] = {}
        self._by_id: dict[str, Stream] = {}
        self._by_path: dict[str, Stream] = {}
        self.next_number = 1
        self.version = 0
        """Counts the changes, for those who keep something that follows from the streams."""

    def __iter__(self) -> Iterator[Stream]:
        """All streams, oldest first."""
        return iter(self._by_number.values())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._by_number)

    def number(self, number: int) -> Stream | None:
        """The stream of a number, or None."""
        return self._by_number.get(number)

    def at(self, path: str) -> Stream | None:
        """The stream of a path, or None."""
        return self._by_path.get(path)

    def paths(self) -> list[str]:
        """The paths that there are."""
        return list(self._by_path)

    def get(self, stream_id: object) -> Stream:
        """The stream of an id.

        Raises:
            StreamNotFound: there is none, or this is no id.
        """
        stream = self._by_id.get(stream_id) if isinstance(stream_id, str) else None
        if stream is None:
            raise StreamNotFound(f"there is no stream {str(stream_id)[:60]!r}")
        return stream

    def insert(self, stream: Stream) -> None:
        """Add a stream that was read or made."""
        self._by_number[stream.number] = stream
        self._by_id[stream.id] = stream
        if stream.path is not None:
            self._by_path.setdefault(stream.path, stream)
        self.next_number = max(self.next_number, stream.number + 1)
        self.version += 1

    def remove(self, stream: Stream) -> None:
        """Forget a stream."""
        self._by_number.pop(stream.number, None)
        self._by_id.pop(stream.id, None)
        if stream.path is not None and self._by_path.get(stream.path) is stream:
            del self._by_path[stream.path]
        self.version += 1

    def find(self, query: Mapping[str, Any] | None) -> list[Stream]:
        """The streams that a tag query selects, also by reserved tags; None selects all.

        Raises:
            TypeError: it is no query.
        """
        if not query:
            return list(self)
        tagging.check_query(query)
        query = _normalized(query)
        path = query.get("path")
        if isinstance(path, str):
            stream = self._by_path.get(path)
            return [stream] if stream is not None and self._selects(query, stream) else []
        return [stream for stream in self if self._selects(query, stream)]

    def _selects(self, query: Mapping[str, Any], stream: Stream) -> bool:
        if query.keys().isdisjoint(tagging.RESERVED):
            return tagging.matches(stream.tags, query)
        wanted = query.get("stream_id", stream.id)
        if isinstance(wanted, str) and wanted != stream.id:
            return False
        return tagging.matches(describe(self, stream), query)

    def ensure(
        self, query: Mapping[str, Any], tags: Mapping[str, Any], config: StreamConfig
    ) -> tuple[Stream, bool]:
        """The stream of a query, made or with the tags merged in; and whether it has to be written.

        Raises:
            MultipleStreamsReturned: the query selects several.
            InconsistentStreamConfiguration: it exists and is of another configuration or unit.
            ValueError: the query would not select the stream that it makes.
        """
        checked = _normalized(tagging.check_tags(tags))
        tagging.check_query(query)
        query = _normalized(query)
        found = self.find(query)
        if len(found) > 1:
            raise MultipleStreamsReturned(f"{len(found)} streams are selected by {dict(query)!r}")
        if found:
            _check_same(found[0], checked, config)
            return found[0], self.retag(found[0], tagging.merge(found[0].tags, checked))
        own = tagging.check_tags(tagging.plain_equalities(query))
        merged = tagging.merge(own, checked)
        if not tagging.matches(merged, query):  # the next call would make another one
            raise ValueError(
                f"a stream with the tags {merged!r} is not what {dict(query)!r} selects"
            )
        return self._create(merged, config), True

    def _create(self, tags: Tags, config: StreamConfig) -> Stream:
        self._check_path(tags, None)
        stream = Stream(self.next_number, secrets.token_hex(8), tags, config)
        self.insert(stream)
        return stream

    def retag(self, stream: Stream, tags: Tags) -> bool:
        """Give a stream other tags; returns whether they differ from those that it had.

        Raises:
            InconsistentStreamConfiguration: another stream has this path.
        """
        if tags == stream.tags:
            return False
        self._check_path(tags, stream)
        if stream.path is not None and self._by_path.get(stream.path) is stream:
            del self._by_path[stream.path]
        stream.tags = tags
        if stream.path is not None:
            self._by_path[stream.path] = stream
        self.version += 1
        return True

    def _check_path(self, tags: Tags, owner: Stream | None) -> None:
        path = tags.get("path")
        if path is None:
            return
        if not isinstance(path, str):
            raise TypeError(f"the tag 'path' is text, not {path!r}")
        tags["path"] = paths.check_name(path)
        holder = self._by_path.get(tags["path"])
        if holder is not None and holder is not owner:
            raise InconsistentStreamConfiguration(
                f"stream {holder.id} has the path {path!r} already"
            )


def _normalized(tags: Mapping[str, Any]) -> dict[str, Any]:
    """The tags with the path as it is kept; accents can be written in two ways."""
    path = tags.get("path")
    is_text = isinstance(path, str)
    return {**tags, "path": unicodedata.normalize("NFC", path)} if is_text else dict(tags)


def _check_same(stream: Stream, tags: Tags, config: StreamConfig) -> None:
    old, new = stream.config.to_dict(), config.to_dict()
    differences = [
        f"{name} is {old[name]!r}, not {new[name]!r}" for name in old if old[name] != new[name]
    ]
    differences += _other_unit(stream, tags)
    if "path" in tags and tags["path"] != stream.tags.get("path"):
        differences.append(f"path is {stream.tags.get('path')!r}, not {tags['path']!r}")
    _refuse(stream, differences)


def keep_unit(stream: Stream, tags: Mapping[str, Any]) -> None:
    """Refuse tags without the unit of what was recorded.

    Raises:
        InconsistentStreamConfiguration: the stream has datapoints, and a unit that is not there.
    """
    if stream.count and "unit" in stream.tags and "unit" not in tags:
        _refuse(stream, [f"unit is {stream.tags['unit']!r}, not removed"])


def check_unit(stream: Stream, tags: Mapping[str, Any]) -> None:
    """Refuse to give another unit to what was recorded.

    Raises:
        InconsistentStreamConfiguration: the stream has a unit, or datapoints without one.
    """
    _refuse(stream, _other_unit(stream, tags))


def _other_unit(stream: Stream, tags: Mapping[str, Any]) -> list[str]:
    own = stream.tags.get("unit")
    if (
        "unit" not in tags
        or tags["unit"] == own
        or ("unit" not in stream.tags and not stream.count)
    ):
        return []
    return [f"unit is {own!r}, not {tags['unit']!r}"]


def _refuse(stream: Stream, differences: list[str]) -> None:
    if differences:
        name = stream.path or stream.id
        raise InconsistentStreamConfiguration(
            f"{name} exists and differs: {'; '.join(differences)}."
            " A history is never relabelled: use another stream."
        )

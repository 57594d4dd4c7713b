"""What is said about a stream: its descriptor for lists, and its newest reading.

Everything comes from the memory of the datastream; nothing here waits.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from labmon.datastream.granularity import Granularity
from labmon.datastream.tags import RESERVED
from labmon.errors import BadRequestError, NotFoundError, TooLargeError
from labmon.paths import Selection, normalized
from labmon.reading import quality_words
from labmon.timestamps import SECOND_NS
from labmon.web.wire import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labmon.datastream.api import Datastream
    from labmon.web.wire import Format

_SHOWN: Final = (
    "path",
    "device",
    "channel",
    "label",
    "unit",
    "description",
    "digits",
    "scientific",
    "accuracy",
    "limits",
    "period_s",
)


def edge_time(time_ns: int | None, format: Format) -> float | int | None:
    """A time as the format has it: seconds in JSON, nanoseconds in msgpack."""
    if time_ns is None or format == "msgpack":
        return time_ns
    return seconds(time_ns)


def descriptor(datastream: Datastream, stream_id: str, format: Format) -> dict[str, Any]:
    """The descriptor of a stream as the API gives it."""
    known = datastream.describe(stream_id)
    shown: dict[str, Any] = {"id": stream_id}
    shown |= {name: known.get(name) for name in _SHOWN}
    shown["unit"] = datastream.unit(stream_id)
    latest = datastream.latest(stream_id)
    quality = 0 if latest is None else latest[2]
    shown |= {
        "value_type": known.get("value_type"),
        "granularities": _granularities(known),
        "earliest": edge_time(known.get("earliest_datapoint"), format),
        "latest": edge_time(None if latest is None else latest[0], format),
        "latest_value": None if latest is None else latest[1],
        "quality": quality,
        "quality_words": quality_words(quality),
        "count": known.get("count"),
        "removed_until": {
            name.lower(): edge_time(time_ns, format)
            for name, time_ns in known["removed_until"].items()
        },
        "tags": own_tags(known),
    }
    return shown


def own_tags(known: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of a stream that are not the datastream's own."""
    return {name: value for name, value in known.items() if name not in RESERVED}


class Newest(NamedTuple):
    """The newest reading of a stream as it was at one moment, which an answer tells later.

    Attributes:
        reading: time in ns, value, quality.
    """

    path: str
    unit: str
    reading: tuple[int, Any, int]

    def told(self, now_ns: int, format: Format) -> dict[str, Any]:
        """As the API gives it, with its age."""
        time_ns, value, quality = self.reading
        return {
            "path": self.path,
            "t": edge_time(time_ns, format),
            "value": value,
            "quality": quality,
            "quality_words": quality_words(quality),
            "age_s": max(0, now_ns - time_ns) / SECOND_NS,
            "unit": self.unit,
        }


def newest(datastream: Datastream, paths: Iterable[str]) -> Iterator[Newest]:
    """The newest readings of those streams that have one; 2 µs for each."""
    for path in paths:
        stream_id = datastream.stream_id(path)
        latest = None if stream_id is None else datastream.latest(stream_id)
        if stream_id is not None and latest is not None:
            yield Newest(path, datastream.unit(stream_id), latest)


def selected_paths(datastream: Datastream, globs: Sequence[str]) -> list[str]:
    """The paths that globs select, sorted.

    Raises:
        BadRequestError: a glob has characters that no name has.
    """
    selection = selection_of(globs)
    return sorted(path for path in datastream.paths() if path in selection)


def selection_of(globs: Sequence[str]) -> Selection:
    """The selection of globs.

    Raises:
        BadRequestError: one of them is none.
    """
    try:
        return Selection(tuple(globs))
    except ValueError as error:
        raise BadRequestError(str(error)) from None


def resolve(datastream: Datastream, names: Sequence[str], limit: int) -> list[tuple[str, str]]:
    """Path and id of the streams that paths, ids and globs name, each once, in their order.

    Raises:
        NotFoundError: a path or id is unknown.
        TooLargeError: more than `limit`.
    """
    found: dict[str, str] = {}
    for name in names:
        for path, stream_id in _named(datastream, name):
            found.setdefault(path, stream_id)
    if len(found) > limit:
        raise TooLargeError(
            f"{len(found)} streams are asked for, at most {limit} go into one answer",
            {"streams": len(found), "limit": limit},
        )
    return list(found.items())


def find(datastream: Datastream, name: str) -> str:
    """The id of the one stream that a path or an id names.

    Raises:
        NotFoundError: there is none.
    """
    stream_id = datastream.stream_id(normalized(name))
    if stream_id is not None:
        return stream_id
    if any(datastream.stream_id(path) == name for path in datastream.paths()):
        return name
    raise NotFoundError(f"there is no stream {name[:80]!r}: GET /api/v1/streams lists them")


def matches_tags(known: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Whether every asked tag is there and matches its glob, as text."""
    return all(
        name in known and fnmatch.fnmatchcase(_as_text(known[name]), pattern)
        for name, pattern in tags.items()
    )


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _named(datastream: Datastream, name: str) -> Iterable[tuple[str, str]]:
    if "*" in name or "?" in name:
        for path in selected_paths(datastream, [name]):
            stream_id = datastream.stream_id(path)
            if stream_id is not None:
                yield path, stream_id
        return
    stream_id = find(datastream, name)
    yield str(datastream.describe(stream_id).get("path", stream_id)), stream_id


def _granularities(known: Mapping[str, Any]) -> list[str]:
    highest = Granularity.find(known.get("highest_granularity", "Raw"))
    is_rolled_up = bool(known.get("value_downsamplers"))
    return [
        granularity.name.lower()
        for granularity in Granularity.values
        if granularity == highest or (is_rolled_up and granularity < highest)
    ]

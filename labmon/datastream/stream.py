"""`Stream`: what the engine knows of one stream, and how that is written down.

The document is what a person configured (tags, type, downsamplers); the state is how far its
blocks go, see `seal_state`. The trap: the state is written together with blocks and is what makes
them count, so never change one without the other.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from labmon.datastream import values
from labmon.datastream.checked import with_checksum, without_checksum
from labmon.datastream.exceptions import UnsupportedDownsampler
from labmon.datastream.granularity import Granularity
from labmon.datastream.head import Head
from labmon.datastream.seal_state import Latest, SealState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labmon.datastream.columns import Columns
    from labmon.datastream.feed import Feed
    from labmon.datastream.tags import Tags

log = logging.getLogger(__name__)

NUMERIC_DOWNSAMPLERS: Final = ("mean", "sum", "min", "max", "sum_squares", "std_dev", "count")
NOMINAL_DOWNSAMPLERS: Final = ("most_often", "least_often", "frequencies", "count")
GRAPH_DOWNSAMPLERS: Final = ("count", "last")
TIME_DOWNSAMPLERS: Final = ("mean", "first", "last")
DOWNSAMPLERS: Final = {
    "numeric": NUMERIC_DOWNSAMPLERS,
    "nominal": NOMINAL_DOWNSAMPLERS,
    "graph": GRAPH_DOWNSAMPLERS,
}
_IMPLIED: Final = {"mean": {"sum"}, "std_dev": {"mean", "sum"}}


@dataclass(slots=True)
class StreamConfig:
    """What a stream was asked to be; all of it but the tags is fixed for good.

    Attributes:
        derived_from: for each source {"stream", "granularity", ...}; None: not derived.
    """

    value_type: str
    value_type_options: dict[str, Any]
    value_downsamplers: tuple[str, ...]
    highest_granularity: Granularity
    derived_from: list[dict[str, Any]] | None = None
    derive_op: str | None = None
    derive_args: dict[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """As plain data; equal configurations give equal dicts."""
        return {
            "value_type": self.value_type,
            "value_type_options": self.value_type_options,
            "value_downsamplers": list(self.value_downsamplers),
            "highest_granularity": self.highest_granularity.key,
            "derived_from": self.derived_from,
            "derive_op": self.derive_op,
            "derive_args": self.derive_args,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StreamConfig:
        """From plain data."""
        return cls(
            data["value_type"],
            data["value_type_options"],
            tuple(data["value_downsamplers"]),
            Granularity.find(data["highest_granularity"]),
            data["derived_from"],
            data["derive_op"],
            data["derive_args"],
        )


def all_downsamplers(names: Iterable[str], value_type: str) -> tuple[str, ...]:
    """The downsamplers asked for and those that they imply, in the order of the documentation.

    Raises:
        UnsupportedDownsampler: there is no such one for values of this type.
    """
    known = DOWNSAMPLERS[value_type]
    wanted = {names} if isinstance(names, str) else set(names)
    if unknown := wanted - set(known):
        raise UnsupportedDownsampler(
            f"{', '.join(sorted(map(repr, unknown)))}: {value_type} streams have {', '.join(known)}"
        )
    if wanted:
        wanted.add("count")
    for name in tuple(wanted):
        wanted |= _IMPLIED.get(name, set())
    return tuple(name for name in known if name in wanted)


class Watcher(Protocol):
    """One who is told what happens to a stream; it must not wait."""

    def arrived(self) -> None:
        """The stream has got something."""
        ...

    def keep(self, stream: Stream, count: int) -> None:
        """Its head is about to forget the `count` datapoints that arrived first."""
        ...

    def rewound(self, stream: Stream, time_ns: int) -> None:
        """What it had from a time on is gone, and will be worked out anew."""
        ...


class Stream:
    """One stream in memory: configuration, newest datapoint, head, and how far it is sealed.

    Attributes:
        number: the key of its blocks.
        version: counts sealings; a query that awaited and finds another version starts over.
        followers: who wants to be told what arrives.
        depends: numbers of the streams that are derived from this one.
        floors: of the state, or soon to be: nobody may rely on what lies before any more.
        is_backprocessing: whether history is still to be derived.
        takes_floats: whether any float can be stored as it comes.
    """

    def __init__(self, number: int, stream_id: str, tags: Tags, config: StreamConfig) -> None:
        self.number = number
        self.id = stream_id
        self.tags = tags
        self.config = config
        self.check = values.checker(
            config.value_type, config.value_type_options, config.value_downsamplers
        )
        self.is_numeric = config.value_type == "numeric"
        self.state = SealState()
        self._feed: Feed | None = None
        self._place = 0
        self._head = Head()
        self._latest_ns = -1
        self._latest_value: Any = None
        self._latest_quality = 0
        self._earliest_ns = -1
        self.version = 0
        self.floors: dict[str, int] = {}
        self.depends: set[int] = set()
        self.followers: set[Watcher] = set()
        self.is_backprocessing = False
        self.is_decimal = bool(config.value_type_options.get("high_accuracy"))
        self.takes_floats = self.is_numeric and config.derived_from is None and not self.is_decimal

    @property
    def path(self) -> str | None:
        """The tag `path`, by which batches name the stream."""
        return self.tags.get("path")

    @property
    def head(self) -> Head:
        """What is not sealed; polls that wait in the feed are settled first."""
        if self._feed is not None and self._feed.times:
            self._feed.settle()
        return self._head

    @property
    def head_length(self) -> int:
        """How many datapoints are not sealed, those in the feed too."""
        return self._head.length + (0 if self._feed is None else len(self._feed.times))

    @property
    def next_ordinal(self) -> int:
        """The ordinal that the next datapoint gets."""
        return self._head.next_ordinal + (0 if self._feed is None else len(self._feed.times))

    def reach(self) -> tuple[int, int]:
        """`next_ordinal` and `head_length`."""
        length = self._head.length + (0 if self._feed is None else len(self._feed.times))
        return self._head.first_ordinal + length, length

    @property
    def latest_ns(self) -> int:
        """Time of the newest datapoint; -1: there is none."""
        if self._feed is not None and self._feed.times:
            return self._feed.times[-1]
        return self._latest_ns

    @property
    def earliest_ns(self) -> int:
        """Time of the first datapoint; -1: there is none."""
        if self._earliest_ns < 0 and self._feed is not None and self._feed.times:
            return self._feed.times[0]
        return self._earliest_ns

    @property
    def count(self) -> int:
        """How many datapoints there are."""
        return self.next_ordinal - self.state.removed

    def document(self) -> bytes:
        """Tags and configuration as bytes."""
        return with_checksum(orjson.dumps({"tags": self.tags, "config": self.config.to_dict()}))

    @classmethod
    def from_document(cls, number: int, stream_id: str, document: bytes) -> Stream:
        """A stream as it was written down, without its state.

        Raises:
            DamagedBlock: the document is not what was written.
        """
        data = orjson.loads(without_checksum(document, f"stream {number} ({stream_id})"))
        return cls(number, stream_id, data["tags"], StreamConfig.from_dict(data["config"]))

    def restore(self, state: SealState) -> None:
        """Take over how far it was sealed."""
        self.state = state
        self.floors = state.floors
        self._head = Head(state.through)
        self._earliest_ns = state.first_ns
        if state.latest is not None:
            self._latest_ns, self._latest_value, self._latest_quality = state.latest

    def attach(self, feed: Feed, place: int) -> None:
        """Take datapoints from a feed from now on, the ones at `place` of its polls."""
        self._detach()
        self._feed, self._place = feed, place

    def _detach(self) -> None:
        """Take what waits in the feed; it must attach again, for it does not see what follows."""
        if self._feed is not None:
            self._feed.settle()
            self._feed.is_whole = False
            self._feed = None

    def settled(self, columns: Columns, time_ns: int, value: Any, quality: int) -> None:
        """Take what waited in the feed, none of it before the newest; the last one is told."""
        self._head.extend(columns)
        self._latest_ns = time_ns
        self._latest_value = value
        self._latest_quality = quality
        if self._earliest_ns < 0:
            self._earliest_ns = int(columns.t[0])

    def enter(self, time_ns: int, value: Any, quality: int) -> None:
        """Take a checked datapoint into the head; one before the newest counts as late."""
        if self._feed is not None:
            self._detach()
        if time_ns >= self._latest_ns:
            if self._earliest_ns < 0:
                self._earliest_ns = time_ns
            self._latest_ns = time_ns
            self._latest_value = value
            self._latest_quality = quality
        else:
            self._head.is_in_order = False
            self._earliest_ns = min(self._earliest_ns, time_ns)
        self._head.append(time_ns, value, quality)
        if self.followers:
            self.tell_followers()

    def follow(self, follower: Watcher) -> None:
        """Tell somebody from now on what happens; twice is as good as once."""
        self.followers.add(follower)
        if self._feed is not None:
            self._feed.see_followers()

    def unfollow(self, follower: Watcher) -> None:
        """Tell somebody no more; one who was not told is no error."""
        self.followers.discard(follower)
        if self._feed is not None:
            self._feed.see_followers()

    def tell_followers(self) -> None:
        """Say that something has arrived."""
        for follower in self.followers:
            follower.arrived()

    def extend(self, columns: Columns) -> None:
        """Take datapoints in the order of time; those before the newest count as late."""
        if not len(columns):
            return
        self._detach()
        first_ns, last = int(columns.t[0]), columns.last()
        if first_ns < self._latest_ns:
            self._head.is_in_order = False
        self._head.extend(columns)
        if last[0] >= self._latest_ns:
            self._latest_ns, self._latest_value, self._latest_quality = last
        self._earliest_ns = first_ns if self._earliest_ns < 0 else min(self._earliest_ns, first_ns)
        self.tell_followers()

    def rewind(self, state: SealState, head: Columns, time_ns: int) -> None:
        """Go back to what is sealed and a head; everything from a time on is gone."""
        self.version += 1
        self._latest_ns, self._latest_value, self._latest_quality = -1, None, 0
        self.restore(state)
        self.extend(head)
        for follower in self.followers:
            follower.rewound(self, time_ns)

    def forget_sealed(self, count: int) -> None:
        """Drop the datapoints that arrived first from the head; followers keep what they need.

        They are in blocks: whatever goes wrong with a follower, they must not stay here as well.
        """
        for follower in self.followers:
            try:
                follower.keep(self, count)
            except Exception:
                log.exception("a follower of stream %s, a bug of labmon", self.path or self.id)
        self.head.drop(count)

    def forget_removed(self, state: SealState) -> None:
        """Take over a state of which retention has removed something; the head lies behind it."""
        self.version += 1
        self.state = state
        self.floors = state.floors
        self._earliest_ns = state.first_ns
        if self.head.length:
            first_ns = int(self.head.columns().t[0])
            self._earliest_ns = first_ns if state.first_ns < 0 else min(state.first_ns, first_ns)

    def answer(self, value: Any) -> Any:
        """A stored value as it is answered: a decimal as Decimal, NaN as None, JSON as a copy."""
        kind = type(value)
        if kind is float:  # mostly
            return value if value == value else None
        if kind is dict or kind is list:
            return values.apart(value)
        return Decimal(value) if kind is str and self.is_decimal else value

    def newest(self) -> Latest | None:
        """The newest datapoint, NaN told as None."""
        if self._feed is not None and self._feed.times:
            time_ns, value, quality = self._feed.newest(self._place)
            return Latest(time_ns, self.answer(value), quality)
        if self._latest_ns < 0:
            return None
        return Latest(self._latest_ns, self.answer(self._latest_value), self._latest_quality)

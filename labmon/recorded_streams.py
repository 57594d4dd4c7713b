"""The streams of what is recorded: made as devices declare them, or from a first value.

A history is never gone on with in another unit or type. The trap: one reading that cannot be
recorded must not keep the others of its batch from it, nor say so with every poll.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.exceptions import DatastreamException
from labmon.datastream.granularity import Granularity
from labmon.reading import ArrayBatch, Batch, Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labmon.datastream.api import Datastream, Rejection
    from labmon.reading import AnyBatch, Value

log = logging.getLogger(__name__)

NUMERIC_DOWNSAMPLERS: Final = frozenset({"count", "max", "mean", "min", "std_dev", "sum"})
SHAPES: Final = 10_000
AT_ONCE: Final = 100
"""So many streams are made before others have their turn: some ten milliseconds."""


class RecordedStreams:
    """Makes streams, and remembers which readings cannot be recorded.

    Attributes:
        refused: paths that cannot be recorded, and why.
        made: type and tags of the streams as they were made since the start.
    """

    def __init__(self, datastream: Datastream) -> None:
        self._datastream = datastream
        self._blocked: set[str] = set()
        self._known: set[tuple[str, ...]] = set()
        self._calls = 0
        self.refused: dict[str, str] = {}
        self.made: dict[str, tuple[str, dict[str, Any]]] = {}

    def are_known(self, paths: tuple[str, ...]) -> bool:
        """Whether all streams of a batch are there, and take what comes."""
        return paths in self._known and not self._blocked

    async def declare(
        self, device: str, channels: Mapping[str, Channel], period_s: float | None = None
    ) -> None:
        """Make the streams of a device, or bring their tags up to date.

        A stream whose history cannot go on (another unit or type) is refused, said in the log and
        in `refused`; the other channels are recorded all the same.
        """
        for name, channel in channels.items():
            await self._ensure(f"{device}/{name}", channel, period_s)

    async def ensure(self, path: str, value: Value, unit: str = "") -> str | None:
        """The stream for a reading of no device: of the type of its value; None if refused."""
        is_numeric = value is None or (
            isinstance(value, int | float) and not isinstance(value, bool)
        )
        kind = "numeric" if is_numeric else "nominal"
        return await self._ensure(path, Channel(kind=kind, unit=unit), None)

    async def _ensure(self, path: str, channel: Channel, period_s: float | None) -> str | None:
        return await self.make(path, channel.kind, _tags(path, channel, period_s))

    async def make(self, path: str, kind: str, tags: dict[str, Any]) -> str | None:
        """A stream as it was made before; None if refused."""
        try:
            stream_id = await self._datastream.ensure_stream(
                {"path": path},
                tags,
                sorted(NUMERIC_DOWNSAMPLERS) if kind == "numeric" else [],
                Granularity.Raw,
                value_type=kind,
            )
        except DatastreamException as error:
            if path not in self.refused:
                log.error("%s is not recorded: %s", path, error)  # noqa: TRY400
            self.refused[path] = str(error)
            self._blocked.add(path)
            return None
        self.refused.pop(path, None)
        self._blocked.discard(path)
        self.made[path] = (kind, tags)
        self._calls += 1
        if self._calls % AT_ONCE == 0:  # not before it is made: somebody else could make it
            await asyncio.sleep(0)
        return stream_id

    async def ensure_all(self, batch: AnyBatch) -> None:
        """Make the streams of a batch that are not there."""
        if batch.paths in self._known:
            return
        for path, value in _unknown(self._datastream, batch):
            await self.ensure(path, value)
        if len(self._known) > SHAPES:
            self._known.clear()
        self._known.add(batch.paths)

    def is_blocked(self, path: str) -> bool:
        """Whether a path cannot be recorded at all."""
        return path in self._blocked

    def say_refused(self, rejected: Iterable[Rejection]) -> None:
        """Remember readings that were not taken; each reason is said once."""
        for rejection in rejected:
            if self.refused.get(rejection.path) != rejection.reason:
                self.refused[rejection.path] = rejection.reason
                log.error("%s is not recorded: %s", rejection.path, rejection.reason)

    def recordable(self, batch: AnyBatch) -> Iterator[AnyBatch]:
        """The batch without the blocked paths: runs between them, each reading with its number."""
        blocked = self._blocked
        if blocked.isdisjoint(batch.paths):
            yield batch
            return
        if isinstance(batch, ArrayBatch):
            return
        start = 0
        for end, path in enumerate((*batch.paths, None)):
            if path is None or path in blocked:
                if end > start:
                    yield Batch(
                        batch.source,
                        batch.time_ns,
                        batch.paths[start:end],
                        batch.values[start:end],
                        batch.qualities[start:end],
                        batch.seq + start,
                        batch.receipt,
                    )
                start = end + 1


def _unknown(datastream: Datastream, batch: AnyBatch) -> Iterable[tuple[str, Value]]:
    values = (None,) if isinstance(batch, ArrayBatch) else batch.values
    for path, value in zip(batch.paths, values, strict=True):
        if datastream.stream_id(path) is None:
            yield path, value


def _tags(path: str, channel: Channel, period_s: float | None) -> dict[str, Any]:
    device, _, name = path.partition("/")
    tags: dict[str, Any] = {"device": device, "channel": name or device, "unit": channel.unit}
    if channel.label:
        tags["label"] = channel.label
    if channel.description:
        tags["description"] = channel.description
    if channel.kind == "numeric":
        tags |= {"digits": channel.digits, "scientific": channel.scientific}
        if channel.accuracy is not None:
            tags["accuracy"] = channel.accuracy
        if channel.limits != (None, None):
            tags["limits"] = list(channel.limits)
    own_s = None if period_s is None else channel.period_s(period_s)
    if own_s is not None:
        tags["period_s"] = own_s
    return tags

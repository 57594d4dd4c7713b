"""The recorder: the only writer of readings, from the hub into the datastream, in order.

`record` is called by the hub on the event loop and never waits: what came in a turn of the loop is
handed on at the end of it, or, where something stands in the way, left to a task. While the store
is away batches wait here, and the oldest are dropped.
The trap: a batch is acknowledged only once `flush` says so; before that it is in memory alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
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
READING_BYTES: Final = 64
"""What a reading that waits costs in memory, roughly."""
RETRY_S: Final = 1.0
HANDED_SHARE: Final = 0.25
"""So much of the spool is what the datastream holds; the rest waits here and can be dropped."""


class Recorder:
    """Carries every batch from the hub into the datastream, and makes the streams it needs.

    Args:
        datastream: where the readings go.
        spool_bytes: how much may wait in memory while the store is away; what is over that is
            dropped, the oldest first, counted in `dropped_readings`, and a null of each stream
            marks where its gap begins.
    """

    def __init__(self, datastream: Datastream, spool_bytes: int = 64 << 20) -> None:
        self._datastream = datastream
        self._handed_bytes = int(HANDED_SHARE * spool_bytes)
        self._limit = (spool_bytes - self._handed_bytes) // READING_BYTES
        self._waiting: deque[AnyBatch] = deque()
        self._waiting_readings = 0
        self._waiting_weight = 0
        self._is_called = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._known: set[tuple[str, ...]] = set()
        self.refused: dict[str, str] = {}
        """Paths that cannot be recorded, and why: another unit than their history, for example."""
        self._blocked: set[str] = set()
        self.recorded_readings = 0
        self._dropped = 0
        self._gaps: dict[str, int] = {}
        """Of each stream with dropped readings, the time of the first one; not yet recorded."""
        self._is_stuck = False

    @property
    def dropped_readings(self) -> int:
        """Readings that were lost because the store was away for longer than memory lasts."""
        return self._dropped

    @property
    def waiting_readings(self) -> int:
        """Readings that are not yet handed to the datastream."""
        return self._waiting_readings

    @property
    def waiting_bytes(self) -> int:
        """What they take in memory, roughly."""
        return self._waiting_weight * READING_BYTES

    @property
    def is_filling(self) -> bool:
        """Whether the store is away and half of the spool is used: the rest is for instruments.

        Whoever pushes can be told to come back; an instrument cannot.
        """
        return self._waiting_weight >= self._limit // 2

    def start(self) -> None:
        """Start the one task that writes."""
        self._task = asyncio.create_task(self._write(), name="recorder")

    def record(self, batch: AnyBatch) -> None:
        """Take a batch from the hub; never waits, keeps the order."""
        self._waiting.append(batch)
        self._waiting_readings += len(batch)
        self._waiting_weight += batch.weight
        self._idle.clear()
        if not self._is_called:
            self._is_called = True
            # behind what is under way: the answer to a command whose record this is
            asyncio.get_running_loop().call_soon(self._take_turn)
        while self._waiting_weight > self._limit and len(self._waiting) > 1:
            self._drop(self._take_first())

    def _take_turn(self) -> None:
        """Hand on what waits, unless the task is at it; what cannot go at once is left to it."""
        self._is_called = False
        if self._wake.is_set():
            return
        while self._waiting and self._is_passable(self._waiting[0]):
            if not self._hand_on(self._waiting[0]):
                break
            self._take_first()
        if self._waiting:
            self._wake.set()
        else:
            self._idle.set()

    def _is_passable(self, batch: AnyBatch) -> bool:
        """Whether a batch can be recorded without waiting for anything."""
        return (
            batch.paths in self._known
            and not (self._gaps or self._blocked)
            and self._task is not None
            and self._datastream.pending_bytes < self._handed_bytes
        )

    def _hand_on(self, batch: AnyBatch) -> bool:
        """Give a batch to the datastream at once; returns False if it has to wait after all."""
        try:
            rejected = self._datastream.append_batch_now(batch)
        except (DatastreamException, OSError):
            return False  # the task will say why
        except Exception:
            log.exception("a batch of %s is not recorded, a bug of labmon", batch.source)
            self._dropped += len(batch)
            return True
        if rejected:
            self._say_refused(rejected)
        self.recorded_readings += len(batch) - len(rejected)
        return True

    def _say_refused(self, rejected: Iterable[Rejection]) -> None:
        for rejection in rejected:
            if self.refused.get(rejection.path) != rejection.reason:
                self.refused[rejection.path] = rejection.reason
                log.error("%s is not recorded: %s", rejection.path, rejection.reason)

    def _drop(self, batch: AnyBatch) -> None:
        if not self._gaps:
            log.error("the store is away for too long: the oldest readings are dropped from now on")
        self._dropped += len(batch)
        for path in batch.paths:
            self._gaps.setdefault(path, batch.time_ns)

    def _take_first(self) -> AnyBatch:
        batch = self._waiting.popleft()
        self._waiting_readings -= len(batch)
        self._waiting_weight -= batch.weight
        return batch

    async def flush(self) -> None:
        """Wait until everything recorded before is durable."""
        await self._idle.wait()
        await self._datastream.commit()

    async def stop(self) -> None:
        """Write what waits and stop the task; the datastream stays open.

        Cancelled from outside where the store is away for too long; what still waits here is lost
        then, and counted as dropped.
        """
        if self._task is None:
            return
        try:
            await self.flush()
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            if lost := self._waiting_readings:
                self._dropped += lost
                log.error("the store was away until the end: %d waiting readings are lost", lost)

    async def declare(
        self, device: str, channels: Mapping[str, Channel], period_s: float | None = None
    ) -> None:
        """Make the streams of a device, or bring their tags up to date.

        A stream whose history cannot go on (another unit or type) is refused, said in the log and
        in `refused`; the other channels are recorded all the same.
        """
        for name, channel in channels.items():
            await self._ensure(f"{device}/{name}", channel, period_s)

    async def ensure(self, path: str, value: Value) -> str | None:
        """The stream for a reading of which nothing is known but a value; None if refused."""
        is_numeric = value is None or (
            isinstance(value, int | float) and not isinstance(value, bool)
        )
        return await self._ensure(path, Channel(kind="numeric" if is_numeric else "nominal"), None)

    async def _ensure(self, path: str, channel: Channel, period_s: float | None) -> str | None:
        is_numeric = channel.kind == "numeric"
        try:
            stream_id = await self._datastream.ensure_stream(
                {"path": path},
                _tags(path, channel, period_s),
                sorted(NUMERIC_DOWNSAMPLERS) if is_numeric else [],
                Granularity.Raw,
                value_type=channel.kind,
            )
        except DatastreamException as error:
            if path not in self.refused:
                log.error("%s is not recorded: %s", path, error)  # noqa: TRY400
            self.refused[path] = str(error)
            self._blocked.add(path)
            return None
        self.refused.pop(path, None)
        self._blocked.discard(path)
        return stream_id

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            while self._waiting:
                if self._datastream.pending_bytes >= self._handed_bytes:
                    await self._datastream.progress()
                else:
                    await self._append(self._waiting[0])
            self._wake.clear()
            self._idle.set()

    async def _append(self, batch: AnyBatch) -> None:
        try:
            await self._mark_gaps()
            taken = await self._hand_over(batch)
        except (DatastreamException, OSError) as error:
            await self._wait(error)
            return
        except Exception:
            # one batch must not hold up all that follow
            log.exception("a batch of %s is not recorded, a bug of labmon", batch.source)
            self._dropped += len(batch)
            taken = 0
        self._is_stuck = False
        if self._waiting and self._waiting[0] is batch:  # not dropped meanwhile
            self._take_first()
        self.recorded_readings += taken

    async def _hand_over(self, batch: AnyBatch) -> int:
        """Give a batch to the datastream; returns how many of its readings are taken."""
        if batch.paths not in self._known:
            await self._ensure_all(batch)
        rejected: list[Rejection] = []
        for run in _recordable(batch, self._blocked):
            rejected += await self._datastream.append_batch(run)
        self._say_refused(rejected)
        return len(batch) - len(rejected)

    async def _wait(self, error: Exception) -> None:
        if not self._is_stuck:
            log.error("the store does not take readings, they wait: %s", error)
        self._is_stuck = True
        await asyncio.sleep(RETRY_S)

    async def _mark_gaps(self) -> None:
        """Record a null of each stream where its dropped readings began."""
        if not self._gaps:
            return
        gaps, self._gaps = self._gaps, {}
        log.warning("readings are recorded again; %d were dropped since the start", self._dropped)
        for path, time_ns in gaps.items():
            if path not in self._blocked and self._datastream.stream_id(path) is not None:
                await self._datastream.append_batch(
                    Batch("recorder", time_ns, (path,), (None,), bytes(1))
                )

    async def _ensure_all(self, batch: AnyBatch) -> None:
        for path, value in _unknown(self._datastream, batch):
            await self.ensure(path, value)
        if len(self._known) > 10_000:
            self._known.clear()
        self._known.add(batch.paths)


def _unknown(datastream: Datastream, batch: AnyBatch) -> Iterable[tuple[str, Value]]:
    values = (None,) if isinstance(batch, ArrayBatch) else batch.values
    for path, value in zip(batch.paths, values, strict=True):
        if datastream.stream_id(path) is None:
            yield path, value


def _recordable(batch: AnyBatch, blocked: set[str]) -> Iterator[AnyBatch]:
    """The batch without the blocked paths: the runs between them, each reading with its number."""
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

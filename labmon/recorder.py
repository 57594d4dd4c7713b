"""The recorder: the only writer of readings, from the hub into the datastream, in order.

`record` is called by the hub on the event loop and never waits: what came in a turn of the loop is
handed on at the end of it, or, where something stands in the way, left to a task. While the store
is away batches wait here, then on disk (`spooling`), and at last the oldest are dropped.
The trap: a batch is acknowledged only once `flush` says so; before that it is in memory, or on the
disk of this machine alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from labmon.backlog import Backlog
from labmon.datastream.exceptions import DatastreamException
from labmon.reading import Batch
from labmon.recorded_streams import RecordedStreams
from labmon.spooling import Spooling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labmon.datastream.api import Datastream, Rejection
    from labmon.datastream.spool import Spool
    from labmon.datastream.spool_record import Portion
    from labmon.reading import AnyBatch, Channel, Value

log = logging.getLogger(__name__)

READING_BYTES: Final = 64
"""What a reading that waits costs in memory, roughly."""
RETRY_S: Final = 1.0
FLUSH_S: Final = 0.8
"""So long the end waits for the store, where there is a disk for what it does not take."""
SAVE_S: Final = 0.7
"""So long, or twice that where the store is away, the end may take to bring all to that disk."""
SLICE: Final = 1000
"""So many readings that waited are handed over before others have their turn."""
HANDED_SHARE: Final = 0.25
"""So much of the spool is what the datastream holds; the rest waits here and can be dropped."""


class Recorder:
    """Carries every batch from the hub into the datastream, and makes the streams it needs.

    Args:
        datastream: where the readings go.
        spool_bytes: how much may wait in memory while the store is away; what is over that is
            dropped, the oldest first, counted in `dropped_readings`, and a null of each stream
            marks where its gap begins.
        spool: open; takes what is in memory beyond half of that, and all that is not durable while
            the store is away. None: there is memory only.
    """

    def __init__(
        self, datastream: Datastream, spool_bytes: int = 64 << 20, spool: Spool | None = None
    ) -> None:
        self._datastream = datastream
        self._handed_bytes = int(HANDED_SHARE * spool_bytes)
        self._limit = (spool_bytes - self._handed_bytes) // READING_BYTES
        self._backlog = Backlog()
        self._is_called = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._streams = RecordedStreams(datastream)
        self.recorded_readings = 0
        self._dropped = 0
        self._gaps: dict[str, int] = {}
        """Of each stream with dropped readings, the time of the first one; not yet recorded."""
        self._is_stuck = False
        self.has_kept_all = False
        """Whether all that was not durable at the end is on disk."""
        self.spool = spool
        self.spooling: Spooling | None = None
        if spool is not None:
            limit = self._limit // 2
            made = self._streams.made
            self.spooling = Spooling(datastream, spool, self._backlog, made, limit, self._lose)

    @property
    def refused(self) -> dict[str, str]:
        """Paths that cannot be recorded, and why: another unit than their history, for example."""
        return self._streams.refused

    @property
    def dropped_readings(self) -> int:
        """Readings that were lost because the store was away for longer than there was room."""
        return self._dropped

    @property
    def waiting_readings(self) -> int:
        """Readings of this start that are not yet handed to the datastream."""
        on_disk = 0 if self.spooling is None else self.spooling.waiting_readings
        return self._backlog.readings + on_disk

    @property
    def is_behind(self) -> bool:
        """Whether readings wait, of this start or an earlier one, that no query sees yet."""
        is_earlier_left = self.spooling is not None and not self.spooling.caught_up.is_set()
        return is_earlier_left or self.waiting_readings > 0

    @property
    def waiting_bytes(self) -> int:
        """What they take in memory, roughly."""
        return self._backlog.weight * READING_BYTES

    @property
    def is_filling(self) -> bool:
        """Whether the store is away and half of the spool is used: the rest is for instruments.

        Whoever pushes can be told to come back; an instrument cannot.
        """
        on_disk = self.spooling is not None and self.spooling.waiting_readings > 0
        return on_disk or self._backlog.weight >= self._limit // 2

    @property
    def warnings(self) -> list[str]:
        """What people should know of what waits on disk."""
        return [] if self.spooling is None else self.spooling.warnings

    async def caught_up(self) -> bool:
        """Wait until what earlier starts left on disk is durable; returns whether it had to."""
        if self.spooling is None or self.spooling.caught_up.is_set():
            return False
        await self.spooling.caught_up.wait()
        return True

    def start(self) -> None:
        """Start the one task that writes, and the one that saves what cannot be written."""
        self._task = asyncio.create_task(self._write(), name="recorder")
        if self.spooling is not None:
            self._saving = asyncio.create_task(self.spooling.run(), name="recorder-spool")
            if self.spooling.is_next:
                self._idle.clear()
                self._wake.set()

    def record(self, batch: AnyBatch) -> None:
        """Take a batch from the hub; never waits, keeps the order."""
        self._backlog.put(batch)
        self._idle.clear()
        if not self._is_called:
            self._is_called = True
            # behind what is under way: the answer to a command whose record this is
            asyncio.get_running_loop().call_soon(self._take_turn)
        if self.spooling is not None and self._backlog.weight > self._limit // 4:
            self.spooling.look()
        while self._backlog.weight > self._limit and len(self._backlog.batches) > 1:
            self._drop(self._backlog.take())

    def _take_turn(self) -> None:
        """Hand on what waits, unless the task is at it; what cannot go at once is left to it."""
        self._is_called = False
        if self._wake.is_set():
            return
        batches = self._backlog.batches
        while batches and self._is_passable(batches[0]) and self._hand_on(batches[0]):
            self._taken_on()
        if self._is_more:
            self._wake.set()
        else:
            self._idle.set()

    def _is_passable(self, batch: AnyBatch) -> bool:
        """Whether a batch can be recorded without waiting for anything."""
        return (
            self._streams.are_known(batch.paths)
            and not self._gaps
            and self._task is not None
            and self._datastream.pending_bytes < self._handed_bytes
            and (self.spooling is None or not self.spooling.is_next)
        )

    @property
    def _is_more(self) -> bool:
        """Whether anything is to be handed over."""
        return bool(self._backlog) or (self.spooling is not None and self.spooling.is_next)

    def _taken_on(self) -> None:
        """The datastream has the first batch in memory."""
        batch = self._backlog.take()
        if self.spooling is not None:
            self.spooling.copy(batch)

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
            self._streams.say_refused(rejected)
        self.recorded_readings += len(batch) - len(rejected)
        return True

    def _drop(self, batch: AnyBatch) -> None:
        self._lose(len(batch), dict.fromkeys(batch.paths, batch.time_ns))

    def _lose(self, readings: int, first_ns: Mapping[str, int]) -> None:
        """Readings are gone; of each path, `first_ns` tells the time of the first one."""
        self._dropped += readings
        if first_ns and not self._gaps:
            log.error("the store is away for too long: the oldest readings are dropped from now on")
        for path, time_ns in first_ns.items():
            self._gaps.setdefault(path, time_ns)

    async def flush(self) -> None:
        """Wait until everything recorded before is durable."""
        await self._idle.wait()
        await self._datastream.commit()

    async def stop(self) -> None:
        """Write what waits and stop the task; the datastream stays open.

        Cancelled from outside where the store is away for too long; what is not durable then is
        kept on disk, or lost and counted as dropped.
        """
        if self._task is None:
            return
        try:
            await self._flush_in_time()
        finally:
            tasks = [task for task in (self._task, self._saving) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._task = self._saving = None
            if self.spooling is not None and self.spool is not None:
                within_s = SAVE_S if self._datastream.is_healthy else 2 * SAVE_S
                try:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.spooling.save_all(), within_s)
                except OSError as error:  # the folder is gone
                    log.warning("not all that waits is kept on disk: %s", error)
                self.has_kept_all = not self._backlog and self.spooling.has_all
                if self.spool.readings:
                    log.warning(
                        "%d readings are kept on disk for the next start", self.spool.readings
                    )
                self.spool.close()
            if lost := self._backlog.readings:
                self._dropped += lost
                log.error("the store was away until the end: %d waiting readings are lost", lost)

    async def _flush_in_time(self) -> None:
        """Write what waits; a store that is away is not waited for where there is a disk."""
        if self.spooling is None:
            await self.flush()
        elif self._datastream.is_healthy:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.flush(), FLUSH_S)

    async def declare(
        self, device: str, channels: Mapping[str, Channel], period_s: float | None = None
    ) -> None:
        """Make the streams of a device; see `RecordedStreams.declare`."""
        await self._streams.declare(device, channels, period_s)

    async def ensure(self, path: str, value: Value, unit: str = "") -> str | None:
        """The stream for a reading of no device; None if refused."""
        return await self._streams.ensure(path, value, unit)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            handed = 0
            while self._is_more:
                if self._datastream.pending_bytes >= self._handed_bytes:
                    await self._datastream.progress()
                elif self.spooling is not None and self.spooling.is_next:
                    await self._take_back(self.spooling)
                else:
                    batch = self._backlog.batches[0]
                    await self._append(batch)
                    handed += len(batch)
                if handed >= SLICE:
                    handed = 0
                    await asyncio.sleep(0)
            self._wake.clear()
            self._idle.set()

    async def _append(self, batch: AnyBatch) -> None:
        try:
            taken = await self._hand_over_or_give_up(batch)
        except (DatastreamException, OSError) as error:
            await self._wait(error)
            return
        self._is_stuck = False
        if self._backlog and self._backlog.batches[0] is batch:  # not dropped meanwhile
            self._taken_on()
        self.recorded_readings += taken

    async def _take_back(self, spooling: Spooling) -> None:
        """Hand over what comes next from disk."""
        try:
            portion = await spooling.next()
            if portion is None:
                return
            if portion.is_earlier:
                await self._hand_over_earlier(spooling, portion)
                return
            handed = 0
            for batch in portion.batches:
                self.recorded_readings += await self._hand_over_or_give_up(batch)
                spooling.handed(batch)
                handed += len(batch)
                if handed >= SLICE:
                    handed = 0
                    await asyncio.sleep(0)
            spooling.passed(portion.frame)
        except (DatastreamException, OSError) as error:
            await self._wait(error)
        except Exception as error:
            log.exception("what waited on disk is not recorded, a bug of labmon")
            spooling.give_up(repr(error))
        else:
            self._is_stuck = False

    async def _hand_over_earlier(self, spooling: Spooling, portion: Portion) -> None:
        """Give what an earlier start has left to the epoch in which it was numbered."""
        durable = None
        for batch in portion.batches:
            for path in batch.paths:
                if path in portion.streams and self._datastream.stream_id(path) is None:
                    await self._streams.make(path, *portion.streams[path])
            await self._streams.ensure_all(batch)
        runs = [run for batch in portion.batches for run in self._streams.recordable(batch)]
        if runs:
            head = portion.frame.head
            rejections, durable = self._datastream.append_earlier(head.epoch, head.number, runs)
            self._streams.say_refused(rejections)
            self.recorded_readings += sum(map(len, runs)) - len(rejections)
        spooling.passed(portion.frame, durable)

    async def _hand_over_or_give_up(self, batch: AnyBatch) -> int:
        """Give a batch to the datastream; one that cannot be given must not hold up the others."""
        try:
            return await self._hand_over(batch)
        except (DatastreamException, OSError):
            raise
        except Exception:
            log.exception("a batch of %s is not recorded, a bug of labmon", batch.source)
            self._dropped += len(batch)
            return 0

    async def _hand_over(self, batch: AnyBatch) -> int:
        """Give a batch to the datastream; returns how many of its readings are taken."""
        await self._mark_gaps()
        await self._streams.ensure_all(batch)
        rejected: list[Rejection] = []
        for run in self._streams.recordable(batch):
            rejected += await self._datastream.append_batch(run)
        self._streams.say_refused(rejected)
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
        for path in list(self._gaps):
            time_ns = self._gaps.pop(path)
            if self._streams.is_blocked(path) or self._datastream.stream_id(path) is None:
                continue
            mark = Batch("recorder", time_ns, (path,), (None,), bytes(1))
            try:
                await self._datastream.append_batch(mark)
            except (DatastreamException, OSError):
                self._gaps[path] = time_ns
                raise
        log.warning("readings are recorded again; %d were dropped since the start", self._dropped)

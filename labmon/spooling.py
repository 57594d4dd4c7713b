"""`Spooling`: what waits for a store that is away goes on to disk, and comes back in order.

From the first reading that is not durable on: what the datastream has and cannot write is copied,
what it was not given yet is moved. So a kill leaves no hole between the store and the spool. The
trap: what is in the spool may be durable all the same; sequence numbers tell, and nothing is handed
over a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from labmon.backlog import Backlog
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.spool import SpoolFullError
from labmon.datastream.spool_file import Head
from labmon.datastream.spool_record import (
    Portion,
    SpoolRecord,
    decode_record,
    encode_record,
    is_plain,
    rest_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon.datastream.api import Datastream
    from labmon.datastream.spool import Spool
    from labmon.datastream.spool_file import Frame
    from labmon.datastream.spool_record import StreamFacts
    from labmon.reading import AnyBatch

log = logging.getLogger(__name__)

RECORD_READINGS: Final = 5_000
LOOK_S: Final = 1.0
SAVE_S: Final = 5.0
"""While the store is away, what is not on disk yet goes there so often."""
RETRY_S: Final = 10.0
"""After the disk has not taken it."""
ATTEMPTS: Final = 3
"""So often a file is read before it counts as damaged."""


class Spooling:
    """Between the recorder's memory and the files; on the event loop, files on other threads.

    Args:
        datastream: started; where it all goes in the end.
        spool: open.
        backlog: what the recorder has not handed over; older than that is only what is here.
        made: how the streams of this start were made.
        limit: weight in memory from which on it goes to disk, be the store away or only slow.
        lose: told how many readings are gone, and of each path the time of the first one.

    Attributes:
        caught_up: what earlier starts left is durable, as far as it is readable.
    """

    def __init__(
        self,
        datastream: Datastream,
        spool: Spool,
        backlog: Backlog,
        made: Mapping[str, StreamFacts],
        limit: int,
        lose: Callable[[int, Mapping[str, int]], None],
    ) -> None:
        self._datastream = datastream
        self._spool = spool
        self._backlog = backlog
        self._made = made
        self._limit = limit
        self._lose = lose
        self._copies = Backlog()
        self._writing: list[AnyBatch] = []
        self._write: asyncio.Future[Frame] | None = None
        self._handed = 0  # so many of the first frames need not be read any more
        self._last: AnyBatch | None = None
        self._in_hand: Frame | None = None
        self._earlier = len(spool.frames)
        self._earlier_seqs: dict[int, int] = {}
        self._described: dict[str, StreamFacts] = {}
        self._told: set[str] = set()
        self._moved: dict[int, int] = {}  # number of a record -> readings that wait in it alone
        self._durable: dict[int, asyncio.Future[None]] = {}  # of what earlier starts left
        self._due = asyncio.Event()
        self._away_s: float | None = None
        self._retry_s = 0.0
        self._trouble = ""
        self.caught_up = asyncio.Event()
        if not self._earlier:
            self.caught_up.set()

    @property
    def is_next(self) -> bool:
        """Whether what is to be handed over next is on disk, or on its way there."""
        return self._handed < len(self._spool.frames) or bool(self._writing)

    @property
    def waiting_readings(self) -> int:
        """Readings of this start that the datastream was not given yet, and memory has no more."""
        return sum(self._moved.values()) + sum(map(len, self._writing))

    @property
    def has_all(self) -> bool:
        """Whether nothing is in memory alone."""
        return not self._weight

    @property
    def warnings(self) -> list[str]:
        """What people should know."""
        return [*self._spool.warnings, *([self._trouble] if self._trouble else [])]

    def copy(self, batch: AnyBatch) -> None:
        """Remember a batch that the datastream was given, until it is durable or on disk."""
        self._last = batch
        self._copies.put(batch)

    def look(self) -> None:
        """Memory has grown."""
        if self._weight > self._limit:
            self._due.set()

    @property
    def _handed_seq(self) -> int:
        """Number of the last reading that the datastream was given."""
        return 0 if self._last is None else self._last.last_seq

    @property
    def _weight(self) -> int:
        return self._copies.weight + self._backlog.weight

    def _forget_durable(self) -> None:
        copies, is_all = self._copies, not self._datastream.pending_bytes
        durable_seq = self._datastream.durable_seq
        while copies and (is_all or copies.batches[0].last_seq <= durable_seq):
            copies.take()

    # Out of memory

    async def run(self) -> None:
        """Save what has to be saved, and remove what is no longer needed; for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):  # wait_for may take no notice of the end
                    await self._due.wait()
            self._due.clear()
            try:
                await self._look_after()
            except OSError as error:  # the folder is gone
                self._wait(f"readings cannot be kept on disk: {error}")
            except Exception:
                log.exception("readings cannot be kept on disk, a bug of labmon")
                self._retry_s = time.monotonic() + RETRY_S

    async def _look_after(self) -> None:
        self._forget_durable()
        await self._release()
        floor = self._floor()
        while floor is not None and self._weight > floor and await self._save():
            if self._weight <= floor:
                self._away_s = time.monotonic()
            self._forget_durable()  # or what comes while this is at it would never end
            await self._release()
            if not floor:
                floor = self._floor()

    def _floor(self) -> int | None:
        """Down to which weight memory is saved now; None: it is not."""
        now_s = time.monotonic()
        if self._datastream.is_healthy:
            self._away_s, self._trouble = None, ""
        elif self._away_s is None:
            self._away_s = now_s
        if now_s < self._retry_s or (self._datastream.is_full and self._is_on_its_disk()):
            return None
        if self._away_s is not None and now_s - self._away_s >= SAVE_S:
            return 0
        return self._limit // 2 if self._weight > self._limit else None

    def _is_on_its_disk(self) -> bool:
        """Whether the spool is on the disk of the store: where that is full, so is this."""
        folder = self._datastream.folder
        return folder is not None and folder.stat().st_dev == self._spool.folder.stat().st_dev

    async def save_all(self) -> None:
        """Save everything that is not durable, as far as there is room; `run` has ended."""
        if self._write is not None:
            await asyncio.gather(self._write, return_exceptions=True)
        self._forget_durable()
        await self._release()
        while self._weight and await self._save():
            pass

    async def _save(self) -> bool:
        """Write a record of the oldest readings; returns whether it makes sense to go on."""
        copies = self._copies.take_some(RECORD_READINGS)
        moved = self._backlog.take_some(RECORD_READINGS - sum(map(len, copies)))
        self._writing = moved
        try:
            frame = await self._written([*copies, *moved])
        except BaseException as error:
            self._copies.put_back(copies)
            self._backlog.put_back([one for one in moved if one.last_seq > self._handed_seq])
            if isinstance(error, SpoolFullError):
                return await self._make_room(error)
            if isinstance(error, TypeError | ValueError):
                return self._leave_out(error)
            if not isinstance(error, OSError):
                raise
            return self._wait(f"readings cannot be kept on disk: {error}")
        finally:
            self._writing = []
        self._spool.add(frame)
        if moved:
            self._moved[frame.head.number] = sum(map(len, moved))
        elif self._handed == len(self._spool.frames) - 1:
            self._handed += 1  # copies alone: nobody has to read them
        self._trouble = ""
        return True

    async def _written(self, batches: list[AnyBatch]) -> Frame:
        """Write a record; who is cancelled leaves it to `save_all` to wait for the disk."""
        spool = self._spool
        if spool.begins_file:
            self._told.clear()
        streams = {
            path: self._made[path]
            for batch in batches
            for path in batch.paths
            if path in self._made and path not in self._told
        }
        store, epoch = self._datastream, self._datastream.epoch
        record = SpoolRecord(store.node, epoch, batches, streams, store.start_id(epoch))
        seqs = batches[0].seq, batches[-1].last_seq
        number, readings = spool.next_number(), sum(map(len, batches))

        def write() -> Frame:
            body = encode_record(record)
            head = Head(len(body), readings, number, epoch, *seqs, batches[0].time_ns)
            return spool.write(head, body)

        self._write = asyncio.get_running_loop().run_in_executor(None, write)
        frame = await asyncio.shield(self._write)
        self._told.update(streams)
        return frame

    def _wait(self, trouble: str) -> bool:
        """The disk does not take it: said once, tried again later."""
        if not self._trouble:
            log.error("%s; they wait in memory", trouble)
        self._trouble = trouble
        self._retry_s = time.monotonic() + RETRY_S
        return False

    def _leave_out(self, error: Exception) -> bool:
        """Give up those readings that are no data, or they would hold up all others."""
        lost = 0
        for queue in (self._copies, self._backlog):
            some = queue.take_some(RECORD_READINGS)
            plain = [batch for batch in some if is_plain(batch)]
            queue.put_back(plain)
            if queue is self._backlog:
                lost += sum(map(len, some)) - sum(map(len, plain))
        log.error("%d readings cannot be kept on disk, a bug of labmon: %s", lost, error)
        self._lose(lost, {})
        return True

    async def _make_room(self, error: SpoolFullError) -> bool:
        """Drop the oldest file; returns whether there was one."""
        frames = self._spool.oldest_file()
        if not frames:
            return self._wait(f"{error}: no more readings can be kept on disk")
        if self._in_hand in frames:
            return False  # the store is back, so there will be room
        handed, lost, first_ns = self._handed, 0, dict[str, int]()
        for place in range(handed, len(frames)):
            try:
                record = await asyncio.to_thread(self._read, frames[place])
            except (DamagedBlock, OSError):
                lost += frames[place].head.readings
                continue
            handed_seq = 0 if place < self._earlier else self._handed_seq
            for batch in rest_after(record.batches, handed_seq):
                lost += len(batch)
                for path in batch.paths:
                    first_ns.setdefault(path, batch.time_ns)
        if self._in_hand in frames or self._handed != handed:  # since then
            return False
        for _ in frames:
            self._drop_first()
        await asyncio.to_thread(self._spool.tidy)
        if lost:
            self._lose(lost, first_ns)
        return True

    # Back again

    async def next(self) -> Portion | None:
        """What is to be handed over next; None: look again, at memory too."""
        frames = self._spool.frames
        if self._handed >= len(frames):
            if self._writing and self._write is not None:
                await asyncio.wait([self._write])  # whoever wrote it hears of an error
                await asyncio.sleep(0)
            return None
        frame = self._in_hand = frames[self._handed]
        try:
            record = await self._read_somehow(frame)
        except (DamagedBlock, OSError) as error:
            self.give_up(str(error))
            return None
        return await self._portion(frame, record)

    def give_up(self, why: str) -> None:
        """What is in hand cannot be recorded; its file is kept."""
        if (frame := self._in_hand) is not None:
            self._spool.report(frame.path, f"{frame.head.readings} readings are lost: {why}")
            self._lose(frame.head.readings, {})
            self.passed(frame)

    async def _read_somehow(self, frame: Frame) -> SpoolRecord:
        """Read a record; a system that is out of descriptors or memory may do it a little later."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(OSError):
                return await asyncio.to_thread(self._read, frame)
            await asyncio.sleep(LOOK_S)
        return await asyncio.to_thread(self._read, frame)

    def _read(self, frame: Frame) -> SpoolRecord:
        which = f"record {frame.head.number} of the spool"
        return decode_record(self._spool.read(frame), which=which)

    async def _portion(self, frame: Frame, record: SpoolRecord) -> Portion:
        epoch = record.epoch
        if self._handed >= self._earlier:
            batches = rest_after(record.batches, self._handed_seq)
            return Portion(frame, is_earlier=False, batches=batches, streams={})
        store = self._datastream
        end = await store.epoch_end(epoch)
        is_start = record.start_id in {None, store.start_id(epoch)}
        if end is None or not is_start or record.node != store.node or epoch >= store.epoch:
            self._spool.report(frame.path, "its readings are those of another store, or of a copy")
            return Portion(frame, is_earlier=True, batches=[], streams={})
        self._described.update(record.streams)
        batches = rest_after(record.batches, max(end, self._earlier_seqs.get(epoch, 0)))
        return Portion(frame, is_earlier=True, batches=batches, streams=self._described)

    def handed(self, batch: AnyBatch) -> None:
        """A batch of a portion of this start was given to the datastream."""
        self._last = batch

    def passed(self, frame: Frame, durable: asyncio.Future[None] | None = None) -> None:
        """All of a portion was given to the datastream, or has not to be.

        Args:
            frame: where the portion stands.
            durable: of an earlier start's: done once they are durable.
        """
        if durable is not None:
            self._durable[frame.head.number] = durable
            epoch = frame.head.epoch
            self._earlier_seqs[epoch] = max(self._earlier_seqs.get(epoch, 0), frame.head.last_seq)
        self._in_hand = None
        self._handed += 1
        self._moved.pop(frame.head.number, None)

    def _drop_first(self) -> None:
        number = self._spool.frames[0].head.number
        self._moved.pop(number, None)
        self._durable.pop(number, None)
        self._spool.release()
        self._handed = max(0, self._handed - 1)
        self._earlier = max(0, self._earlier - 1)

    async def _release(self) -> None:
        """Remove what is durable."""
        released = False
        while self._handed and self._is_durable(self._spool.frames[0].head):
            self._drop_first()
            released = True
        if released:
            await asyncio.to_thread(self._spool.tidy)
        if not self._earlier and not self.caught_up.is_set():
            self.caught_up.set()
            log.info("all that waited on disk is recorded")

    def _is_durable(self, head: Head) -> bool:
        if self._earlier:
            durable = self._durable.get(head.number)
            return durable is None or durable.done()
        return head.last_seq <= self._datastream.durable_seq or not self._datastream.pending_bytes

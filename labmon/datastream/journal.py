"""The journal: appended datapoints wait here shortly, and become durable in groups, in order.

One task writes everything that the engine writes, one change after the other, see `delivery`. The
trap: nothing that was queued may overtake or be dropped, because entries, blocks and trims rely on
the order in which they were submitted; only what the store will never take is set aside.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends.base import COMMIT_ENTRY, Change, EntryKey, EntryRow
from labmon.datastream.delivery import Delivery
from labmon.datastream.entry_list import EntryList
from labmon.datastream.exceptions import ChangeRefused, StoreError, StreamAppendFailed
from labmon.datastream.open_entry import OpenEntry
from labmon.datastream.receipts import Receipts
from labmon.datastream.refused import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.datastream.backends.base import Backend, StreamRow
    from labmon.datastream.columns import Columns
    from labmon.datastream.entry import EntryColumns
    from labmon.datastream.journal_values import JournalValues
    from labmon.datastream.open_entry import Reach
    from labmon.datastream.polls import Poll
    from labmon.reading import Receipt

log = logging.getLogger(__name__)

ENTRY_READINGS: Final = 16_384
"""An entry is closed at so many, however long the store takes."""


STREAM_ROWS: Final = 500
"""So many streams that are made or changed in a row are written together."""


@dataclass(slots=True)
class Waiting:
    """One change on its way to the store; each of `waiters` is told once it is there.

    Attributes:
        places: of the numbers of streams their rows in the change, while more may join them.
    """

    change: Change
    places: dict[int, int] | None = None
    readings: int = 0
    weight: int = 0
    last_seq: int = 0
    full: list[int] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def done(self) -> asyncio.Future[None]:
        """Wait for it; who is cancelled meanwhile cancels nothing but the waiting."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return waiter

    def join(self, row: StreamRow, cursors: dict[str, bytes | None]) -> bool:
        """Take the row of a stream, too; returns False where it needs a change of its own."""
        if self.places is None or len(self.places) >= STREAM_ROWS:
            return False
        rows = self.change.streams
        place = self.places.setdefault(row.number, len(rows))
        rows[place : place + 1] = [row]
        self.change.cursors.update(cursors)
        return True

    def apart(self) -> list[Waiting]:
        """The same in changes of one stream each, of which the last one tells."""
        change = self.change
        parts = [Waiting(Change(streams=[row])) for row in change.streams]
        parts[-1].change.cursors = change.cursors
        parts[-1].waiters = self.waiters
        return parts

    def tell(self, error: Exception | None = None) -> None:
        """It is durable, or was refused."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
                waiter.exception()  # it is in the log already, so nobody has to look


class Journal:
    """Groups what is appended into entries and writes them; on the event loop, with one task.

    Args:
        backend: the open store.
        clock: gives the time of entries.
        interval_s: a reading waits at most so long for others to join its entry.
        readings: so many readings do not wait.
        reach: tells how far some streams go.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], int],
        interval_s: float,
        readings: int,
        reach: Callable[[list[int]], Reach],
    ) -> None:
        self._backend = backend
        self._epoch = 0
        self._clock = clock
        self._interval_s = interval_s
        self._readings = self._look_at = min(readings, ENTRY_READINGS)
        self._reach = reach
        self._open = OpenEntry()
        self._queue: deque[Waiting] = deque()
        self._queued_bytes = 0
        self._number = 0
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.durable_seq = 0
        """The last sequence number that is durable."""
        self.on_durable: Callable[[list[int]], None] = _nobody
        """Called with the numbers of streams with full heads, once what these have is durable."""
        self.delivery = Delivery(backend)
        self.written_bytes = 0
        """How many bytes of entries have become durable since the start."""
        self.receipts = Receipts()
        """What was taken of pushes, those of earlier starts too, as far as the journal tells."""
        self.entries = EntryList()
        """What stands in the journal."""

    @property
    def pending_bytes(self) -> int:
        """What waits in memory to become durable."""
        return self._queued_bytes + self._open.weight

    @property
    def pending_readings(self) -> int:
        """Readings that wait to become durable."""
        return self._open.count + sum(waiting.readings for waiting in self._queue)

    def start(self, epoch: int) -> None:
        """Start the task that writes, for an epoch that is durable."""
        self._epoch = epoch
        self._task = asyncio.create_task(self._run(), name="datastream-journal")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing is recorded any more where the task ends by itself: that must not be silent."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("nothing is recorded any more, a bug of labmon", exc_info=error)
            self.delivery.fail(StoreError(f"a bug of labmon, start it again: {error!r}"))

    async def stop(self) -> None:
        """End the task; what waits is lost, so commit before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for waiting in self._queue:
            waiting.tell(StreamAppendFailed("the store was closed before this was durable"))

    def add_poll(self, poll: Poll) -> None:
        """Take floats of one time, which the heads have already entered."""
        self._open.add_poll(poll)
        if self._timer is None or self._open.count >= self._look_at:
            self._added()

    def add_mixed(self, poll: Poll, values: JournalValues, heavy: int) -> None:
        """Take values of any types and one time, which the heads have already entered.

        Args:
            poll: has the values as they are kept.
            values: the same, with their kinds.
            heavy: what the values take in memory beyond what numbers do.
        """
        self._open.add_mixed(poll, values, heavy)
        self._added()

    def add_receipt(self, receipt: Receipt) -> None:
        """Note that the readings added next are these of a push; at once, without an await."""
        self._open.add_receipt(receipt)
        self.receipts.add(receipt)

    def add_columns(self, columns: EntryColumns, heavy: int) -> None:
        """Take columns, which the heads have already entered; a crash leaves all or nothing."""
        self._open.add_columns(columns, heavy)
        self._added()

    def add_array(
        self, stream: int, columns: Columns, first_seq: int, *, is_noted: bool = True
    ) -> None:
        """Take columns of one stream, which its head has entered; a crash leaves all or nothing.

        Args:
            stream: its number.
            columns: in the order of arrival.
            first_seq: the number of the first one; 0: they have none.
            is_noted: whether they are one array, and told as one to clients that resume.
        """
        self._open.add_array(stream, columns, first_seq, is_noted=is_noted)
        self._added()

    def _added(self) -> None:
        waiting = self._open.count
        if waiting >= ENTRY_READINGS:
            self.close_entry()
        if waiting >= self._readings:
            self._look_at = ENTRY_READINGS
            self._due.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._due.set()

    def close_entry(self) -> None:
        """Queue the entry that is being filled; what is added later goes into the next one."""
        opened = self._open
        if not opened.count:
            return
        self._open = OpenEntry()
        self._look_at = self._readings
        closed = opened.closed(self._epoch, self._reach)
        row = self.entry_row(COMMIT_ENTRY, closed.body, closed.first_seq, closed.last_seq)
        waiting = self._enqueue_entry(row, closed.full, opened.count)
        waiting.last_seq = row.last_seq

    def add_earlier(self, entry: OpenEntry, key: EntryKey) -> asyncio.Future[None]:
        """Queue what an earlier start has taken, and the heads have entered just now.

        Args:
            entry: with something in it; nothing was added to the open one in between.
            key: of that start's epoch.

        Returns:
            what waits until it is durable, or refused.
        """
        closed = entry.closed(key.epoch, self._reach)
        seqs = closed.first_seq, closed.last_seq
        row = EntryRow(key, COMMIT_ENTRY, *seqs, self._clock(), closed.body)
        waiting = self._enqueue_entry(row, closed.full, entry.count)
        self._due.set()
        return waiting.done()

    def _enqueue_entry(self, row: EntryRow, full: list[int], readings: int) -> Waiting:
        waiting = self._enqueue(Change(entries=[row]))
        waiting.full = full
        waiting.readings = readings
        waiting.weight = len(row.body)
        self._queued_bytes += waiting.weight
        return waiting

    def entry_row(self, kind: int, body: bytes, first_seq: int = 0, last_seq: int = 0) -> EntryRow:
        """A numbered row for an encoded entry."""
        self._number += 1
        key = EntryKey(self._epoch, self._number)
        return EntryRow(key, kind, first_seq, last_seq, self._clock(), body)

    def submit(self, change: Change) -> asyncio.Future[None]:
        """Write a change after everything that was appended or submitted before.

        It is written even if whoever waits for it is cancelled. The future raises ChangeRefused
        where the store will never take it.
        """
        self.close_entry()
        done = self._enqueue(change).done()
        self._due.set()
        return done

    def submit_stream(self, row: StreamRow, cursors: dict[str, bytes | None]) -> None:
        """The same for a stream that was made or changed, together with others in a row.

        A commit for each held up everybody's readings: a thousand new streams for a second.
        """
        self.close_entry()
        if not (self._queue and self._queue[-1].join(row, cursors)):
            waiting = self._enqueue(Change(streams=[row], cursors=cursors))
            waiting.places = {row.number: 0}
        self._due.set()

    def _enqueue(self, change: Change) -> Waiting:
        waiting = Waiting(change)
        self._queue.append(waiting)
        return waiting

    async def commit(self) -> None:
        """Wait until everything that was added or submitted before is durable.

        Raises:
            ChangeRefused: some of it will never be.
        """
        self.close_entry()
        if self._queue:
            refused = self.delivery.refused
            self._due.set()
            await self._queue[-1].done()
            if self.delivery.refused != refused:
                raise ChangeRefused("the store refused some of what was to be written before")

    async def progress(self) -> None:
        """Wait until some of what waits is durable, or given up."""
        self.close_entry()
        if self._queue:
            self._due.set()
            await asyncio.wait([self._queue[0].done()])

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            self.close_entry()
            while self._queue:
                waiting = self._queue[0]
                waiting.places = None
                try:
                    await self.delivery.apply(waiting.change)
                except ChangeRefused as error:
                    self._refuse(waiting, error)
                else:
                    self._finish(waiting)

    def _refuse(self, waiting: Waiting, error: ChangeRefused) -> None:
        """Go on without a change; what it had of readings is kept in a file, and in the heads.

        Of streams that are written together each is tried alone before.
        """
        self._taken(waiting)
        if len(waiting.change.streams) > 1:
            self._queue.extendleft(reversed(waiting.apart()))
            return
        kept = set_aside(self._backend.folder, waiting.change)
        log.critical("%s; it was given up%s", error, f", {kept} has its readings" if kept else "")
        waiting.tell(error)

    def _taken(self, waiting: Waiting) -> None:
        self._queue.popleft()
        self._queued_bytes -= waiting.weight

    def _finish(self, waiting: Waiting) -> None:
        self._taken(waiting)
        self.durable_seq = max(self.durable_seq, waiting.last_seq)
        self.written_bytes += waiting.weight
        if waiting.change.removed_entries:
            self.entries.remove(set(waiting.change.removed_entries))
        self.entries.extend(waiting.change.entries)
        waiting.tell()
        if waiting.full:
            self.on_durable(waiting.full)


def _nobody(numbers: list[int]) -> None:
    """Nobody wants to know."""

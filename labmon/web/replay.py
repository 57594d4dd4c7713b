"""From a cursor to live without a seam: memory first, else the journal, else a `gap`.

What was shown live but never became durable before a crash is taken back with `lost`. The trap:
while the journal is read live goes on; so the last step, from memory into the topic, is made
without giving the event loop away.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from labmon.datastream.granularity import Granularity
from labmon.errors import StorageError
from labmon.reading import Quality
from labmon.timestamps import SECOND_NS
from labmon.web.cursor import Cursor
from labmon.web.encoders import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from labmon.datastream.tail import JournalTail
    from labmon.paths import Selection
    from labmon.reading import AnyBatch
    from labmon.web.encoders import Encoder, SubscriptionId
    from labmon.web.late_gaps import LateGap, LateGaps
    from labmon.web.mailbox import Mailbox
    from labmon.web.services import Services

TAIL_READINGS: Final = 20_000
"""Read from the journal at a time."""
CATCH_UP_S: Final = 30.0
"""So long a client waits whose cursor is of an earlier start, of which readings wait on disk."""
MARGIN_NS: Final = 10 * SECOND_NS
"""Readings may be this much older than the cursor under which they arrived: a poll takes time."""


class Replay:
    """What one subscription missed, in order, as fast as its client takes it."""

    def __init__(
        self,
        services: Services,
        selection: Selection,
        encoder: Encoder,
        mailbox: Mailbox,
        id: SubscriptionId | None,
        late: LateGaps,
    ) -> None:
        self._hub = services.hub
        self._datastream = services.datastream
        self._recorder = services.recorder
        self._clock = services.clock
        self._chunk = services.limits.replay_readings
        self._settle_s = services.limits.settle_s
        self._selection = selection
        self._encoder = encoder
        self._mailbox = mailbox
        self._id = id
        self._late = late
        self._again: LateGap | None = None
        """What is told once more, when history has all of it."""

    async def run(self, after: Cursor, join: Callable[[], None]) -> None:
        """Send everything after a cursor, then `join` the live topic in the same breath.

        A gap in which readings wait for the store is told again once they are recorded: they came
        before the client joined, and no query had seen them.

        Raises:
            StreamClosedError: the client went away meanwhile.
            StorageError: the journal cannot be read.
        """
        if self._is_ours(after) and after.epoch == self._hub.epoch:
            self._again = self._late.since(after.seq)
        if not await self._go_on(after, join):
            join()
        if self._again is not None:
            await self._recorder.caught_up()
            with suppress(StorageError):  # refused for good: history has all that there will be
                await self._recorder.flush()
            self._late.look()
            self._tell_gap(self._again.from_ns, self._again.to_ns)

    async def _go_on(self, after: Cursor, join: Callable[[], None]) -> bool:
        """Send what came after a cursor, and join; False where there is a gap up to now."""
        if not self._is_ours(after):
            self._gap(None)
            return False
        if after.epoch < self._hub.epoch and not await self._caught_up():
            self._gap(after.time_ns)  # what is lost cannot be told yet
            return False
        position = await self._through_journal(after)
        return position is not None and await self._through_memory(position, join)

    def _is_ours(self, after: Cursor) -> bool:
        hub = self._hub
        return (
            after.start_id == self._datastream.start_id(after.epoch)
            and after.epoch <= hub.epoch
            and (after.epoch < hub.epoch or after.seq <= hub.last_seq)
        )

    async def _through_memory(self, position: Cursor, join: Callable[[], None]) -> bool:
        """Send what memory has after a position of this epoch; False where there is a gap."""
        while True:
            await self._room()
            batches = self._hub.since(position.seq)
            if batches is None:  # the client was so slow that memory went on without it
                again = await self._through_journal(position)
                if again is None:
                    return False
                position = again
                continue
            if sum(len(batch.paths) for batch in batches) <= self._chunk:
                now_ns = self._clock.now_ns()
                reached = self._at(self._hub.epoch, self._hub.last_seq, now_ns)
                self._send(batches, reached, position.seq)
                join()
                return True
            batches = self._first(batches)
            reached = self._behind(position, position.epoch, batches[-1])
            self._send(batches, reached, position.seq)
            position = reached

    async def _room(self) -> None:
        """Wait until everything has left: several replays of one client must not pile up."""
        await self._mailbox.drained()
        while self._mailbox.blocked_since is not None:  # another one was quicker
            await self._mailbox.drained()

    async def _through_journal(self, after: Cursor) -> Cursor | None:
        """Send from the journal until memory goes on; None where there is a gap up to now."""
        settled = None
        while after.epoch < self._hub.epoch or self._hub.since(after.seq) is None:
            tail = await self._datastream.journal_since(after.epoch, after.seq, TAIL_READINGS)
            if after.epoch < self._hub.epoch:
                await self._take_back(after, tail)
            if not tail.complete:
                self._gap(after.time_ns, tail.from_ns)
                if tail.from_ns is None:
                    return None
            reached = await self._send_tail(after, tail)
            if reached is not after:
                after, settled = reached, None
            elif self._hub.since(after.seq) is None:  # memory let go of what is not in the journal
                if settled is not None:  # and never will be: it was refused, or removed since
                    after, settled = self._at(after.epoch, settled, after.time_ns), None
                    continue
                settled = await self._settled()
                if settled is None:
                    self._gap(after.time_ns)
                    return None
        return after

    async def _caught_up(self) -> bool:
        """Wait for what an earlier start left on disk; False where the store is away again."""
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self._recorder.caught_up()
        except TimeoutError:
            return False
        return True

    async def _settled(self) -> int | None:
        """Wait until what was published is durable; up to which SEQ, or None: the store is away."""
        seq = self._hub.last_seq
        try:
            async with asyncio.timeout(self._settle_s):
                await self._recorder.flush()
        except (TimeoutError, StorageError):
            return None
        return seq

    async def _send_tail(self, after: Cursor, tail: JournalTail) -> Cursor:
        """Send a tail of the journal in chunks; says where it ends, in this epoch."""
        reached = after
        start = 0
        while start < len(tail.batches):
            run = self._run(tail, start)
            await self._room()
            epoch = tail.epochs[start]
            floor = reached.seq if epoch == reached.epoch else 0
            reached = self._behind(reached, epoch, run[-1])
            self._send(run, reached, floor)
            start += len(run)
        if tail.is_cut:
            return self._at(tail.epoch, tail.seq, reached.time_ns)
        if reached.epoch < self._hub.epoch:
            reached = self._at(self._hub.epoch, 0, reached.time_ns)
        return reached

    def _run(self, tail: JournalTail, start: int) -> list[AnyBatch]:
        """The batches of one message: of one epoch, and not too many readings."""
        epoch, end = tail.epochs[start], start
        while end < len(tail.batches) and tail.epochs[end] == epoch:
            end += 1
        return self._first(tail.batches[start:end])

    def _first(self, batches: Sequence[AnyBatch]) -> list[AnyBatch]:
        chosen: list[AnyBatch] = []
        rows = 0
        for batch in batches:
            if chosen and rows + len(batch.paths) > self._chunk:
                break
            chosen.append(batch)
            rows += len(batch.paths)
        return chosen

    async def _take_back(self, after: Cursor, tail: JournalTail) -> None:
        """Send `lost` if the client saw readings of an earlier epoch that never became durable."""
        end = await self._datastream.epoch_end(after.epoch)
        if end is None or after.seq <= end:
            return
        streams: dict[str, float | int | None] = {}
        went_on_ns = self._went_on_ns(tail)
        for path in self._datastream.paths():
            if path in self._selection:
                time_ns = await self._newest_before(path, went_on_ns)
                streams[path] = None if time_ns is None else self._encoder.time(time_ns)
        fields = {"id": self._id, "streams": streams}
        self._mailbox.put(self._encoder.message("lost", fields))

    def _went_on_ns(self, tail: JournalTail) -> int | None:
        """When it went on after the crash; None: with this start, or not before it.

        What came late says nothing: it may be of any time before.
        """
        earlier = [
            batch.time_ns
            for batch, epoch in zip(tail.batches, tail.epochs, strict=True)
            if epoch < self._hub.epoch and not _is_late(batch)
        ]
        return min(earlier, default=None)

    async def _newest_before(self, path: str, went_on_ns: int | None) -> int | None:
        """Time of the last reading of a stream that became durable before it went on."""
        stream_id = self._datastream.stream_id(path)
        if stream_id is None:
            return None
        if went_on_ns is None:
            return self._datastream.newest_at_start(stream_id)
        left_ns = self._datastream.describe(stream_id)["removed_until"].get("Raw", 0)
        stored = await self._datastream.get_data(
            stream_id, Granularity.Raw, start=left_ns, end_exclusive=went_on_ns, reverse=True
        )
        newest = await stored.fetch(slice(0, 1))
        return newest[0]["t"] if newest else None

    def _send(self, batches: Iterable[AnyBatch], cursor: Cursor, after_seq: int) -> None:
        rows = rows_of(batches, self._selection, self._encoder, after_seq)
        body = self._encoder.readings(self._clock.now_ns(), str(cursor), rows)
        self._mailbox.put(self._encoder.addressed(body, self._id))

    def _gap(self, from_ns: int | None, to_ns: int | None = None) -> None:
        """Tell what is to be fetched from history; from None: nobody knows since when."""
        to_ns = self._clock.now_ns() if to_ns is None else to_ns
        if from_ns is not None:
            from_ns = max(0, from_ns - MARGIN_NS)
        if from_ns is not None and from_ns > to_ns:  # the clock was set back since
            from_ns = None
        late = self._late.told(from_ns, to_ns)
        if late is not None:
            self._again = late if self._again is None else self._again.with_another(late)
        self._tell_gap(from_ns, to_ns)

    def _tell_gap(self, from_ns: int | None, to_ns: int) -> None:
        time = self._encoder.time
        fields = {
            "id": self._id,
            "from": None if from_ns is None else time(from_ns),
            "to": time(to_ns),
        }
        self._mailbox.put(self._encoder.message("gap", fields))

    def _behind(self, before: Cursor, epoch: int, batch: AnyBatch) -> Cursor:
        """The position behind a batch, as old as that: who comes back misses what followed."""
        time_ns = max(before.time_ns, batch.time_ns)
        return self._at(epoch, batch.last_seq, min(time_ns, self._clock.now_ns()))

    def _at(self, epoch: int, seq: int, time_ns: int) -> Cursor:
        return Cursor(self._datastream.start_id(epoch) or "", epoch, seq, time_ns)


def _is_late(batch: AnyBatch) -> bool:
    qualities = batch.qualities
    return qualities is not None and any(quality & Quality.LATE for quality in qualities)

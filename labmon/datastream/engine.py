"""`Engine`: an open store with everything that works on it, started and stopped in order.

The parts know each other only through here. The trap: the epoch of this start must be durable
before the first reading gets a number, or two starts could number alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import TYPE_CHECKING, Final

from labmon.datastream.aggregate import Aggregates
from labmon.datastream.appending import Appender, check_order
from labmon.datastream.backends.base import Change, EpochRow, StreamRow
from labmon.datastream.blocks import Blocks
from labmon.datastream.care import run_care
from labmon.datastream.catalogue import Catalogue
from labmon.datastream.derive import Deriver
from labmon.datastream.derive_mark import mark_prefix
from labmon.datastream.downsampling import FINISHED
from labmon.datastream.exceptions import StoreError, StoreNotOpen, StoreReadOnly
from labmon.datastream.graph import Graphs
from labmon.datastream.journal import Journal
from labmon.datastream.levels import Levels
from labmon.datastream.open_entry import Reach
from labmon.datastream.quarantine import restatement
from labmon.datastream.query import Query
from labmon.datastream.rawdata import RawData
from labmon.datastream.recovery import Recovery
from labmon.datastream.retainer import REACHED, Retainer
from labmon.datastream.sealing import Sealer
from labmon.datastream.sizes import Sizes
from labmon.datastream.stream import Stream
from labmon.datastream.upkeep import TRIMMED, rewrite, run_upkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labmon.datastream.backends.base import Backend, Contents
    from labmon.datastream.columns import Columns
    from labmon.datastream.retention import Retention

log = logging.getLogger(__name__)

CACHE_BYTES: Final = 12 << 20
SPANS_BYTES: Final = 12 << 20
FLUSH_S: Final = 3.0
"""So long a store that is away may hold up the end."""
FOLLOWERS: Final = "follower/"
NEXT_STREAM: Final = "engine/next_stream"


class Engine:
    """One open store; made, started and closed by `Datastream`, on one event loop.

    Args:
        backend: not yet open.
        clock: int nanoseconds UTC.
        read_only: nothing is written, not even the epoch.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], int],
        *,
        read_only: bool,
        commit_interval_s: float,
        commit_readings: int,
        spool_bytes: int,
        seal_datapoints: int,
        retention: Sequence[Retention] = (),
        uptime_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backend = backend
        self.clock = clock
        self.is_read_only = read_only
        self.node = ""
        self.epoch = 0
        self.ends: dict[int, int] = {}
        """The last durable sequence number of each earlier epoch."""
        self.starts: dict[int, int] = {}
        """When each epoch began, as it is written down."""
        self.trimmed: tuple[int, int] = (0, 0)
        """Epoch and sequence number up to which the journal was trimmed."""
        self._epoch_rows: dict[int, EpochRow] = {}
        self.catalogue = Catalogue()
        self.blocks = Blocks(backend, CACHE_BYTES)
        self.raw = RawData(self.blocks)
        self.levels = Levels(self.blocks, self.raw, SPANS_BYTES)
        self.query = Query(self.raw, self.levels, clock)
        self.graphs = Graphs(self.raw, self.levels)
        self.aggregates = Aggregates(self.raw, self.levels)
        self.journal = Journal(backend, clock, commit_interval_s, commit_readings, self._reach)
        self.sealer = Sealer(
            self.catalogue, self.journal, self.blocks, self.levels, seal_datapoints
        )
        self.journal.on_durable = self.sealer.look_at
        self.deriver = Deriver(self)
        self.sealer.checkpoint = self.deriver.checkpoint
        self.retainer = Retainer(self, retention, uptime_s)
        self.sizes = Sizes(backend)
        self.recovery = Recovery(self.catalogue, self.journal.receipts)
        self.started_ns = 0
        self.is_open = self._is_started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Task[None] | None = None
        self._imports: set[tuple[Stream, int]] = set()
        self._upkeep: asyncio.Task[None] | None = None
        self._care: asyncio.Task[None] | None = None
        self.appender = Appender(self.catalogue, self.journal, spool_bytes)

    def _reach(self, numbers: list[int]) -> Reach:
        """How far some streams go, as the journal asks for each entry."""
        ordinals: list[int] = []
        full: list[int] = []
        for number in numbers:
            stream = self.catalogue.number(number)
            next_ordinal, length = (0, 0) if stream is None else stream.reach()
            ordinals.append(next_ordinal)
            if length >= self.sealer.size:
                full.append(number)
        return Reach(ordinals, full)

    async def start(self) -> None:
        """Open the store, put back what the journal has, and begin a new epoch.

        Raises:
            StoreNotOpen: it was started before.
        """
        if self._is_started:
            raise StoreNotOpen("a store is opened once: make another object to open it again")
        contents = await self.backend.open(read_only=self.is_read_only)
        self._is_started = True
        self._loop = asyncio.get_running_loop()
        try:
            await self._load(contents)
            if not self.is_read_only:
                await self._begin_epoch(contents)
                self.journal.start(self.epoch)
                self.backend.restate = lambda: restatement(self)
                self.sealer.start()
                if self.recovery.has_gaps:
                    await rewrite(self)
            await self.deriver.start()
            if not self.is_read_only:
                # not before: what is derived has to see what leaves the heads
                self.sealer.look_at([stream.number for stream in self.catalogue])
                self._upkeep = asyncio.create_task(run_upkeep(self), name="datastream-upkeep")
                self._care = asyncio.create_task(run_care(self.backend), name="datastream-care")
            self.is_open = True
        except BaseException:
            await self._stop()
            await self.journal.stop()
            await self.backend.close()
            raise

    async def _load(self, contents: Contents) -> None:
        self.node = contents.node or ""
        await self.recovery.load_streams(self.backend, contents)
        cursors = await self.backend.read_cursors("engine/")
        (following,) = _integers(cursors.get(NEXT_STREAM), 1)
        self.catalogue.next_number = max(self.catalogue.next_number, following)
        epoch, seq = _integers(cursors.get(TRIMMED), 2)
        self.trimmed = (epoch, seq)
        await self.recovery.replay(self.backend, contents.entries)
        self.retainer.start(cursors.get(REACHED))
        self.journal.entries.extend(contents.entries)

    async def _begin_epoch(self, contents: Contents) -> None:
        self.node = contents.node or secrets.token_hex(8)
        started = {row.epoch: row for row in contents.epochs}
        self._epoch_rows = started
        self.starts = {epoch: row.started_ns for epoch, row in started.items()}
        self.ends = {epoch: row.last_seq for epoch, row in started.items()}
        for entry in contents.entries:
            epoch = entry.key.epoch
            self.ends[epoch] = max(self.ends.get(epoch, 0), entry.last_seq)
        self.epoch = max(self.ends, default=0) + 1
        self.started_ns = self.starts[self.epoch] = self.clock()
        await self.backend.apply(Change(node=self.node, epochs=self.epoch_rows()))

    def epoch_rows(self) -> list[EpochRow]:
        """What is durable of this epoch, and of those before where that is not written down yet.

        Of an earlier one, more may become durable at any time, see `earlier`.
        """
        ended = [
            row._replace(last_seq=self.ends[epoch])
            for epoch, row in self._epoch_rows.items()
            if self.ends[epoch] != row.last_seq
        ]
        return [*ended, EpochRow(self.epoch, self.started_ns, self.journal.durable_seq)]

    async def close(self, flush_s: float = FLUSH_S, *, is_kept: bool = False) -> None:
        """Make durable what waits, as long as the store takes it, and close the store.

        Closing twice is no error, and who is cancelled meanwhile leaves it closed all the same.
        """
        if self._closing is None:
            closing = self._close(flush_s, is_kept=is_kept)
            self._closing = asyncio.create_task(closing, name="datastream-closing")
        await asyncio.shield(self._closing)

    async def _close(self, flush_s: float, *, is_kept: bool) -> None:
        self.is_open = False
        for stream in self.catalogue:
            for follower in stream.followers:
                follower.arrived()  # they end
        async with contextlib.AsyncExitStack() as last_first:  # whatever becomes of the others
            last_first.push_async_callback(self.backend.close)
            if not self.is_read_only:
                last_first.push_async_callback(self.journal.stop)
                last_first.push_async_callback(self._flush, flush_s, is_kept=is_kept)
            last_first.push_async_callback(self._stop)

    async def _flush(self, flush_s: float, *, is_kept: bool) -> None:
        with contextlib.suppress(TimeoutError, StoreError):  # what was refused is said already
            async with asyncio.timeout(flush_s):
                try:
                    await self.deriver.mark()
                except StoreError:
                    raise
                except Exception:
                    log.exception("derived streams go on from an earlier mark, a bug of labmon")
                await self.journal.commit()
        if (lost := self.journal.pending_readings) and not is_kept:
            log.error("the store was away until the end: %d readings are lost", lost)

    async def _stop(self) -> None:
        """End the tasks that work on their own."""
        for task in (self._upkeep, self._care):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.sizes.stop()
        await self.deriver.stop()
        await self.sealer.stop()

    async def commit(self) -> None:
        """Wait until everything that was appended before is durable.

        Raises:
            StoreNotOpen: it was closed, or not started yet.
        """
        self.check_open()
        self._check_loop()
        await self.journal.commit()
        for target in list(self._imports):
            await self._imported(target)

    async def import_columns(self, stream: Stream, columns: Columns) -> None:
        """Take many datapoints straight into blocks, past the journal; returns when they are there.

        Raises:
            InvalidTimestamp: they are not in order, or begin before the stream's latest.
        """
        self._check_loop()
        check_order(stream, columns)
        self.journal.close_entry()  # it counts the datapoints before as the last of the head
        stream.extend(columns)
        target = (stream, stream.next_ordinal)
        self._imports.add(target)
        await self._imported(target)

    async def _imported(self, target: tuple[Stream, int]) -> None:
        await self.sealer.through(*target)
        self._imports.discard(target)  # not before: who is cancelled leaves it to the next commit

    async def remove(self, streams: list[Stream], *, forget_cursors: bool) -> None:
        """Remove streams with everything that belongs to them; durable when this returns."""
        cursors = await self.backend.read_cursors(FOLLOWERS) if forget_cursors else {}
        for stream in streams:
            if stream.config.derived_from is not None:
                cursors |= await self.backend.read_cursors(mark_prefix(stream.number))
        cursors |= dict.fromkeys(f"{FINISHED}{stream.number}" for stream in streams)
        names = {*cursors, *(name for stream in streams for name in self.deriver.names(stream))}
        change = Change(
            cursors=dict.fromkeys(names), removed_streams=[stream.number for stream in streams]
        )
        done = self.journal.submit(change)  # what was appended to them before is behind it
        for stream in streams:
            self.catalogue.remove(stream)
            self.deriver.forget(stream)
            self.blocks.forget_stream(stream.number)
            self.levels.forget_stream(stream.number)
            stream.tell_followers()  # who follows nothing else ends
        gone = {stream.number for stream in streams}
        for other in self.catalogue:
            if other.depends:
                other.depends -= gone
        await done

    def write_stream(self, stream: Stream, cursors: dict[str, bytes | None] | None = None) -> None:
        """Write down a stream that was made or changed, before anything that comes later."""
        self.check_writable()
        following = str(self.catalogue.next_number).encode()
        row = StreamRow(stream.number, stream.id, stream.document())
        self.journal.submit_stream(row, {**(cursors or {}), NEXT_STREAM: following})

    def check_open(self) -> None:
        """Refuse to say or to take anything where nothing is open.

        Raises:
            StoreNotOpen: it was closed, or not started yet.
        """
        if not self.is_open:
            raise StoreNotOpen("the store is not open: it was closed, or not started yet")

    def _check_loop(self) -> None:
        """Refuse to wait where what is waited for would never come.

        Raises:
            StoreNotOpen: it was opened on another event loop.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise StoreNotOpen(
                "the store was opened on another event loop: open and use it within one"
                " `asyncio.run`, or with one `asyncio.Runner`"
            )

    def check_writable(self) -> None:
        """Refuse to change a store that is not open, or for reading only.

        Raises:
            StoreNotOpen, StoreReadOnly: which it is.
        """
        if self.is_open and not self.is_read_only:
            return
        self.check_open()
        raise StoreReadOnly("the store is open for reading only")


def _integers(text: bytes | None, count: int) -> list[int]:
    """The integers of a cursor; zeros where it is missing or damaged."""
    found = [int(word) for word in (text or b"").split() if word.isdigit()]
    return found if len(found) == count else [0] * count

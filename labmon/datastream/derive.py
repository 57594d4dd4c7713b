"""The deriver: works out all derived streams, in the background, in the order of their making.

One task does it; sources come before what is derived from them. Nothing of it goes through the
journal: sealing writes blocks and mark in one change, and what no block has is worked out again
after a crash, to the same bits. The trap: memory changes only between two awaits, and never while
the sealer is at the stream.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends.base import Change
from labmon.datastream.derivation import operator_of, roots_of
from labmon.datastream.derive_mark import mark_name
from labmon.datastream.derive_rewind import restore, rewind
from labmon.datastream.derive_state import operate, read_sources, whole_state
from labmon.datastream.derived import Derived
from labmon.datastream.exceptions import (
    DatastreamException,
    InvalidValueWarning,
    StreamNotFound,
)
from labmon.datastream.granularity import Granularity
from labmon.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labmon.datastream.engine import Engine
    from labmon.datastream.stream import Stream

log = logging.getLogger(__name__)

PAUSE_S: Final = 0.02
"""What arrives within is worked in together."""
RETRY_S: Final = 1.0
FULL_HEADS: Final = 8
"""A head of so many blocks waits for the sealer."""
READ_ONLY_PASSES: Final = 64


class Deriver:
    """Keeps derived streams up to date; on the event loop, with one task.

    Args:
        engine: of the open store.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._derived: dict[int, Derived] = {}
        self._wake = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on where it was; a store that is open for reading only is worked out here and now."""
        for stream in list(self._engine.catalogue):
            if stream.config.derived_from is None:
                continue
            try:
                derived = self._enter(stream)
            except StreamNotFound as error:
                reason = f"{stream.path or stream.id} is derived no further: {error}"
                self._engine.recovery.reasons.append(reason)
                log.error(reason)  # noqa: TRY400 - the reason says all
                continue
            await restore(self._engine, derived)
        self._link()
        for derived in self._derived.values():
            derived.stream.is_backprocessing = not derived.is_settled()
        for _ in range(READ_ONLY_PASSES if self._engine.is_read_only else 1):
            if not await self._pass():
                break
        if not self._engine.is_read_only:
            self._task = asyncio.create_task(self._run(), name="datastream-deriving")
            self._wake.set()

    async def stop(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._tell()

    # Streams that come and go

    def add(self, stream: Stream, *, backprocess: bool) -> dict[str, bytes | None]:
        """Take a new derived stream; returns the cursor to write together with it."""
        derived = self._enter(stream)
        derived.until_ns = derived.floor_ns = derived.sources_from_ns()
        if not backprocess:
            derived.until_ns = max(root.latest_ns for root in derived.roots) + 1
            rounded_ns = derived.granularity.round_timestamp(derived.until_ns)
            if rounded_ns < derived.until_ns:
                rounded_ns += derived.granularity.duration_ns
            derived.until_ns = derived.floor_ns = rounded_ns
        derived.see_all()
        self._link()
        mark = derived.mark(is_sealing=False)
        derived.marked(mark)
        derived.add_step()
        stream.is_backprocessing = not derived.is_settled()
        self._wake.set()
        return {mark_name(stream.number, mark.number): mark.encode()}

    def _enter(self, stream: Stream) -> Derived:
        catalogue = self._engine.catalogue
        operator = operator_of(stream.config)
        sources = [catalogue.get(one["stream"]) for one in stream.config.derived_from or ()]
        roots = roots_of(catalogue, stream)
        for source in sources:
            source.depends.add(stream.number)
        for root in roots:
            root.follow(self)
        numbers = {source.number: None for source in sources}
        parents = [self._derived[n] for n in numbers if n in self._derived]
        derived = Derived(stream, operator, sources, roots, parents, operator.start())
        operator.leaves_out = derived.leaves_out
        self._derived[stream.number] = derived
        return derived

    def forget(self, stream: Stream) -> None:
        """Let go of a stream that is removed."""
        derived = self._derived.pop(stream.number, None)
        if derived is None:
            return
        self._link()
        for root in derived.roots:
            if all(root not in other.roots for other in self._derived.values()):
                root.unfollow(self)
        self._tell()

    def _link(self) -> None:
        for derived in self._derived.values():
            derived.reach = list(derived.roots)
        for derived in reversed(list(self._derived.values())):
            for parent in derived.parents:
                parent.reach = list({r.number: r for r in (*parent.reach, *derived.reach)}.values())

    # What streams tell (see stream.Watcher)

    def arrived(self) -> None:
        """A root has got something."""
        self._wake.set()

    def keep(self, stream: Stream, count: int) -> None:
        """The head of a root is about to forget the `count` datapoints that arrived first."""
        for derived in self._derived.values():
            if stream in derived.roots:
                derived.look_at(stream, count)

    def rewound(self, stream: Stream, time_ns: int) -> None:
        """Roots are never rewound."""

    # What others ask

    def checkpoint(self, stream: Stream) -> dict[str, bytes | None]:
        """The cursors to write together with blocks of all that a stream's head has now."""
        derived = self._derived.get(stream.number)
        return {} if derived is None else self._cursors(derived, is_sealing=True)

    def _cursors(self, derived: Derived, *, is_sealing: bool) -> dict[str, bytes | None]:
        mark = derived.mark(is_sealing=is_sealing)
        number = derived.stream.number
        gone = derived.marked(mark)
        cursors: dict[str, bytes | None] = {mark_name(number, one): None for one in gone}
        cursors[mark_name(number, mark.number)] = mark.encode()
        return cursors

    def names(self, stream: Stream) -> list[str]:
        """The cursors of a stream that are written, or on their way to the store."""
        derived = self._derived.get(stream.number)
        numbers = [] if derived is None else [*derived.gone, *(m.number for m in derived.marks)]
        return [mark_name(stream.number, number) for number in numbers]

    def floor_ns(self, stream: Stream) -> int:
        """Nothing before is derived."""
        derived = self._derived.get(stream.number)
        return 0 if derived is None else derived.floor_ns

    def looked_at(self, stream: Stream) -> tuple[dict[int, int], int | None]:
        """Of each root of a derived stream how far it was looked at, and what that made dirty."""
        derived = self._derived.get(stream.number)
        if derived is None:
            return {}, None
        derived.look()
        return dict(derived.seen), derived.earliest_dirty_ns()

    def needs(self, stream: Stream) -> Iterator[tuple[Granularity, int]]:
        """At which granularity, and from which time on, derived streams still need a stream."""
        for derived in self._derived.values():
            if derived.error is not None:
                continue
            derived.look()
            if derived.stream is stream:
                yield Granularity.Raw, derived.resumes_ns()
            elif stream in derived.sources:
                yield derived.granularity, derived.looks_back_to(derived.resumes_ns())

    def restated(self) -> dict[str, bytes | None]:
        """A mark of every stream as it is now, for a store that may have lost those it had."""
        cursors: dict[str, bytes | None] = {}
        for derived in self._derived.values():
            if derived.error is None:
                cursors.update(self._cursors(derived, is_sealing=False))
        return cursors

    async def mark(self) -> None:
        """Write down how far each derived stream is; durable when this returns."""
        change = Change()
        for derived in self._derived.values():
            if self._engine.sealer.is_sealing(derived.stream) or derived.error is not None:
                continue  # the sealing brings a mark of its own
            if derived.marked_ns < derived.until_ns and derived.look():
                change.cursors.update(self._cursors(derived, is_sealing=False))
        if change.cursors:
            await self._engine.journal.submit(change)

    async def settled(self, streams: Iterable[Stream]) -> None:
        """Wait until all that has arrived is worked into some streams.

        Raises:
            DatastreamException: one was given up; the message says why.
        """
        for stream in streams:
            derived = self._derived.get(stream.number)
            while derived is not None and not derived.is_settled():
                if self._task is None or self._derived.get(stream.number) is not derived:
                    break
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                self._wake.set()
                await waiter
            if derived is None:
                continue
            stream.is_backprocessing = False
            if derived.error is not None:
                raise DatastreamException(
                    f"{stream.path or stream.id} is derived no further: {derived.error}"
                )

    def _tell(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    # The work

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while await self._pass():  # noqa: ASYNC110 - lets others run, waits for nothing
                    await asyncio.sleep(0)
            except (StorageError, OSError) as error:
                log.warning("derived streams wait for the store: %s", error)
                await asyncio.sleep(RETRY_S)
                self._wake.set()
                continue
            self._tell()
            await asyncio.sleep(PAUSE_S)

    async def _pass(self) -> bool:
        """Work every stream out a little further; returns whether there was something to do."""
        has_done = False
        for derived in list(self._derived.values()):
            if derived.is_settled():
                derived.stream.is_backprocessing = False
                continue
            try:
                has_done |= await self._further(derived)
            except (StorageError, OSError):
                raise
            except Exception as error:
                log.exception("%s is derived no further", derived.stream.path or derived.stream.id)
                derived.error = str(error)
        return has_done

    async def _further(self, derived: Derived) -> bool:
        stream = derived.stream
        if not all(parent.look() for parent in derived.parents):
            return False  # they come first, in the next pass
        if not derived.look():
            await rewind(self._engine, derived)
            return True
        target_ns = derived.target_ns()
        if target_ns <= derived.until_ns:
            return False
        if not await self._has_room(stream):
            return False
        from_ns, state = derived.until_ns, await whole_state(self._engine, derived)
        end_ns = await self._end(derived, from_ns, target_ns)
        columns = await read_sources(self._engine, derived, from_ns, end_ns)
        after, made = await operate(derived.operator, state, columns)
        if self._derived.get(stream.number) is not derived:  # removed meanwhile
            return True
        _warn_once(derived)
        derived.advance(end_ns, after, made)
        if not self._engine.is_read_only:
            self._engine.sealer.look_at([stream.number])
        return True

    async def _has_room(self, stream: Stream) -> bool:
        sealer = self._engine.sealer
        if stream.head.length < FULL_HEADS * sealer.size:
            return True
        if not self._engine.is_read_only:
            await sealer.through(stream, stream.head.next_ordinal)
        return not self._engine.is_read_only

    async def _end(self, derived: Derived, from_ns: int, target_ns: int) -> int:
        """The end of the next span: so far that what is read fits into memory."""
        cuts: set[int] = set()
        for source in derived.sources:
            cuts.update(await self._engine.raw.cuts(source, from_ns, target_ns))
        for cut_ns in sorted(cuts):
            rounded_ns = derived.granularity.round_timestamp(cut_ns)
            if from_ns < rounded_ns < target_ns:
                return rounded_ns
        return target_ns


def _warn_once(derived: Derived) -> None:
    """Tell the user's filters of warnings that something was left out, once for each stream."""
    if not derived.left_out:
        return
    text, derived.left_out = derived.left_out, ""
    stream = derived.stream
    try:
        warnings.warn(f"{stream.path or stream.id}: {text}", InvalidValueWarning, stacklevel=2)
    except InvalidValueWarning as warning:  # a filter made it an error, which none could catch
        log.warning("%s", warning)

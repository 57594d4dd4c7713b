"""`OpenStore`: the life of an open store, and what it tells without waiting."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Self

from labmon.datastream.appending import check_kept
from labmon.datastream.backends import open_backend
from labmon.datastream.condition import Condition, condition
from labmon.datastream.descriptor import describe
from labmon.datastream.earlier import Earlier, append_earlier
from labmon.datastream.engine import FLUSH_S, Engine
from labmon.datastream.exceptions import StoreFull
from labmon.datastream.tail import JournalTail, journal_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from labmon.datastream.backends.base import Backend, StreamSize
    from labmon.datastream.retainer import Progress
    from labmon.datastream.retention import Retention
    from labmon.datastream.stream import Stream
    from labmon.histogram import Histogram
    from labmon.reading import AnyBatch


class OpenStore:
    """An open store of streams; `async with` opens and closes it, or `start` and `close`.

    Args:
        url: `sqlite:///data/labmon.db`, `memory:`, ... or a backend that is not open yet.
        clock: int nanoseconds UTC; gives the time of what is appended without one.
        read_only: one consistent snapshot, beside whoever writes; nothing can be changed.
        commit_interval_s: a value waits at most so long for others to be committed with it.
        commit_readings: so many values do not wait.
        durability: `full`: a commit survives a power cut; `relaxed`: it survives a crash of this
            process, while a power cut may take the last seconds.
        spool_bytes: how much may wait in memory while the store is away; then appending raises
            `StreamAppendFailed`.
        seal_datapoints: so many datapoints make a block.
        retention: for how long what is kept, see `Retention`; of several, the first that selects a
            stream counts. What none selects is kept for ever.
        uptime_s: seconds that no setting of the clock changes: retention never believes the clock
            alone.

    Raises:
        ValueError: the address is no store, or with an option nothing would ever be stored.
    """

    def __init__(
        self,
        url: str | Backend,
        *,
        clock: Callable[[], int] = time.time_ns,
        read_only: bool = False,
        commit_interval_s: float = 0.1,
        commit_readings: int = 1000,
        durability: str = "full",
        spool_bytes: int = 64 << 20,
        seal_datapoints: int = 4096,
        retention: Sequence[Retention] = (),
        uptime_s: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_limits(commit_interval_s, commit_readings, spool_bytes, seal_datapoints)
        backend = open_backend(url, durability=durability)
        self._clock = clock
        self._engine = Engine(
            backend,
            clock,
            read_only=read_only,
            commit_interval_s=commit_interval_s,
            commit_readings=commit_readings,
            spool_bytes=spool_bytes,
            seal_datapoints=seal_datapoints,
            retention=retention,
            uptime_s=uptime_s,
        )
        self._newest_ns: dict[int, int] = {}

    async def start(self) -> None:
        """Open the store; afterwards `node` and `epoch` are known, and durable."""
        await self._engine.start()
        self._note_newest(self._engine.catalogue)

    def _note_newest(self, streams: Iterable[Stream]) -> None:
        self._newest_ns |= {one.number: one.latest_ns for one in streams if one.latest_ns >= 0}

    async def close(self, flush_s: float = FLUSH_S, *, is_kept: bool = False) -> None:
        """Make durable what waits, as far as the store takes it, and close the store.

        Args:
            flush_s: so long a store that is away may hold up the end; then the log says how many
                readings are lost. MongoDB may do so for 5 s more, if it has a write under way.
            is_kept: what is not durable then is kept elsewhere, so nothing is lost.
        """
        await self._engine.close(flush_s, is_kept=is_kept)

    async def __aenter__(self) -> Self:
        """Open the store."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.close()

    # What is known without waiting

    @property
    def node(self) -> str:
        """The identity of this store's server."""
        return self._engine.node

    @property
    def epoch(self) -> int:
        """The number of this start."""
        return self._engine.epoch

    def start_id(self, epoch: int) -> str | None:
        """Tells a start from every other one; None: there was no such epoch.

        Copies of a store have its node, and their later epochs the same numbers as its own: they
        began at other times, and that makes the difference.
        """
        started_ns = self._engine.starts.get(epoch)
        if not started_ns:
            return None
        text = f"{self.node} {epoch} {started_ns}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def durable_seq(self) -> int:
        """The last sequence number of this epoch that is durable."""
        return self._engine.journal.durable_seq

    @property
    def pending_bytes(self) -> int:
        """What waits in memory to become durable."""
        return self._engine.journal.pending_bytes

    async def progress(self) -> None:
        """Wait until some of what waits is durable; at once where nothing waits."""
        await self._engine.journal.progress()

    @property
    def is_full(self) -> bool:
        """Whether the store did not take the last write because its disk is full."""
        return isinstance(self._engine.journal.delivery.error, StoreFull)

    @property
    def commit_durations(self) -> Histogram:
        """How long the store took for each commit since the start."""
        return self._engine.journal.delivery.durations

    @property
    def journal_entries(self) -> int:
        """How many entries the journal keeps, for recovery and for clients that resume."""
        return len(self._engine.journal.entries)

    @property
    def is_healthy(self) -> bool:
        """Whether the store took the last write."""
        return self._engine.journal.delivery.is_healthy

    @property
    def last_error(self) -> str | None:
        """Why the store did not take the last write; None: it did."""
        error = self._engine.journal.delivery.error
        return None if error is None else str(error)

    @property
    def condition(self) -> Condition:
        """How the store is: counters, and what people should know."""
        return condition(self._engine)

    @property
    def retention_progress(self) -> Progress:
        """What retention has removed since the start, and how far behind it is."""
        return self._engine.retainer.progress

    @property
    def refused_changes(self) -> int:
        """Changes that the store will never take, given up since the start; see the log."""
        return self._engine.journal.delivery.refused

    @property
    def damage(self) -> list[str]:
        """What was found damaged since the start; it is left out of every answer."""
        engine = self._engine
        return [
            *engine.backend.damage,
            *engine.recovery.reasons,
            *engine.blocks.damaged.values(),
        ]

    def stream_id(self, path: str) -> str | None:
        """The id of the stream of a path, or None."""
        stream = self._engine.catalogue.at(path)
        return None if stream is None else stream.id

    def paths(self) -> list[str]:
        """The paths of all streams that have one."""
        return self._engine.catalogue.paths()

    def describe(self, stream_id: str) -> dict[str, Any]:
        """The descriptor of a stream: its tags and the reserved ones.

        Raises:
            StreamNotFound: there is none.
        """
        return describe(self._engine.catalogue, self._engine.catalogue.get(stream_id))

    def unit(self, stream_id: str) -> str:
        """The unit of a stream; one that another program made may have none, which is "".

        Raises:
            StreamNotFound: there is none.
        """
        return str(self._engine.catalogue.get(stream_id).tags.get("unit") or "")

    def latest(self, stream_id: str) -> tuple[int, Any, int] | None:
        """(time_ns, value, quality) of the newest datapoint, or None; from memory.

        Raises:
            StreamNotFound: there is none.
        """
        return self._engine.catalogue.get(stream_id).newest()

    def newest_at_start(self, stream_id: str) -> int | None:
        """Time of the newest datapoint of earlier starts that a stream has, or None.

        Raises:
            StreamNotFound: there is none.
        """
        return self._newest_ns.get(self._engine.catalogue.get(stream_id).number)

    def check_kept(self, stream_id: str, time_ns: int) -> None:
        """Tell, before a late datapoint is appended, whether it would be refused.

        Raises:
            StreamNotFound: there is no such stream.
            InvalidTimestamp: retention has removed the datapoints of that time.
        """
        check_kept(self._engine.catalogue.get(stream_id), time_ns)

    async def get_sizes(self) -> dict[str, StreamSize] | None:
        """What each stream takes on disk, by id, as it was less than a minute ago or so.

        Streams of which nothing is in blocks yet are left out. None: it is still being counted,
        which may take a second for a million blocks; ask again.
        """
        self._engine.check_open()
        sizes = await self._engine.sizes.of_all()
        if sizes is None:
            return None
        return {one.id: sizes[one.number] for one in self._engine.catalogue if one.number in sizes}

    @property
    def folder(self) -> Path | None:
        """Where files that belong to the store may be put; None: it has none here."""
        return self._engine.backend.folder

    def append_earlier(self, epoch: int, number: int, batches: Sequence[AnyBatch]) -> Earlier:
        """Take readings that an earlier start has numbered and the store does not have.

        Whoever kept them elsewhere while the store was away gives them back, in order, before any
        of this start. What is given again after a crash is not there twice.

        Args:
            epoch: one that the store knows, see `epoch_end`: they come behind its end.
            number: tells these readings from others of the epoch, whenever they are given.
            batches: at least one; numbered.

        Returns:
            `rejections`, and `durable`: a future that is done once the others are, or are refused;
            None: there are none.

        Raises:
            StreamAppendFailed: there is no room while the store is away; none is taken.
        """
        earlier = append_earlier(self._engine, epoch, number, batches)
        paths = {path for batch in batches for path in batch.paths}
        streams = map(self._engine.catalogue.at, paths)
        self._note_newest(stream for stream in streams if stream is not None)
        return earlier

    async def epoch_end(self, epoch: int) -> int | None:
        """The last durable sequence number of an epoch; None: there was no such epoch."""
        return self.durable_seq if epoch == self.epoch else self._engine.ends.get(epoch)

    async def journal_since(self, epoch: int, seq: int, limit: int | None = None) -> JournalTail:
        """The durable readings after a position, as far as the journal reaches back.

        About `limit` of them at a time; `JournalTail.is_cut` says whether there are more.
        """
        return await journal_since(self._engine, epoch, seq, limit)


def _check_limits(
    commit_interval_s: float, commit_readings: int, spool_bytes: int, seal_datapoints: int
) -> None:
    """Refuse options with which nothing would ever be stored.

    Raises:
        ValueError: which one.
    """
    if not commit_interval_s >= 0:
        raise ValueError(f"commit_interval_s is 0 or more, not {commit_interval_s!r}")
    for name, number in (
        ("commit_readings", commit_readings),
        ("spool_bytes", spool_bytes),
        ("seal_datapoints", seal_datapoints),
    ):
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{name} is a whole number from 1 on, not {number!r}")

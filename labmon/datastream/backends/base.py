"""What every backend stores: rows of streams, journal entries, blocks, time columns and cursors.

A backend understands none of the bytes that it keeps. The trap: a `Change` may be applied twice
(a write that timed out may still have landed), so every part of it is an upsert under a
deterministic key, or a removal that may find nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
    from pathlib import Path

SCHEMA_VERSION: Final = 2
"""Of what is stored, everywhere; a store with a newer one is refused and left as it is.

2 has two more forms of vectors, and packs in SQLite.
"""

COMMIT_ENTRY: Final = 0
CARRY_ENTRY: Final = 1

RAW: Final = "r"
"""The key of the granularity of datapoints as they came."""

ENTRIES_BYTES: Final = 4 << 20
"""About so much of the journal is read at a time."""
ENTRIES: Final = 1000
"""And so many entries at most."""


class StreamRow(NamedTuple):
    """One stream: its number is the key of everything else, its id is what the API shows."""

    number: int
    id: str
    document: bytes


class EpochRow(NamedTuple):
    """One start of the node, and the last sequence number known to be durable."""

    epoch: int
    started_ns: int
    last_seq: int


class EntryKey(NamedTuple):
    """Where a journal entry stands; keys ascend in the order of arrival."""

    epoch: int
    number: int


class EntryRow(NamedTuple):
    """One group commit of all streams, or what a trimmed journal still has to carry.

    Attributes:
        key: epoch and number, ascending.
        kind: `COMMIT_ENTRY` or `CARRY_ENTRY`.
        first_seq, last_seq: the sequence numbers inside; both 0 where there are none.
        time_ns: when it was closed.
        body: opaque; empty where nobody has asked for it.
    """

    key: EntryKey
    kind: int
    first_seq: int
    last_seq: int
    time_ns: int
    body: bytes


class BlockKey(NamedTuple):
    """The identity of a block: never a time, since equal times may cross a boundary."""

    stream: int
    granularity: str
    ordinal: int
    generation: int


class BlockOutline(NamedTuple):
    """A block without its body.

    Attributes:
        key: stream, granularity, first ordinal, generation.
        from_ns, to_ns: raw: first and last time; rollups: the span covered, `to_ns` outside.
        length: datapoints or buckets in it.
        through: the arrival ordinal of the stream up to which its sealing covers everything.
        times: the content address of its time column, None where it has its own.
        size: bytes of the body.
    """

    key: BlockKey
    from_ns: int
    to_ns: int
    length: int
    through: int
    times: bytes | None
    size: int


class BlockRow(NamedTuple):
    """A block as it is written."""

    outline: BlockOutline
    body: bytes


class StreamSize(NamedTuple):
    """What one stream takes where it is stored, without what is still in the journal.

    Attributes:
        raw_bytes, rollup_bytes: the bodies of its blocks.
        time_bytes: its share of the time columns that it has in common with others.
        datapoints: how many raw ones are in its blocks.
    """

    raw_bytes: int
    rollup_bytes: int
    time_bytes: float
    datapoints: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return round(self.raw_bytes + self.rollup_bytes + self.time_bytes)

    @property
    def bytes_per_datapoint(self) -> float | None:
        """Rollups and time stamps included; None where no datapoint is in blocks."""
        total = self.raw_bytes + self.rollup_bytes + self.time_bytes
        return total / self.datapoints if self.datapoints else None


def first_bodies(bodies: Iterable[bytes]) -> list[bytes]:
    """The first of some bodies of entries: as many as are read at a time; at least one."""
    taken: list[bytes] = []
    room = ENTRIES_BYTES
    for body in bodies:
        taken.append(body)
        room -= len(body)
        if room <= 0:
            break
    return taken


@dataclass(slots=True)
class Change:
    """What is written together: all of it is seen after a crash, or none.

    Removals are done after everything else. An engine without transactions writes in the order of
    the attributes, so that `states` are what makes blocks count.
    """

    node: str | None = None
    epochs: list[EpochRow] = field(default_factory=list)
    streams: list[StreamRow] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    times: dict[bytes, bytes] = field(default_factory=dict)
    blocks: list[BlockRow] = field(default_factory=list)
    states: dict[int, bytes] = field(default_factory=dict)
    cursors: dict[str, bytes | None] = field(default_factory=dict)
    removed_entries: list[EntryKey] = field(default_factory=list)
    removed_blocks: list[BlockKey] = field(default_factory=list)
    removed_streams: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Contents:
    """What an engine needs to know at the start, all of one moment.

    The journal may be long: its entries are told without their bodies, see `stream_entries`.
    """

    node: str | None = None
    epochs: list[EpochRow] = field(default_factory=list)
    streams: list[StreamRow] = field(default_factory=list)
    states: dict[int, bytes] = field(default_factory=dict)
    entries: list[EntryRow] = field(default_factory=list)


class SetAside(NamedTuple):
    """The files of stores that were found damaged.

    Attributes:
        files: all there are, by name, newest first.
        waiting: those of which readable blocks are still being copied.
        copied: blocks that were copied since the start.
        lost: blocks that nobody has any more, as far as is known.
    """

    files: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    copied: int = 0
    lost: int = 0


class Backend(ABC):
    """Where the engine keeps its bytes; awaited on the event loop, which it never blocks.

    Writes are applied in the order in which `apply` was called. Reads may run beside a write and
    see the store before or after it, never in between.

    Attributes:
        restate: says again all that the engine knows; for a backend that goes on in a new place
            because its old one is damaged.
        folder: where files that belong to the store may be put; None: it has none here.
    """

    restate: Callable[[], Change] | None = None
    folder: Path | None = None

    @property
    def damage(self) -> list[str]:
        """What was found damaged since the start, for people."""
        return []

    @property
    def notices(self) -> list[str]:
        """What people should know of the store as it is now, beside what is damaged."""
        return []

    @property
    def set_aside(self) -> SetAside:
        """What became of stores that were found damaged, also in earlier starts."""
        return SetAside()

    async def look_after(self) -> bool:
        """Do a little of what is to be done in the background; returns whether there is more.

        Raises:
            StoreUnavailable: the store is away.
        """
        return False

    @abstractmethod
    async def open(self, *, read_only: bool = False) -> Contents:
        """Open the store, make it where it is missing, and return what is in it.

        Raises:
            StoreLocked: another process writes to it.
            NewerSchema: a newer labmon made it; it is left as it is.
            NotADatastream: the file is something else.
            StoreUnavailable: it cannot be opened.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; closing twice is no error."""

    @abstractmethod
    async def apply(self, change: Change) -> None:
        """Write a change; it is durable when this returns.

        Raises:
            StoreUnavailable: full or away, or nobody knows what was written; the same change may be
                applied again.
            ChangeRefused: it was not written, and trying again will most likely not help.
        """

    @abstractmethod
    async def read_outlines(self, stream: int, granularity: str) -> list[BlockOutline]:
        """All blocks of one stream at one granularity, by ordinal and generation."""

    @abstractmethod
    async def read_blocks(self, keys: Sequence[BlockKey]) -> dict[BlockKey, bytes]:
        """The bodies of blocks; those that do not exist are left out."""

    @abstractmethod
    async def read_times(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bodies of time columns; those that do not exist are left out."""

    @abstractmethod
    async def read_entries(self, keys: Sequence[EntryKey]) -> list[bytes]:
        """The bodies of the first of some journal entries, whose keys ascend; at least one.

        As many as come to `ENTRIES_BYTES`; no bytes where one is missing or cannot be read.
        """

    async def stream_entries(self, rows: Sequence[EntryRow]) -> AsyncGenerator[EntryRow]:
        """Journal entries with their bodies, a few MiB at a time; their keys ascend."""
        start = 0
        while start < len(rows):
            some = rows[start : start + ENTRIES]
            bodies = await self.read_entries([row.key for row in some])
            start += len(bodies)
            for row, body in zip(some, bodies, strict=False):
                yield row._replace(body=body)

    @abstractmethod
    async def read_cursors(self, prefix: str = "") -> dict[str, bytes]:
        """The cursors whose names begin with a prefix."""

    @abstractmethod
    async def read_sizes(self) -> dict[int, StreamSize]:
        """What each stream with blocks takes, by its number; may take a second, and holds up none.

        A time column is shared out in equal parts among the blocks that refer to it.
        """

    @abstractmethod
    async def size_bytes(self) -> int:
        """What the store takes, roughly."""

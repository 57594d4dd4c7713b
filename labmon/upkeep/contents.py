"""`StoreContents`: the rows of a store as they lie in the backend, decoded one by one.

Below the engine, which would refuse, or pass over, what is damaged. The trap: blocks count only as
far as the state of their stream vouches for them; later ones were never finished, and what lies
before a floor was removed, even where it is still there.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labmon.datastream.backends import open_backend
from labmon.datastream.backends.base import CARRY_ENTRY, COMMIT_ENTRY
from labmon.datastream.entry import decode_entry
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.retained import counts
from labmon.datastream.seal_state import SealState
from labmon.datastream.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from labmon.datastream.backends.base import (
        Backend,
        BlockKey,
        BlockOutline,
        Contents,
        EntryRow,
        StreamRow,
    )
    from labmon.datastream.entry import JournalEntry


@dataclass(slots=True)
class StoreContents:
    """What a store has, but for its blocks.

    Attributes:
        backend: open for reading only; one snapshot.
        streams: those that could be read, by number; restored to how far they are sealed.
        broken: of the others, the id and what is wrong.
        entries: the journal, oldest first, without the bodies.
    """

    backend: Backend
    node: str
    streams: dict[int, Stream] = field(default_factory=dict[int, Stream])
    broken: dict[str, str] = field(default_factory=dict[str, str])
    entries: list[EntryRow] = field(default_factory=list["EntryRow"])

    async def decoded_entries(self) -> AsyncIterator[tuple[EntryRow, JournalEntry | DamagedBlock]]:
        """The journal in the order in which a start replays it: carried entries first."""
        for kind in (CARRY_ENTRY, COMMIT_ENTRY):
            rows = [row for row in self.entries if row.kind == kind]
            async for row in self.backend.stream_entries(rows):
                try:
                    yield row, decode_entry(row.body, which=entry_name(row))
                except DamagedBlock as error:
                    yield row, error


@asynccontextmanager
async def opened(store: str | Backend) -> AsyncIterator[StoreContents]:
    """A store as it is at this moment, open for reading: of an address, or not open yet.

    Raises:
        StoreError: it cannot be opened.
    """
    backend = open_backend(store) if isinstance(store, str) else store
    rows = await backend.open(read_only=True)
    try:
        yield _decoded(backend, rows)
    finally:
        await backend.close()


def _decoded(backend: Backend, rows: Contents) -> StoreContents:
    contents = StoreContents(backend, rows.node or "", entries=rows.entries)
    for row in rows.streams:
        try:
            contents.streams[row.number] = _stream(row, rows.states.get(row.number))
        except Exception as error:  # noqa: BLE001 - whatever damaged bytes raise is the finding
            contents.broken[row.id] = f"its description or state cannot be read: {error!r}"
    return contents


def _stream(row: StreamRow, state: bytes | None) -> Stream:
    stream = Stream.from_document(*row)
    if state is not None:
        stream.restore(SealState.decode(state))
    return stream


async def current_outlines(
    backend: Backend, stream: Stream, granularity: str
) -> list[BlockOutline]:
    """The blocks that count: the newest generation of each, by ordinal."""
    newest: dict[int, BlockOutline] = {}
    for outline in await backend.read_outlines(stream.number, granularity):
        if outline.through <= stream.state.through and counts(outline, stream.state):
            newest[outline.key.ordinal] = outline
    return list(newest.values())


def block_name(key: BlockKey) -> str:
    """How a block is called in messages."""
    return f"block {key.stream}/{key.granularity}/{key.ordinal}/{key.generation}"


def entry_name(row: EntryRow) -> str:
    """How a journal entry is called in messages."""
    return f"journal entry {row.key.epoch}/{row.key.number}"

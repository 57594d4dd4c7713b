"""A store in memory: the reference of what a backend does, and a store for tests and trials.

Nothing outlives the object; opening it again after `close` finds what was there, as a restart
would. The trap: it hands out the very bytes that it was given, so they must never be changed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labmon.datastream.backends.base import (
    RAW,
    Backend,
    BlockKey,
    BlockOutline,
    BlockRow,
    Change,
    Contents,
    EntryKey,
    EntryRow,
    EpochRow,
    StreamRow,
    StreamSize,
    first_bodies,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryBackend(Backend):
    """Dictionaries; `apply` does everything before it returns, so that nobody sees a half."""

    def __init__(self) -> None:
        self._node: str | None = None
        self._epochs: dict[int, EpochRow] = {}
        self._streams: dict[int, StreamRow] = {}
        self._states: dict[int, bytes] = {}
        self._entries: dict[EntryKey, EntryRow] = {}
        self._blocks: dict[tuple[int, str], dict[BlockKey, BlockRow]] = {}
        self._times: dict[bytes, bytes] = {}
        self._cursors: dict[str, bytes] = {}

    async def open(self, *, read_only: bool = False) -> Contents:
        """Return what is there; a store in memory has no other process to be locked against."""
        return Contents(
            self._node,
            sorted(self._epochs.values()),
            sorted(self._streams.values()),
            dict(self._states),
            [self._entries[key]._replace(body=b"") for key in sorted(self._entries)],
        )

    async def close(self) -> None:
        """Keep everything: the object is the store."""

    async def apply(self, change: Change) -> None:
        """Write a change."""
        self._node = change.node or self._node
        self._epochs.update((row.epoch, row) for row in change.epochs)
        self._streams.update((row.number, row) for row in change.streams)
        self._entries.update((row.key, row) for row in change.entries)
        self._times.update(change.times)
        for row in change.blocks:
            key = row.outline.key
            self._blocks.setdefault((key.stream, key.granularity), {})[key] = row
        self._states.update(change.states)
        for name, cursor in change.cursors.items():
            if cursor is None:
                self._cursors.pop(name, None)
            else:
                self._cursors[name] = cursor
        self._remove(change)

    def _remove(self, change: Change) -> None:
        for key in change.removed_entries:
            self._entries.pop(key, None)
        for key in change.removed_blocks:
            self._blocks.get((key.stream, key.granularity), {}).pop(key, None)
        for number in change.removed_streams:
            self._streams.pop(number, None)
            self._states.pop(number, None)
            for place in [place for place in self._blocks if place[0] == number]:
                del self._blocks[place]
        if change.removed_blocks or change.removed_streams:
            self._collect_times()

    def _collect_times(self) -> None:
        used = {row.outline.times for rows in self._blocks.values() for row in rows.values()}
        self._times = {at: body for at, body in self._times.items() if at in used}

    async def read_outlines(self, stream: int, granularity: str) -> list[BlockOutline]:
        """All blocks of one stream at one granularity, by ordinal and generation."""
        rows = self._blocks.get((stream, granularity), {})
        return [rows[key].outline for key in sorted(rows)]

    async def read_blocks(self, keys: Sequence[BlockKey]) -> dict[BlockKey, bytes]:
        """The bodies of blocks; those that do not exist are left out."""
        found = {}
        for key in keys:
            row = self._blocks.get((key.stream, key.granularity), {}).get(key)
            if row is not None:
                found[key] = row.body
        return found

    async def read_times(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bodies of time columns; those that do not exist are left out."""
        return {at: self._times[at] for at in addresses if at in self._times}

    async def read_entries(self, keys: Sequence[EntryKey]) -> list[bytes]:
        """The bodies of the first of some journal entries."""
        found = map(self._entries.get, keys)
        return first_bodies(b"" if row is None else row.body for row in found)

    async def read_cursors(self, prefix: str = "") -> dict[str, bytes]:
        """The cursors whose names begin with a prefix."""
        return {name: at for name, at in self._cursors.items() if name.startswith(prefix)}

    async def read_sizes(self) -> dict[int, StreamSize]:
        """What each stream with blocks takes, by its number."""
        outlines = [row.outline for rows in self._blocks.values() for row in rows.values()]
        uses = Counter(one.times for one in outlines)
        found: dict[int, StreamSize] = {}
        for one in outlines:
            old = found.get(one.key.stream, StreamSize(0, 0, 0.0, 0))
            is_raw = one.key.granularity == RAW
            found[one.key.stream] = StreamSize(
                old.raw_bytes + is_raw * one.size,
                old.rollup_bytes + (not is_raw) * one.size,
                old.time_bytes + len(self._times.get(one.times or b"", b"")) / uses[one.times],
                old.datapoints + is_raw * one.length,
            )
        return found

    async def size_bytes(self) -> int:
        """The bytes of entries, blocks and time columns."""
        blocks = sum(len(r.body) for rows in self._blocks.values() for r in rows.values())
        entries = sum(len(row.body) for row in self._entries.values())
        return blocks + entries + sum(len(body) for body in self._times.values())

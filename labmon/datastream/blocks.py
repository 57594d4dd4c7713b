"""Blocks as the engine sees them: which there are, and their decoded tables in a bounded cache.

The trap: an index is loaded when it is first needed and then kept current by sealing, so whoever
awaited in between must look at `Stream.version` and start over where it has changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream import codec
from labmon.datastream.block_list import BlockList
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.retained import counts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from labmon.datastream.backends.base import Backend, BlockKey, BlockOutline
    from labmon.datastream.columns import Columns
    from labmon.datastream.seal_state import SealState
    from labmon.datastream.stream import Stream

log = logging.getLogger(__name__)

LISTS_BYTES: Final = 32 << 20
"""How much memory the lists may take: 450,000 blocks, which 60 streams at 1 Hz make in a year."""
LIST_BYTES: Final = 700
"""What a list takes beside its columns."""
INLINE: Final = 4
"""More blocks than this are decoded on another thread."""


class Blocks:
    """Reads blocks through a cache of decoded tables; on the event loop.

    Args:
        backend: the open store.
        cache_bytes: how much memory decoded tables may take.
    """

    def __init__(self, backend: Backend, cache_bytes: int) -> None:
        self._backend = backend
        self._limit = cache_bytes
        self._lists: OrderedDict[tuple[int, str], BlockList] = OrderedDict()
        self._tables: OrderedDict[object, tuple[Any, int]] = OrderedDict()
        self._held = 0
        self._listed = 0
        self._absent: set[BlockKey] = set()
        self._gone: Counter[int] = Counter()
        """How many blocks of each stream were removed or replaced."""
        self.damaged: dict[BlockKey, str] = {}
        """Blocks that could not be read, and why: their datapoints are left out."""

    async def of(self, stream: Stream, granularity: str) -> BlockList:
        """The blocks of a stream at one granularity that its state vouches for."""
        place = (stream.number, granularity)
        found = self._lists.get(place)
        if found is not None:
            self._lists.move_to_end(place)
            return found
        version = stream.version
        outlines = await self._backend.read_outlines(*place)
        made = BlockList(_current(outlines, stream.state))
        if stream.version == version:
            self._list(place, made)
        return made

    def _list(self, place: tuple[int, str], made: BlockList) -> None:
        """Keep a list, in the place of an older one where there is one."""
        self._listed += _bytes_of(made) - _bytes_of(self._lists.get(place))
        self._lists[place] = made
        while self._listed > LISTS_BYTES and len(self._lists) > 1:
            self._unlist(next(iter(self._lists)))

    def _unlist(self, place: tuple[int, str]) -> BlockList:
        found = self._lists.pop(place, None)
        self._listed -= _bytes_of(found)
        return found or BlockList()

    def written(
        self, stream: Stream, outlines: Iterable[BlockOutline], gone: Iterable[BlockKey] = ()
    ) -> None:
        """Bring the lists of a stream up to date with what was written and removed."""
        by_granularity: dict[str, tuple[list[BlockOutline], list[BlockKey]]] = {}
        for outline in outlines:
            by_granularity.setdefault(outline.key.granularity, ([], []))[0].append(outline)
            self._absent.discard(outline.key)
            self.damaged.pop(outline.key, None)
        for key in gone:
            by_granularity.setdefault(key.granularity, ([], []))[1].append(key)
            self._forget(key)
        for granularity, (new, removed) in by_granularity.items():
            place = (stream.number, granularity)
            if place in self._lists:
                self._list(place, self._lists[place].replaced(new, removed))

    def removed(self, stream: Stream) -> None:
        """Leave out what no longer counts, after the floors of a stream were raised."""
        for granularity, floor_ns in stream.state.floors.items():
            place = (stream.number, granularity)
            if place in self._lists:
                self._list(place, self._lists[place].behind(floor_ns))

    def remember(self, key: BlockKey, table: Columns) -> None:
        """Keep the table of a block that was just written, so that nobody has to decode it."""
        table = table.own()  # it was cut from all that was sealed with it
        self._keep((key, None), table, table.nbytes + 200)

    def clear(self) -> None:
        """Forget all decoded tables; nothing but time is lost."""
        self._tables.clear()
        self._held = 0

    def forget_stream(self, number: int) -> None:
        """Forget everything about a stream."""
        for place in [place for place in self._lists if place[0] == number]:
            for outline in self._unlist(place).outlines:
                self._forget(outline.key)

    async def tables(
        self, outlines: Sequence[BlockOutline], fields: Collection[str] | None = None
    ) -> list[Any] | None:
        """The tables of blocks, damaged ones left out; None: a block is gone, start over.

        Args:
            outlines: the blocks.
            fields: of rollups, which columns are needed.
        """
        wanted = None if fields is None else frozenset(fields)
        # taken before anything awaits: what is loaded may push them out of the cache
        cached = {o.key: self._cached((o.key, wanted)) for o in outlines}
        made = {key: table for key, table in cached.items() if table is not None}
        missing = [o for o in outlines if o.key not in made and o.key not in self.damaged]
        if missing and not await self._load(missing, wanted, made):
            return None
        if any(o.key not in made and o.key not in self.damaged for o in outlines):
            return None
        return [made[o.key] for o in outlines if o.key in made]

    async def _load(
        self,
        outlines: Sequence[BlockOutline],
        fields: frozenset[str] | None,
        made: dict[BlockKey, Any],
    ) -> bool:
        stream = outlines[0].key.stream
        gone = self._gone[stream]
        bodies = await self._backend.read_blocks([o.key for o in outlines])
        addresses = {o.times for o in outlines if o.times is not None}
        # taken before anything awaits: others load as well, and the cache is bounded
        known = {at: self._cached(at) for at in addresses if at in self._tables}
        absent = [at for at in addresses if at not in known]
        stored = await self._backend.read_times(absent) if absent else {}
        without_times = {o.key for o in outlines if o.times in set(absent).difference(stored)}
        missing = {o.key: "it is missing" for o in outlines if o.key not in bodies}
        missing |= dict.fromkeys(without_times - missing.keys(), "its time column is missing")
        if self._are_gone(missing):
            return False
        outlines = [o for o in outlines if o.key not in missing]
        decoding = _Decoding(bodies, stored, known, fields)
        if len(outlines) <= INLINE:
            decoding.run(outlines)
        else:
            await asyncio.get_running_loop().run_in_executor(None, decoding.run, outlines)
        if self._gone[stream] != gone:
            return False  # what is derived anew gets the same keys: these may be of before
        for key, reason in decoding.damaged.items():
            self._damage(key, reason)
        for address, times in decoding.times.items():
            if address in stored:
                self._keep(address, times, sum(column.nbytes for column in times.values()))
        for key, table in decoding.tables.items():
            made[key] = table
            self._keep((key, fields), table, table.nbytes + 200)
        return True

    def _are_gone(self, missing: dict[BlockKey, str]) -> bool:
        """Whether to look again: blocks may have been replaced or removed meanwhile.

        One that was looked for before and is in a list that was loaded since is damaged.
        """
        for key, why in missing.items():
            listed = self._lists.get((key.stream, key.granularity))
            if key in self._absent and listed is not None and key in listed:
                self._damage(key, f"block {'/'.join(map(str, key))}: {why}")
            else:
                self._absent.add(key)
                self._unlist((key.stream, key.granularity))
        return any(key not in self.damaged for key in missing)

    def _damage(self, key: BlockKey, reason: str) -> None:
        log.error("a block is damaged, its datapoints are left out: %s", reason)
        self.damaged[key] = reason

    def _cached(self, key: object) -> Any:
        found = self._tables.get(key)
        if found is None:
            return None
        self._tables.move_to_end(key)
        return found[0]

    def _keep(self, key: object, table: Any, size: int) -> None:
        old = self._tables.pop(key, None)
        self._held += size - (old[1] if old else 0)
        self._tables[key] = (table, size)
        while self._held > self._limit and len(self._tables) > 1:
            self._held -= self._tables.popitem(last=False)[1][1]

    def _forget(self, key: BlockKey) -> None:
        self._gone[key.stream] += 1
        for cached in [c for c in self._tables if isinstance(c, tuple) and c[0] == key]:
            self._held -= self._tables.pop(cached)[1]


class _Decoding:
    """Decodes some blocks, on whichever thread."""

    def __init__(
        self,
        bodies: dict[BlockKey, bytes],
        stored: dict[bytes, bytes],
        times: dict[bytes, codec.Times],
        fields: frozenset[str] | None,
    ) -> None:
        self._bodies = bodies
        self._stored = stored
        self._fields = fields
        self.times = times
        self.tables: dict[BlockKey, Any] = {}
        self.damaged: dict[BlockKey, str] = {}

    def run(self, outlines: Sequence[BlockOutline]) -> None:
        for outline in outlines:
            key = outline.key
            which = f"block {key.stream}/{key.granularity}/{key.ordinal}/{key.generation}"
            try:
                times = self._times_of(outline.times)
                self.tables[key] = codec.decode_block(
                    self._bodies[key], times, fields=self._fields, which=which
                )
            except DamagedBlock as error:
                self.damaged[key] = str(error)

    def _times_of(self, address: bytes | None) -> codec.Times | None:
        if address is None:
            return None
        if address not in self.times:
            self.times[address] = codec.decode_times(self._stored[address], address=address)
        return self.times[address]


def _bytes_of(found: BlockList | None) -> int:
    return 0 if found is None else found.nbytes + LIST_BYTES


def _current(outlines: Iterable[BlockOutline], state: SealState) -> list[BlockOutline]:
    """The newest generation of each block that counts.

    Later ones were never finished, and removed ones may still be there: in a file that was set
    aside, or after a crash.
    """
    newest: dict[int, BlockOutline] = {}
    for outline in outlines:
        if outline.through <= state.through and counts(outline, state):
            newest[outline.key.ordinal] = outline
    return list(newest.values())

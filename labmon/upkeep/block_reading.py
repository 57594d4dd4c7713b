"""Blocks read from below, each one once: decoded and checked, datapoints in the order of time.

The trap: late datapoints lie in blocks of their own that overlap others in time, so a portion is
given out only as far as no block that comes later can reach back into it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import codec
from labmon.datastream.columns import Columns
from labmon.datastream.exceptions import DamagedBlock
from labmon.datastream.granularity import Granularity
from labmon.upkeep.contents import block_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.backends.base import Backend, BlockOutline
    from labmon.datastream.rollups import Rollups

GROUP: Final = 32
"""Blocks that are read together."""
TIME_COLUMNS: Final = 256
"""Decoded time columns that are kept for the next stream that shares them."""
END_NS: Final = 2**63 - 1


class BlockReading:
    """Reads the blocks of a store for checking.

    Args:
        backend: open.
        damaged: is told of each block that is not what was written, and why.
        moved: is called with how many blocks were read.
    """

    def __init__(
        self,
        backend: Backend,
        damaged: Callable[[BlockOutline, str], None],
        moved: Callable[[int], None],
    ) -> None:
        self._backend = backend
        self._damaged = damaged
        self._moved = moved
        self._times: OrderedDict[bytes, codec.Times | DamagedBlock] = OrderedDict()

    async def tables(
        self, outlines: Sequence[BlockOutline]
    ) -> list[tuple[BlockOutline, Columns | Rollups]]:
        """The blocks that are whole, with their tables."""
        bodies = await self._backend.read_blocks([outline.key for outline in outlines])
        await self._load_times(outlines)
        found: list[tuple[BlockOutline, Columns | Rollups]] = []
        for outline in outlines:
            try:
                found.append((outline, self._table(outline, bodies.get(outline.key))))
            except DamagedBlock as error:
                self._damaged(outline, error.why)
        self._moved(len(outlines))
        return found

    async def _load_times(self, outlines: Sequence[BlockOutline]) -> None:
        wanted = {outline.times for outline in outlines if outline.times is not None}
        for address in wanted & self._times.keys():
            self._times.move_to_end(address)
        absent = sorted(wanted - self._times.keys())
        stored = await self._backend.read_times(absent) if absent else {}
        for address in absent:
            self._times[address] = _times_of(address, stored.get(address))
        while len(self._times) > max(TIME_COLUMNS, len(wanted)):
            self._times.popitem(last=False)

    def _table(self, outline: BlockOutline, body: bytes | None) -> Any:
        which = block_name(outline.key)
        if body is None:
            raise DamagedBlock(which, "its body is missing")
        times = None if outline.times is None else self._times[outline.times]
        if isinstance(times, DamagedBlock):
            raise DamagedBlock(which, f"its {times}")
        table = codec.decode_block(body, times, which=which)
        header = codec.read_header(body, which=which)
        if wrong := _differences(outline, header, body, table):
            raise DamagedBlock(which, wrong)
        return table

    async def in_order(
        self, outlines: Sequence[BlockOutline]
    ) -> AsyncIterator[tuple[int, Columns]]:
        """(end, all datapoints before it) of raw blocks, in the order of time and of arrival."""
        by_time = sorted(outlines, key=lambda outline: (outline.from_ns, outline.key.ordinal))
        waiting: list[tuple[int, Columns]] = []
        for start in range(0, max(1, len(by_time)), GROUP):
            group = by_time[start : start + GROUP]
            following = by_time[start + GROUP : start + GROUP + 1]
            until_ns = following[0].from_ns if following else END_NS
            for outline, table in await self.tables(group):
                if isinstance(table, Columns):
                    waiting.append((outline.key.ordinal, table))
            ready, rest = _split(waiting, until_ns)
            waiting = rest
            yield until_ns, _joined(ready)


def _times_of(address: bytes, body: bytes | None) -> codec.Times | DamagedBlock:
    which = f"time column {address.hex()}"
    if body is None:
        return DamagedBlock(which, "is missing")
    try:
        return codec.decode_times(body, address=address, which=which)
    except DamagedBlock as error:
        return error


def _differences(
    outline: BlockOutline, header: codec.BlockHeader, body: bytes, table: Columns | Rollups
) -> str:
    """What the index says otherwise than the block; empty: nothing."""
    is_raw = outline.key.granularity == Granularity.Raw.key
    said = {
        "granularity": (outline.key.granularity, header.granularity.key),
        "count": (outline.length, header.count),
        "size": (outline.size, len(body)),
        "kind": (is_raw, isinstance(table, Columns)),
    }
    if is_raw:
        said["first time"] = (outline.from_ns, header.first_ns)
        said["last time"] = (outline.to_ns, header.last_ns)
    wrong = [
        f"the index says {name} {old}, the block {new}"
        for name, (old, new) in said.items()
        if old != new
    ]
    if (table.t[1:] < table.t[:-1]).any():
        wrong.append("its times are not in order")
    return "; ".join(wrong)


Parts = list[tuple[int, Columns]]


def _split(parts: Parts, until_ns: int) -> tuple[Parts, Parts]:
    """What lies before a time, and the rest."""
    if until_ns == END_NS:
        return parts, []
    ready: Parts = []
    rest: Parts = []
    for ordinal, columns in parts:
        at = int(np.searchsorted(columns.t, until_ns))
        if at:
            ready.append((ordinal, columns[:at]))
        if at < len(columns):
            rest.append((ordinal, columns[at:]))
    return ready, rest


def _joined(parts: Parts) -> Columns:
    """Datapoints of several blocks in the order of time, equal times in the order of arrival."""
    joined = Columns.concatenate([columns for _, columns in parts])
    if len(parts) > 1 and not _is_in_order(joined.t, parts):
        ordinals = np.repeat([o for o, _ in parts], [len(columns) for _, columns in parts])
        return joined.take(np.lexsort((ordinals, joined.t)))
    return joined


def _is_in_order(t: NDArray[np.int64], parts: Parts) -> bool:
    ordinals = [ordinal for ordinal, _ in parts]
    return ordinals == sorted(ordinals) and bool((t[1:] >= t[:-1]).all())

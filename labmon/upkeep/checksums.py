"""The checksums of all blocks and time columns, and nothing else: what a backup looks at.

The trap: a block whose checksum is right may still not be what its rollups were made of; only
`verify` computes them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labmon.datastream.codec import is_whole
from labmon.datastream.granularity import Granularity
from labmon.upkeep.contents import block_name, current_outlines
from labmon.upkeep.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labmon.datastream.backends.base import Backend, BlockOutline
    from labmon.upkeep.contents import StoreContents

GROUP: Final = 32
"""Blocks that are read together."""

Damage = tuple["BlockOutline", Finding]


async def damaged_blocks(
    contents: StoreContents, moved: Callable[[int], None] = lambda _size: None
) -> list[Damage]:
    """The blocks that are not what was written, with what is wrong.

    Args:
        contents: an open store.
        moved: is told the bytes of blocks that were read.
    """
    found: list[Damage] = []
    times: dict[bytes, bool] = {}
    backend = contents.backend
    for stream in contents.streams.values():
        for granularity in Granularity.values:
            outlines = await current_outlines(backend, stream, granularity.key)
            for start in range(0, len(outlines), GROUP):
                group = outlines[start : start + GROUP]
                found += await _damaged(backend, stream.path or stream.id, group, times)
                moved(sum(outline.size for outline in group))
    return found


async def damaged_there_too(backend: Backend, damage: Sequence[Damage]) -> list[Damage]:
    """Those of the damaged blocks of one store that another has no better."""
    found: list[Damage] = []
    times: dict[bytes, bool] = {}
    for outline, finding in damage:
        if await _damaged(backend, finding.stream, [outline], times):
            found.append((outline, finding))
    return found


async def _damaged(
    backend: Backend, name: str, outlines: Sequence[BlockOutline], times: dict[bytes, bool]
) -> list[Damage]:
    found: list[Damage] = []
    bodies = await backend.read_blocks([outline.key for outline in outlines])
    wanted = {outline.times for outline in outlines if outline.times is not None}
    if absent := sorted(wanted - times.keys()):
        stored = await backend.read_times(absent)
        times |= {address: is_whole(stored.get(address, b"")) for address in absent}
    for outline in outlines:
        body = bodies.get(outline.key)
        if body is None:
            why = "its body is missing"
        elif not is_whole(body):
            why = "does not have its checksum"
        elif outline.times is not None and not times[outline.times]:
            why = "its time column is missing or damaged"
        else:
            continue
        span = outline.from_ns, outline.to_ns
        found.append((outline, Finding(name, block_name(outline.key), why, *span)))
    return found

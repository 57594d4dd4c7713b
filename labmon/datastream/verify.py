"""Verifying a store: every block is decoded, and every stored rollup computed again.

It only reads, piece by piece, beside everything else that goes on. The trap: rollups are merged in
an order that depends on history, so sums and deviations agree within rounding, not to the bit.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream import downsample
from labmon.datastream.blocks import Blocks
from labmon.datastream.granularity import Granularity
from labmon.datastream.levels import roll_up
from labmon.datastream.rawdata import RawData
from labmon.datastream.retained import floor_ns

if TYPE_CHECKING:
    from labmon.datastream.backends.base import BlockOutline
    from labmon.datastream.engine import Engine
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.stream import Stream

CACHE_BYTES: Final = 4 << 20
_EXACT: Final = ("t_first", "t_last", "count", "bad", "flags", "min", "max", "first", "last")
_ROUNDED: Final = ("sum", "mean")


@dataclass(slots=True)
class Verification:
    """What was looked at, and what is wrong.

    Attributes:
        streams, blocks, datapoints, buckets: how many were looked at.
        problems: one sentence each; empty: all is well.
    """

    streams: int = 0
    blocks: int = 0
    datapoints: int = 0
    buckets: int = 0
    problems: list[str] = field(default_factory=list[str])


async def verify(engine: Engine) -> Verification:
    """Look at every block of every stream."""
    found = Verification()
    found.problems += engine.recovery.reasons
    for stream in list(engine.catalogue):
        found.streams += 1
        # what is cached says nothing about what is stored
        stored = Blocks(engine.backend, CACHE_BYTES)
        await _verify_raw(stored, stream, found)
        for granularity in Granularity.values[1:]:
            for outline in (await stored.of(stream, granularity.key)).outlines:
                await _verify_rollups(stored, stream, granularity, outline, found)
        found.problems += stored.damaged.values()
    return found


async def _verify_raw(stored: Blocks, stream: Stream, found: Verification) -> None:
    for outline in (await stored.of(stream, Granularity.Raw.key)).outlines:
        tables = await stored.tables([outline])
        found.blocks += 1
        if not tables:
            continue  # damaged, or just replaced
        t = tables[0].t
        found.datapoints += len(t)
        if (len(t), int(t[0]), int(t[-1])) != (outline.length, outline.from_ns, outline.to_ns):
            found.problems.append(f"{_name(outline)}: its index tells of other datapoints")
        await asyncio.sleep(0)


async def _verify_rollups(
    stored: Blocks,
    stream: Stream,
    granularity: Granularity,
    outline: BlockOutline,
    found: Verification,
) -> None:
    raw = RawData(stored)
    version = stream.version
    tables = await stored.tables([outline])
    found.blocks += 1
    if not tables:
        return
    found.buckets += len(tables[0])
    parts: list[Rollups] = []
    cuts = [
        granularity.round_timestamp(cut)
        for cut in await raw.cuts(stream, outline.from_ns, outline.to_ns)
    ]
    from_ns = max(outline.from_ns, floor_ns(stream, Granularity.Raw))
    if from_ns >= outline.to_ns:
        return  # retention has removed the datapoints
    bounds = sorted({from_ns, *cuts, outline.to_ns})
    for first_ns, last_ns in pairwise(bounds):
        columns = await raw.sealed(stream, max(first_ns, from_ns), last_ns)
        parts.append(roll_up(stream, columns, granularity.duration_ns))
        await asyncio.sleep(0)
    if stream.version != version or stored.damaged:
        return  # it changed meanwhile, or cannot be computed
    computed = downsample.coarsen(type(parts[0]).concatenate(parts), granularity.duration_ns)
    if difference := _difference(tables[0].between(from_ns, outline.to_ns), computed):
        found.problems.append(f"{_name(outline)}: {difference} is not what its datapoints give")


def _difference(stored: Rollups, computed: Rollups) -> str:
    """The first column that differs, or nothing."""
    if not np.array_equal(stored.t, computed.t):
        return "t"
    for name in _EXACT:
        if name in stored.columns and not _equal(stored[name], computed[name]):
            return name
    for name in _ROUNDED:
        if name in stored.columns and not np.allclose(
            stored[name], computed[name], rtol=1e-9, atol=1e-300, equal_nan=True
        ):
            return name
    return ""


def _equal(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    if one.dtype == object:
        return one.tolist() == other.tolist()
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def _name(outline: BlockOutline) -> str:
    return f"block {'/'.join(map(str, outline.key))}"

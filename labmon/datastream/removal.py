"""`Removal`: one step of retention on one stream: what goes, and the rollups that stand in for it.

Everything is worked out before anything is written. The trap: `through` of a rollup block is that
of what it was made of, not of today; for a derived stream that is put back to an earlier point, it
tells which blocks that concerns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from labmon.datastream.backends.base import BlockKey, BlockRow
from labmon.datastream.blockmaking import encode_level
from labmon.datastream.granularity import Granularity
from labmon.datastream.levels import holes
from labmon.datastream.retained import DAY_NS, ladder_of
from labmon.datastream.seal_state import LevelState

if TYPE_CHECKING:
    from labmon.datastream.engine import Engine
    from labmon.datastream.rollups import Rollups
    from labmon.datastream.seal_state import SealState
    from labmon.datastream.stream import Stream


@dataclass(slots=True)
class Removal:
    """What one step changes.

    Attributes:
        state: of the stream, afterwards.
        rows: blocks of rollups that stand in.
        gone: blocks that are no longer needed.
        datapoints: how many go, by the key of the granularity; of rollups the buckets in blocks.
        removed_bytes: of the blocks that go, by the key of the granularity.
    """

    state: SealState
    rows: list[BlockRow] = field(default_factory=list[BlockRow])
    gone: list[BlockKey] = field(default_factory=list[BlockKey])
    datapoints: Counter[str] = field(default_factory=Counter[str])
    removed_bytes: Counter[str] = field(default_factory=Counter[str])


async def removal(engine: Engine, stream: Stream, floors: dict[str, int]) -> Removal:
    """What has to be written so that a stream begins at the floors, by granularity.

    Nobody else may change the blocks of the stream meanwhile, and its head lies behind the floors.
    """
    before = stream.state.floors
    made = Removal(stream.state.copy())
    made.state.floors = floors
    first_ns = max(0, stream.state.first_ns)
    for finer, granularity in pairwise(ladder_of(stream)):
        from_ns = max(
            floors.get(granularity.key, 0),
            before.get(finer.key, 0),
            Granularity.Days.round_timestamp(first_ns),
        )
        until_ns = floors.get(finer.key, 0)
        if from_ns < until_ns:
            span = (from_ns, until_ns)
            made.rows += await _stand_ins(engine, stream, made.state, granularity, span)
    await _find_gone(engine, stream, made)
    raw = Granularity.Raw.key  # a block that stays may have some of what goes
    made.datapoints[raw] = await engine.raw.count(stream, 0, floors.get(raw, 0))
    made.state.removed += made.datapoints[raw]
    coarsest_ns = floors.get(ladder_of(stream)[-1].key, 0)
    if made.state.first_ns < coarsest_ns:
        made.state.first_ns = await _first_from(engine, stream, floors, coarsest_ns)
        if made.state.first_ns < 0:
            made.state.last_ns = -1
    return made


async def _stand_ins(
    engine: Engine,
    stream: Stream,
    state: SealState,
    granularity: Granularity,
    span: tuple[int, int],
) -> list[BlockRow]:
    """Blocks of all rollups of a range that are not stored yet."""
    from_ns, until_ns = span
    level = state.levels.setdefault(granularity.key, LevelState(from_ns))
    stored = (await engine.blocks.of(stream, granularity.key)).overlapping(from_ns, until_ns - 1)
    made: list[BlockRow] = []
    for first_ns, last_ns in holes(stored, from_ns, until_ns):
        rows = await engine.levels.sealed(stream, granularity, first_ns, last_ns)
        if not len(rows):
            continue
        through = await _through(engine, stream, granularity, first_ns, last_ns)
        key = BlockKey(stream.number, granularity.key, level.next_ordinal, 0)
        size = 2 * engine.sealer.size
        made += await asyncio.get_running_loop().run_in_executor(
            None, _encoded, key, granularity, rows, (first_ns, last_ns), through, size
        )
        level.next_ordinal += len(rows)
        level.buckets = max(0, level.buckets - len(rows))
        level.datapoints = max(0, level.datapoints - int(rows["count"].sum()))
    level.until_ns = max(level.until_ns, until_ns)
    return made


async def _through(
    engine: Engine, stream: Stream, granularity: Granularity, from_ns: int, until_ns: int
) -> int:
    through = 0
    for finer in Granularity.values[: Granularity.values.index(granularity)]:
        found = await engine.blocks.of(stream, finer.key)
        made_of = found.overlapping(from_ns, until_ns)
        through = max([through, *(outline.through for outline in made_of)])
    return through


def _encoded(
    key: BlockKey,
    granularity: Granularity,
    rows: Rollups,
    span: tuple[int, int],
    through: int,
    size: int,
) -> list[BlockRow]:
    """Blocks of rollups that cover all of a span; on another thread."""
    made: list[BlockRow] = []
    from_ns, until_ns = span
    for first, last in pairwise([*range(0, len(rows), size), len(rows)]):
        to_ns = until_ns if last == len(rows) else int(rows.t[last])
        part = key._replace(ordinal=key.ordinal + first)
        table = rows.rows(slice(first, last))
        made.append(encode_level(part, granularity, table, from_ns, to_ns, through))
        from_ns = to_ns
    return made


async def _find_gone(engine: Engine, stream: Stream, made: Removal) -> None:
    """Find the blocks that go, and those that can never be worked out again."""
    state = made.state
    irreplaceable = [row.outline for row in made.rows]
    finer_ns = 0
    for granularity in ladder_of(stream):
        found = await engine.blocks.of(stream, granularity.key)
        gone = found.until(state.floors.get(granularity.key, 0))
        made.gone += [outline.key for outline in gone]
        made.datapoints[granularity.key] = sum(outline.length for outline in gone)
        made.removed_bytes[granularity.key] = sum(outline.size for outline in gone)
        irreplaceable += [*gone, *found.overlapping(0, finer_ns)]
        finer_ns = state.floors.get(granularity.key, 0)
    state.fixed = max([state.fixed, *(outline.through for outline in irreplaceable)])


async def _first_from(engine: Engine, stream: Stream, floors: dict[str, int], from_ns: int) -> int:
    """The time of the first sealed datapoint from a floor on, or the start of its bucket.

    -1: none of what is left is sealed.
    """
    finest = next(one for one in ladder_of(stream) if floors.get(one.key, 0) <= from_ns)
    span_ns = DAY_NS
    while from_ns <= stream.state.last_ns:
        if finest is Granularity.Raw:
            t = (await engine.raw.sealed(stream, from_ns, from_ns + span_ns)).t
        else:
            t = (await engine.levels.sealed(stream, finest, from_ns, from_ns + span_ns)).t
        if len(t):
            return int(t[0])
        from_ns, span_ns = from_ns + span_ns, 2 * span_ns
    return -1

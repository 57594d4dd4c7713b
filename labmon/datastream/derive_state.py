"""What sources have in a span, and states of operators that are read from it again.

The trap: an operator that looks back over a window remembers all datapoints in it, which may be
millions; these are never kept for going back, in memory or in a mark, but read again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream.columns import Columns, object_column
from labmon.datastream.granularity import Granularity

if TYPE_CHECKING:
    from labmon.datastream.alignment import State
    from labmon.datastream.derived import Derived
    from labmon.datastream.engine import Engine
    from labmon.datastream.operator import Operator
    from labmon.datastream.stream import Stream

INLINE: Final = 16_384
"""More datapoints than this are worked in on another thread."""


def without_columns(state: State) -> State:
    """A state as it is kept: what can be read again is left out."""
    return {k: value for k, value in state.items() if not isinstance(value, np.ndarray)}


async def whole_state(engine: Engine, derived: Derived) -> State:
    """The state of an operator, read again where only some of it was kept.

    The sources must be worked out up to where the derived stream is.
    """
    kept, until_ns = derived.state, derived.until_ns
    if derived.is_state_whole:
        return kept
    earliest_ns = max(derived.floor_ns, until_ns - derived.operator.lookback_ns)
    from_ns = derived.granularity.round_timestamp(earliest_ns)
    if from_ns >= until_ns:
        return kept
    sources = await read_sources(engine, derived, from_ns, until_ns)
    state, _ = await operate(derived.operator, derived.operator.start(), sources)
    return {**state, **kept}


async def read_sources(
    engine: Engine, derived: Derived, from_ns: int, end_ns: int
) -> list[Columns]:
    """What each source has with `from_ns <= t < end_ns`, as the operator takes it."""
    granularity = derived.granularity
    return [await _read(engine, source, granularity, from_ns, end_ns) for source in derived.sources]


async def _read(
    engine: Engine, source: Stream, granularity: Granularity, from_ns: int, end_ns: int
) -> Columns:
    if granularity is Granularity.Raw:
        return await engine.raw.columns(source, from_ns, end_ns)
    rows = await engine.levels.rollups(source, granularity, from_ns, end_ns)
    quality = rows["flags"] if rows["flags"].any() else None
    if source.is_numeric:
        return Columns(rows.t, rows["mean"], None, quality)
    words = [1 if count else None for count in rows["count"].tolist()]
    return Columns(rows.t, object_column(words), None, quality)


async def operate(
    operator: Operator, state: State, sources: list[Columns]
) -> tuple[State, Columns]:
    """The state behind a span, and the derived datapoints."""
    size = sum(map(len, sources)) + sum(map(_length, state.values()))
    if size <= INLINE:
        return operator.advance(state, sources)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, operator.advance, state, sources)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, np.ndarray) else 0

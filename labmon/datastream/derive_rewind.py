"""Derived streams are put back: after a start to their last mark, and to where late data begins.

What lies behind in the head is cut off in memory; behind that, whole blocks go, in one change with
the state that no longer counts them. The trap: blocks of rollups go by the same number, `through`,
as the raw ones: what was sealed later than the mark has no part in them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labmon.datastream.backends.base import Change
from labmon.datastream.columns import Columns
from labmon.datastream.derive_mark import Mark, decoded, mark_name, mark_prefix
from labmon.datastream.derived import Derived, StoredMark
from labmon.datastream.exceptions import DatastreamException
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import floor_ns
from labmon.datastream.seal_state import Latest, LevelState, SealState
from labmon.reading import Quality

if TYPE_CHECKING:
    from labmon.datastream.backends.base import BlockKey, BlockOutline
    from labmon.datastream.derive_mark import Seen
    from labmon.datastream.engine import Engine
    from labmon.datastream.stream import Stream

log = logging.getLogger(__name__)

_GONE: Final = "what it was derived from was removed by retention"


@dataclass(frozen=True, slots=True)
class Cut:
    """How a stream looks without what was sealed later than a mark."""

    state: SealState
    gone: list[BlockKey]


async def restore(engine: Engine, derived: Derived) -> None:
    """Put a derived stream back to its last mark, and find out what came since to before it."""
    stream = derived.stream
    records = await engine.backend.read_cursors(mark_prefix(stream.number))
    marks, damaged = decoded(records.values())
    if damaged:
        log.error("%s: %d marks are damaged", stream.path or stream.id, damaged)
    derived.see_all()
    usable = [mark for mark in marks if mark.through <= stream.state.through]
    if not usable:  # nothing to go on from: all of it is worked out anew
        derived.marks = [StoredMark(0, 0, 0)]
        usable = [Mark(0, 0, 0, 0, Columns.empty(), derived.operator.start(), {})]
    last = usable[-1]
    derived.floor_ns = last.floor_ns
    if not derived.can_return(last.until_ns, last.through):
        derived.error = f"{_GONE}, and its newest mark is damaged"
        log.error("%s is derived no further: %s", stream.path or stream.id, derived.error)
        return
    cut = await _cut(engine, stream, last.through)
    if not engine.is_read_only:
        leftover = await _leftover(engine, stream, last.through)
        cut.gone.extend(leftover)
    _apply(engine, derived, last, cut)
    derived.marks = [StoredMark(mark.number, mark.until_ns, mark.through) for mark in usable]
    derived.gone = [mark.number for mark in marks if mark not in usable]
    derived.marked_ns = last.until_ns
    for root in derived.roots:
        if root.number in last.seen:
            await _compare(engine, derived, root, last.seen[root.number])


async def _compare(engine: Engine, derived: Derived, root: Stream, seen: Seen) -> None:
    """Find what arrived for times before a mark after it was made, as that was not yet stored."""
    if seen.ordinal < root.head.next_ordinal:
        t = await engine.raw.late_since(root, seen.ordinal)
        t = t[(t < derived.until_ns) & (t >= derived.floor_ns)]
        if len(t):
            derived.is_dirty_from(int(t.min()))
    first_ns = max(seen.tail_ns, derived.floor_ns)
    if first_ns >= derived.until_ns:
        return
    left_ns = floor_ns(root, Granularity.Raw)
    known = seen.tail_count
    if first_ns < left_ns and known > 0:  # its newest datapoint was removed since
        first_ns, known = left_ns, 0
    count = await engine.raw.count(root, first_ns, derived.until_ns)
    if count != known:
        derived.is_dirty_from(first_ns)


async def rewind(engine: Engine, derived: Derived) -> None:
    """Put a derived stream back to the newest point before what is no longer right."""
    stream = derived.stream
    while derived.dirty_ns is not None:
        while engine.sealer.is_sealing(stream):
            await engine.sealer.idle()
        dirty_ns = derived.dirty_ns
        step = derived.step_before(dirty_ns)
        if step is not None:
            head = stream.head.arrivals()[: step.ordinal - stream.head.first_ordinal]
            stream.rewind(stream.state, head, step.until_ns)
            engine.levels.forget_stream(stream.number)
            derived.return_to(step.until_ns, step.state)
            return
        version = stream.version
        stored = derived.mark_before(dirty_ns)
        mark = await _read(engine, derived, stored)
        cut = await _cut(engine, stream, mark.through)
        # from here on nothing awaits; where something has changed meanwhile, look again
        is_same = stream.version == version and derived.dirty_ns == dirty_ns
        if is_same and not engine.sealer.is_sealing(stream):
            stream.is_backprocessing = True
            if stored.until_ns > dirty_ns:
                name = stream.path or stream.id
                log.warning("%s: %s: late datapoints from before stay left out", name, _GONE)
            _apply(engine, derived, mark, cut)


async def _read(engine: Engine, derived: Derived, stored: StoredMark) -> Mark:
    await engine.journal.commit()  # it may be on its way to the store
    name = mark_name(derived.stream.number, stored.number)
    records = await engine.backend.read_cursors(name)
    marks, _ = decoded(records.values())
    if marks:
        return marks[0]
    if derived.stream.state.fixed or derived.sources_from_ns() > derived.floor_ns:
        raise DatastreamException(f"{_GONE}, and a mark is missing")
    log.error("%s: a mark is missing, all is derived anew", derived.stream.id)
    floor_ns = derived.floor_ns
    return Mark(0, floor_ns, floor_ns, 0, Columns.empty(), derived.operator.start(), {})


def _apply(engine: Engine, derived: Derived, mark: Mark, cut: Cut) -> None:
    """Be at a mark again, in memory and, as soon as it takes it, in the store."""
    stream = derived.stream
    if cut.gone and not engine.is_read_only:
        states = {stream.number: cut.state.encode()}
        engine.journal.submit(Change(states=states, removed_blocks=cut.gone))
    stream.rewind(cut.state, mark.head, mark.until_ns)
    engine.blocks.written(stream, (), cut.gone)
    engine.levels.forget_stream(stream.number)
    derived.return_to(mark.until_ns, mark.state)


async def _cut(engine: Engine, stream: Stream, through: int) -> Cut:
    if through == stream.state.through:
        return Cut(stream.state, [])
    before = stream.state
    state, gone = SealState(through, floors=before.floors, fixed=before.fixed), []
    state.removed = before.removed
    for granularity in Granularity.values:
        outlines = (await engine.blocks.of(stream, granularity.key)).outlines
        kept = [outline for outline in outlines if outline.through <= through]
        gone += [outline.key for outline in outlines if outline.through > through]
        if not kept:
            continue
        if granularity is Granularity.Raw:
            await _ends(engine, state, kept)
        else:
            last = kept[-1]
            until_ns = max(outline.to_ns for outline in kept)
            state.levels[granularity.key] = LevelState(until_ns, last.key.ordinal + last.length)
    if state.floors:  # rollups tell of more than there are datapoints
        state.first_ns = before.first_ns
        state.last_ns = max(state.last_ns, state.floors[Granularity.Raw.key] - 1)
    return Cut(state, gone)


async def _ends(engine: Engine, state: SealState, kept: list[BlockOutline]) -> None:
    state.first_ns = min(outline.from_ns for outline in kept)
    last = kept[-1]
    state.last_ns = last.to_ns
    state.latest = Latest(state.last_ns, None, Quality.FAULT)
    for table in await engine.blocks.tables([last]) or ():
        end = table[len(table) - 1 :]
        state.latest = Latest(state.last_ns, end.python_values()[0], int(end.qualities()[0]))


async def _leftover(engine: Engine, stream: Stream, through: int) -> list[BlockKey]:
    """Blocks that a crash left behind: of a sealing that was never finished."""
    found: list[BlockKey] = []
    for granularity in Granularity.values:
        outlines = await engine.backend.read_outlines(stream.number, granularity.key)
        found += [outline.key for outline in outlines if outline.through > through]
    return found

"""What a follower missed while it was away: changes to what it was told before.

Of an appended stream these are its late datapoints. A derived stream is a pure function of its
roots, so a cursor keeps how far these had arrived when the stream was told: whatever arrived since
for earlier times has changed it. The trap: within one sealing the order of arrival is known only
as far as nothing in it came late, so rather more is called changed than less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labmon.datastream.cursor import ALL
from labmon.reading import Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns
    from labmon.datastream.cursor import Position
    from labmon.datastream.engine import Engine
    from labmon.datastream.stream import Stream


async def missed_late(
    engine: Engine, stream: Stream, position: Position, from_ns: int
) -> tuple[int, int] | None:
    """The span of the late datapoints from a time on that came to what was told, or None.

    Those at the very time that was told last are told behind it, where their number is known.
    """
    if position.ordinal <= 0 or position.ordinal >= stream.next_ordinal:
        return None
    t = await engine.raw.late_since(stream, position.ordinal)
    end_ns = position.time_ns + (position.count == ALL)
    t = t[(t < end_ns) & (t >= from_ns)]
    return (int(t.min()), int(t.max()) + 1) if len(t) else None


async def reworked_from(engine: Engine, stream: Stream, position: Position) -> int | None:
    """From where on a derived stream is not what was told, or None."""
    found = [] if position.dirty_ns is None else [position.dirty_ns]
    granularity = stream.config.highest_granularity
    told_ns = position.time_ns + max(1, granularity.duration_ns)  # the end of the last bucket told
    for number, ordinal in position.roots.items():
        root = engine.catalogue.number(number)
        if root is not None and ordinal < root.next_ordinal:
            t = await _arrived_since(engine, root, ordinal, told_ns)
            t = t[t >= engine.deriver.floor_ns(stream)]
            found += [granularity.round_timestamp(int(t.min()))] if len(t) else []
    earliest_ns = min(found, default=position.time_ns + 1)
    return earliest_ns if earliest_ns <= position.time_ns else None


async def _arrived_since(
    engine: Engine, stream: Stream, ordinal: int, before_ns: int
) -> NDArray[np.int64]:
    """Times before `before_ns` of the datapoints that arrived from an ordinal on."""
    while True:
        version = stream.version
        found = await engine.blocks.of(stream, "r")
        newer = found.newer(ordinal)
        through = min((outline.through for outline in newer), default=0)
        cut = await engine.blocks.tables([o for o in newer if o.through == through])
        later = [o for o in newer if o.through > through and o.from_ns < before_ns]
        rest = await engine.blocks.tables(later)
        if cut is not None and rest is not None and stream.version == version:
            break
    head = stream.head
    fresh = head.arrivals()[max(0, ordinal - head.first_ordinal) :].t
    parts = [_last_arrived(cut, through - ordinal), *(table.t for table in rest), fresh]
    t = np.concatenate(parts)
    return t[t < before_ns]


def _last_arrived(tables: list[Columns], count: int) -> NDArray[np.int64]:
    """Times of the `count` datapoints of a sealing that arrived last, perhaps of some before."""
    if not tables:
        return np.empty(0, np.int64)
    t = np.concatenate([table.t for table in tables])
    is_late = np.concatenate([(table.qualities() & Quality.LATE) > 0 for table in tables])
    in_order = np.sort(t[~is_late])
    return np.concatenate([in_order[max(0, len(in_order) - count) :], t[is_late]])

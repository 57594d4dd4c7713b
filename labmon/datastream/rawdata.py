"""Raw datapoints of a time range: blocks and head of one stream, merged in the order of time.

The trap: blocks may overlap in time, because late datapoints are sealed into blocks of their own;
what the blocks give is sorted again where that happened, equal times in the order of arrival.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labmon.datastream.columns import Columns
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import floor_ns, midnights
from labmon.reading import Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labmon.datastream.blocks import Blocks
    from labmon.datastream.stream import Stream


class RawData:
    """Reads datapoints; on the event loop.

    Args:
        blocks: of the open store.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    async def columns(self, stream: Stream, start_ns: int, end_ns: int) -> Columns:
        """The datapoints with `start_ns <= t < end_ns`."""
        return (await self.snapshot(stream, start_ns, end_ns))[0]

    async def snapshot(self, stream: Stream, start_ns: int, end_ns: int) -> tuple[Columns, int]:
        """The datapoints of a range, and the ordinal before which they are all that there are."""
        start_ns = max(start_ns, floor_ns(stream, Granularity.Raw))
        if start_ns > stream.state.last_ns:
            return stream.head.columns().between(start_ns, end_ns), stream.head.next_ordinal
        while True:
            version = stream.version
            found = await self._blocks.of(stream, "r")
            if stream.version != version:
                continue
            start_ns = max(start_ns, floor_ns(stream, Granularity.Raw))
            head, ordinal = stream.head.columns(), stream.head.next_ordinal
            tables = await self._blocks.tables(found.overlapping(start_ns, end_ns))
            if tables is not None:
                return merge([*tables, head], start_ns, end_ns), ordinal

    async def late_since(self, stream: Stream, ordinal: int) -> NDArray[np.int64]:
        """Times of the late datapoints that arrived from an ordinal on, perhaps of some before."""
        while True:
            version = stream.version
            found = await self._blocks.of(stream, "r")
            tables = await self._blocks.tables(found.newer(ordinal))
            if tables is not None and stream.version == version:
                break
        head = stream.head
        parts = [*tables, head.arrivals()[max(0, ordinal - head.first_ordinal) :]]
        return np.concatenate([part.t[(part.qualities() & Quality.LATE) > 0] for part in parts])

    async def count(self, stream: Stream, start_ns: int, end_ns: int) -> int:
        """How many datapoints there are with `start_ns <= t < end_ns`; decodes only the edges."""
        while True:
            version = stream.version
            found = await self._blocks.of(stream, "r")
            if stream.version != version:
                continue
            start_ns = max(start_ns, floor_ns(stream, Granularity.Raw))
            count = len(stream.head.columns().between(start_ns, end_ns))
            count += found.rows_inside(start_ns, end_ns)
            tables = await self._blocks.tables(found.crossing(start_ns, end_ns))
            if tables is not None:
                return count + sum(len(table.between(start_ns, end_ns)) for table in tables)

    async def is_few(self, stream: Stream, start_ns: int, end_ns: int, limit: int) -> bool:
        """Whether a range has at most `limit` datapoints; decodes only what is in doubt."""
        inside = 0
        start_ns = max(start_ns, floor_ns(stream, Granularity.Raw))
        if start_ns <= stream.state.last_ns:
            found = await self._blocks.of(stream, "r")
            inside = found.rows_inside(start_ns, end_ns)
        return inside <= limit and await self.count(stream, start_ns, end_ns) <= limit

    async def cuts(self, stream: Stream, start_ns: int, end_ns: int) -> list[int]:
        """Ascending times at which a range can be cut into pieces of a few blocks."""
        if start_ns > stream.state.last_ns:
            return []
        found = await self._blocks.of(stream, "r")
        cuts = found.starts(start_ns, end_ns)[8::8]
        return sorted({*midnights(stream, start_ns, end_ns), *cuts})

    async def sealed(self, stream: Stream, start_ns: int, end_ns: int) -> Columns:
        """The datapoints of a range that are in blocks, whether retention still shows them or not.

        Rollups are made of them, also those that are to stand in their place.
        """
        while True:
            found = await self._blocks.of(stream, "r")
            tables = await self._blocks.tables(found.overlapping(start_ns, end_ns))
            if tables is not None:
                return merge(tables, start_ns, end_ns)


def merge(parts: list[Columns], start_ns: int, end_ns: int) -> Columns:
    """The datapoints of a range in the order of time, from parts in the order of arrival."""
    joined = Columns.concatenate([part.between(start_ns, end_ns) for part in parts])
    if (joined.t[1:] >= joined.t[:-1]).all():
        return joined
    return joined.take(np.argsort(joined.t, kind="stable"))

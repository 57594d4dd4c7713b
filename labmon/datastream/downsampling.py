"""Downsampling when somebody asks for it: what is due is stored, what was finished is told.

Rollups are right at any moment without it, so this is for those who want to work through finished
buckets one by one. The trap: a bucket is told once, also across restarts; late data that changes
one afterwards is told by `follow`, and not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from labmon.datastream.backends.base import Change
from labmon.datastream.granularity import Granularity
from labmon.datastream.query import Range
from labmon.datastream.upkeep import seal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon.datastream.engine import Engine
    from labmon.datastream.stream import Stream

FINISHED: Final = "downsampled/"
"""Prefix of the cursors that say how far finished buckets were told."""


async def downsample(
    engine: Engine, streams: Iterable[Stream], until_ns: int, *, is_told: bool
) -> list[dict[str, Any]]:
    """Seal what is worth a block, and tell the buckets that were finished since the last time."""
    streams = [stream for stream in streams if stream.config.value_downsamplers]
    await engine.deriver.settled(streams)
    seal(engine, streams)
    await engine.sealer.idle()
    found: list[dict[str, Any]] = []
    change = Change()
    for stream in streams:
        name = f"{FINISHED}{stream.number}"
        told = orjson.loads((await engine.backend.read_cursors(name)).get(name, b"{}"))
        for granularity in Granularity.values[1:]:
            if granularity >= stream.config.highest_granularity:
                continue
            end_ns = granularity.round_timestamp(min(until_ns, max(stream.latest_ns, 0)))
            start_ns = told.get(granularity.key, 0)
            if end_ns <= start_ns:
                continue
            if is_told:
                found += await _buckets(engine, stream, granularity, start_ns, end_ns)
            told[granularity.key] = end_ns
        change.cursors[name] = orjson.dumps(told)
    if change.cursors:
        await engine.journal.submit(change)
    return found


async def _buckets(
    engine: Engine, stream: Stream, granularity: Granularity, start_ns: int, end_ns: int
) -> list[dict[str, Any]]:
    points = engine.query.data(
        stream,
        granularity,
        Range(start_ns, end_ns),
        reverse=False,
        value_downsamplers=None,
        time_downsamplers=None,
        empty=False,
        complete=False,
    )
    return [
        {"stream_id": stream.id, "granularity": granularity, "datapoint": point}
        async for point in points
    ]

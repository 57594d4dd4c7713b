"""Downsampling when somebody asks for it: what is due is stored, what was finished is told.

Rollups are right at any moment without it, so this is for those who want to work through finished
buckets one by one. The trap: a bucket is told once, also across restarts; late data that changes
one afterwards is told by `follow`, and here only warned of.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import orjson

from labmon.datastream.backends.base import Change
from labmon.datastream.exceptions import DownsampleConsistencyNotGuaranteed
from labmon.datastream.granularity import Granularity
from labmon.datastream.query import Range
from labmon.datastream.retained import floor_ns
from labmon.datastream.upkeep import seal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon.datastream.engine import Engine
    from labmon.datastream.stream import Stream

FINISHED: Final = "downsampled/"
"""Prefix of the cursors that say how far finished buckets were told, and of what they were made."""
_DATAPOINTS: Final = "datapoints"


async def downsample(
    engine: Engine, streams: Iterable[Stream], until_ns: int, *, is_told: bool
) -> list[dict[str, Any]]:
    """Seal what is worth a block, and tell the buckets that were finished since the last time.

    A warning comes before anything is written: who makes an error of it has missed nothing.
    """
    streams = [stream for stream in streams if stream.config.value_downsamplers]
    await engine.deriver.settled(streams)
    seal(engine, streams)
    await engine.sealer.idle()
    found: list[dict[str, Any]] = []
    change = Change()
    for stream in streams:
        name = f"{FINISHED}{stream.number}"
        told = orjson.loads((await engine.backend.read_cursors(name)).get(name, b"{}"))
        if is_told:
            await _warn_of_late(engine, stream, told)
        for granularity in Granularity.values[1:]:
            if granularity >= stream.config.highest_granularity:
                continue
            end_ns = granularity.round_timestamp(min(until_ns, max(stream.latest_ns, 0)))
            start_ns = told.get(granularity.key, 0)
            if end_ns <= start_ns:
                continue
            if is_told:
                start_ns = _still_there(stream, granularity, start_ns)
                found += await _buckets(engine, stream, granularity, start_ns, end_ns)
            told[granularity.key] = end_ns
        told[_DATAPOINTS] = await _arrived(engine, stream, _told_ns(told))
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


def _told_ns(told: dict[str, int]) -> int:
    """Before this time, some bucket was told."""
    return max((ns for key, ns in told.items() if key != _DATAPOINTS), default=0)


async def _arrived(engine: Engine, stream: Stream, until_ns: int) -> int:
    """How many datapoints ever were before a time that is not before the floor of raw."""
    return stream.state.removed + await engine.raw.count(stream, 0, until_ns)


async def _warn_of_late(engine: Engine, stream: Stream, told: dict[str, int]) -> None:
    """Warn where buckets that were told have got other datapoints since."""
    until_ns = _told_ns(told)
    if _DATAPOINTS not in told or until_ns < floor_ns(stream, Granularity.Raw):
        return
    late = await _arrived(engine, stream, until_ns) - told[_DATAPOINTS]
    if late:
        _warn(stream, f"{late} datapoints came late, into buckets that were told before")


def _still_there(stream: Stream, granularity: Granularity, start_ns: int) -> int:
    """From where on buckets can be told; warns where some were removed before they were."""
    from_ns = floor_ns(stream, granularity)
    if start_ns < from_ns:
        _warn(stream, f"{granularity.name} were removed by retention before they were told")
    return max(start_ns, from_ns)


def _warn(stream: Stream, text: str) -> None:
    which = stream.path or stream.id
    warnings.warn(f"{which}: {text}", DownsampleConsistencyNotGuaranteed, stacklevel=3)

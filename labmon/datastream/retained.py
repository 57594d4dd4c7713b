"""What is still there of a stream: floors, before which nothing is, and what answers in its place.

Floors are midnights (UTC), so each bucket of any granularity lies wholly before one or behind it.
The trap: blocks are removed whole, so one that reaches over a floor still has what lies before it;
that is never shown, or an answer would depend on where blocks happen to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from labmon.datastream.granularity import Granularity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from labmon.datastream.backends.base import BlockOutline
    from labmon.datastream.seal_state import SealState
    from labmon.datastream.stream import Stream

DAY_NS: Final = Granularity.Days.duration_ns

Answer = TypeVar("Answer")


def ladder_of(stream: Stream) -> tuple[Granularity, ...]:
    """The granularities that a stream answers with, finest first: raw, and what is coarser."""
    if not stream.config.value_downsamplers:
        return (Granularity.Raw,)
    highest = stream.config.highest_granularity
    return (Granularity.Raw, *(one for one in Granularity.values if one < highest))


def floor_ns(stream: Stream, granularity: Granularity) -> int:
    """Before this time, nothing is left of a stream at a granularity."""
    return stream.state.floors.get(granularity.key, 0)


def finest_from(stream: Stream, start_ns: int) -> Granularity:
    """The finest granularity that has everything from a time on, as far as there was anything."""
    rungs = ladder_of(stream)
    start_ns = max(start_ns, stream.earliest_ns)
    return next((one for one in rungs if floor_ns(stream, one) <= start_ns), rungs[-1])


def answering(stream: Stream, asked: Granularity, start_ns: int) -> Granularity:
    """What answers for a granularity from a time on: itself, or the finest one that is left."""
    return min(asked, finest_from(stream, start_ns))


async def steady(stream: Stream, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """An answer during which no floor was raised; that happens about once a day."""
    while True:
        floors = stream.state.floors
        answer = await ask()
        if stream.state.floors == floors:
            return answer


def counts(outline: BlockOutline, state: SealState) -> bool:
    """Whether a block reaches behind the floor of its granularity."""
    floor = state.floors.get(outline.key.granularity, 0)
    is_raw = outline.key.granularity == Granularity.Raw.key
    return outline.to_ns >= floor if is_raw else outline.to_ns > floor


def midnights(stream: Stream, start_ns: int, end_ns: int) -> range:
    """Where to cut a range of which there are no datapoints any more, into a day each."""
    start_ns = max(start_ns, stream.earliest_ns)
    until_ns = min(end_ns, floor_ns(stream, Granularity.Raw))
    return range(start_ns - start_ns % DAY_NS + DAY_NS, until_ns, DAY_NS)

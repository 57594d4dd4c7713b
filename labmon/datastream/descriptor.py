"""What a stream tells of itself: its tags, and the reserved tags beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from labmon.datastream.granularity import Granularity
from labmon.datastream.stream import TIME_DOWNSAMPLERS

if TYPE_CHECKING:
    from labmon.datastream.catalogue import Catalogue
    from labmon.datastream.stream import Stream


def describe(catalogue: Catalogue, stream: Stream) -> dict[str, Any]:
    """The descriptor of a stream: plain data, times as int nanoseconds or None."""
    config = stream.config
    latest = stream.newest()
    return {
        **_copy(stream.tags),
        "stream_id": stream.id,
        "value_type": config.value_type,
        "value_type_options": dict(config.value_type_options),
        "value_downsamplers": list(config.value_downsamplers),
        "time_downsamplers": list(TIME_DOWNSAMPLERS),
        "highest_granularity": config.highest_granularity.name,
        "derived_from": _copy(config.derived_from),
        "derive_op": config.derive_op,
        "derive_args": _copy(config.derive_args),
        "contributes_to": [
            dependent.id
            for number in sorted(stream.depends)
            if (dependent := catalogue.number(number)) is not None
        ],
        "pending_backprocess": stream.is_backprocessing,
        "latest_datapoint": None if latest is None else latest.time_ns,
        "earliest_datapoint": None if stream.earliest_ns < 0 else stream.earliest_ns,
        "downsampled_until": _downsampled_until(stream),
        "removed_until": {
            Granularity.find(key).name: time_ns for key, time_ns in stream.state.floors.items()
        },
        "count": stream.count,
    }


def _copy(plain: Any) -> Any:
    """Another one of the same: whoever is told may do with it what he likes."""
    return orjson.loads(orjson.dumps(plain))


def _downsampled_until(stream: Stream) -> dict[str, int | None]:
    """Of each coarser granularity the end of its last finished bucket: always up to date."""
    if not stream.config.value_downsamplers:
        return {}
    return {
        granularity.name: (
            None if stream.latest_ns < 0 else granularity.round_timestamp(stream.latest_ns)
        )
        for granularity in Granularity.values
        if granularity < stream.config.highest_granularity
    }

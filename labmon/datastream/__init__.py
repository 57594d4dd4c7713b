"""Time series with qualities and nanoseconds that survive crashes; see `Datastream`.

    async with datastream.open("sqlite:///data/labmon.db") as streams:
        laser = await streams.ensure_stream(
            {"path": "wavemeter/ch1"}, {"unit": "THz"}, {"mean", "min", "max"}, Granularity.Raw
        )
        await streams.append(laser, 384.230484468)

It stands alone and knows nothing of devices, web or configuration. The trap: what is appended is
visible at once but durable only after `commit`, or a tenth of a second later.
"""

from __future__ import annotations

from labmon.datastream import exceptions
from labmon.datastream.api import (
    Datastream,
    Followed,
    Graph,
    JournalTail,
    Rejection,
    Removed,
    Revised,
)
from labmon.datastream.granularity import Granularity
from labmon.datastream.lazy import Datapoints, Streams
from labmon.datastream.retention import Retention

open = Datastream
"""Open a store: `async with open(url) as streams`."""

__all__ = [
    "Datapoints",
    "Datastream",
    "Followed",
    "Granularity",
    "Graph",
    "JournalTail",
    "Rejection",
    "Removed",
    "Retention",
    "Revised",
    "Streams",
    "exceptions",
    "open",
]

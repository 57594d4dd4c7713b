"""Readings that say where they belong, and what is checked of them after a fault.

I1: what was acknowledged is there, exactly once. I2: nothing is there that nobody sent, and
every value is bit-equal. I3: in each stream in order. I4: rollups are what the raw datapoints give.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

import numpy as np

from labmon import datastream
from labmon.datastream import Granularity

SPAN = 10**7
STEP_NS = 10_000_000
START_NS = 1_700_000_000 * 10**9
STREAMS = ("load/0", "load/1", "load/2")


def value(stream: int, seq: int) -> float:
    """Reading `seq` of a stream; the fraction is there so that it does not compress."""
    return stream * SPAN + seq + (seq * 2654435761 % 2**20) / 2**21


def time_ns(seq: int) -> int:
    return START_NS + seq * STEP_NS


class Report(NamedTuple):
    """How many readings were acknowledged, found, lost, found twice, and never sent."""

    acked: int
    found: int
    lost: int
    dup: int
    extra: int


def judge(found: dict[int, list[float]], acked: dict[int, set[int]], sent: dict[int, set[int]]):
    """Compare what is stored with what was acknowledged and sent; prints and returns the report."""
    lost = dup = extra = 0
    for stream, values in found.items():
        counted = Counter(values)
        known = {value(stream, seq): seq for seq in sent[stream]}
        lost += sum(value(stream, seq) not in counted for seq in acked[stream])
        dup += sum(count - 1 for count in counted.values())
        extra += len(counted.keys() - known.keys())
    report = Report(sum(map(len, acked.values())), sum(map(len, found.values())), lost, dup, extra)
    print(report)
    return report


def check(found: dict[int, list[float]], acked: dict[int, set[int]], sent: dict[int, set[int]]):
    """I1 to I3."""
    report = judge(found, acked, sent)
    assert (report.lost, report.dup, report.extra) == (0, 0, 0), report
    for stream, values in found.items():
        assert values == sorted(values), f"stream {stream} is out of order"
    return report


async def check_rollups(streams: datastream.Datastream, stream_id: str) -> np.ndarray:
    """I4 for one stream; returns its raw values."""
    raw = await streams.get_arrays(stream_id, "raw", 0, 2**62)
    t, v = raw["t"], raw["v"]
    real = ~np.isnan(v)
    for granularity in Granularity.values[1:]:
        rows = await streams.get_arrays(
            stream_id, granularity, 0, 2**62, ["count", "sum", "min", "max"]
        )
        starts = t[real] // granularity.duration_ns * granularity.duration_ns
        buckets, first = np.unique(starts, return_index=True)
        kept = rows["count"] > 0
        np.testing.assert_array_equal(rows["t"][kept], buckets)
        if not len(buckets):
            continue
        values = v[real]
        np.testing.assert_array_equal(rows["count"][kept], np.diff([*first, len(values)]))
        np.testing.assert_array_equal(rows["min"][kept], np.minimum.reduceat(values, first))
        np.testing.assert_array_equal(rows["max"][kept], np.maximum.reduceat(values, first))
        np.testing.assert_allclose(
            rows["sum"][kept], np.add.reduceat(values, first), rtol=1e-12, atol=1e-9
        )
    return v


async def stored(path, **options) -> dict[int, list[float]]:
    """What a store holds after opening it, rollups checked."""
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64, **options) as streams:
        found = {}
        for number, name in enumerate(STREAMS):
            stream_id = streams.stream_id(name)
            found[number] = (
                [] if stream_id is None else (await check_rollups(streams, stream_id)).tolist()
            )
            if stream_id is not None:
                assert streams.describe(stream_id)["count"] == len(found[number])
        assert streams.damage == []
    return found


def dice(seed: int | None = None) -> random.Random:
    """A source of chance whose seed stands in the output."""
    seed = random.randrange(2**32) if seed is None else seed
    print("seed", seed)
    return random.Random(seed)

"""A process that shortens a store from day to day, and says so, until it is killed."""

import asyncio
import sys

import numpy as np

from labmon import datastream
from labmon.datastream import Retention

DAY_NS = 86_400_000_000_000
BEGIN_NS = 19_700 * DAY_NS
STEP_NS = 300_000_000_000
KEEP = Retention({"raw": "3d", "minutes10": "6d", "days": "forever"})


def values(days):
    """Times and values of all days until one."""
    t = BEGIN_NS + np.arange(days * DAY_NS // STEP_NS) * STEP_NS
    return t, np.arange(len(t)) % 1000 / 4


async def main(path):
    now_ns = BEGIN_NS
    async with datastream.open(
        f"sqlite:///{path}",
        clock=lambda: now_ns,
        uptime_s=lambda: now_ns / 1e9,
        seal_datapoints=32,
        retention=[KEEP],
    ) as streams:
        stream = await streams.ensure_stream({"path": "a"}, {}, ["mean"], "raw")
        latest_ns = streams.describe(stream)["latest_datapoint"]
        day = 0 if latest_ns is None else (latest_ns - BEGIN_NS) // DAY_NS + 1
        while True:
            now_ns = BEGIN_NS + (day + 1) * DAY_NS
            t, v = values(day + 1)
            is_new = t >= BEGIN_NS + day * DAY_NS
            await streams.append_array(stream, t[is_new], v[is_new])
            await streams.commit()
            print("day", day, flush=True)
            await streams._engine.retainer.run()
            day += 1


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

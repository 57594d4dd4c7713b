"""A process to be killed: appends, commits, and says on stdout what is durable.

Reading n of every stream has the value n, so that whoever looks later can tell what is missing.
"""

import asyncio
import sys

from labmon import datastream
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch

PATHS = ("w/a", "w/b", "w/c")
SECOND = 1_000_000_000


async def main(path):
    now_ns = [1_700_000_000 * SECOND]
    async with datastream.open(
        f"sqlite:///{path}", clock=lambda: now_ns[0], seal_datapoints=64, commit_interval_s=0.005
    ) as streams:
        for name in PATHS:
            await streams.ensure_stream({"path": name}, {}, ["mean"], "raw")
        next_value = streams.describe(streams.stream_id("w/a"))["count"]
        print("ready", next_value, flush=True)
        while True:
            for _ in range(next_value % 23 + 1):
                now_ns[0] = (1_700_000_000 + next_value) * SECOND
                values = (float(next_value),) * len(PATHS)
                assert (
                    await streams.append_batch(Batch("w", now_ns[0], PATHS, values, bytes(3))) == ()
                )
                next_value += 1
            await streams.commit()
            print("ack", next_value - 1, flush=True)
            if next_value % 7 == 0:
                await upkeep(streams._engine)


asyncio.run(main(sys.argv[1]))

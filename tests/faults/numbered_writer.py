"""A process to be cut off: appends numbered readings, commits, and says on stdout what is durable.

Usage: numbered_writer.py STORE [full|relaxed]. It prints "epoch N" and then "ack SEQ WHEN", where
WHEN is the monotonic clock, which all processes of a machine share. Stdout is a pipe to the test:
elsewhere than the store, whatever happens to that.
"""

import asyncio
import sys
import time

from labmon import datastream
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch
from tests.faults.numbered import STREAMS, time_ns, value

MOST = 1_000_000


async def main(path, durability):
    now_ns = [time_ns(0)]
    async with datastream.open(
        f"sqlite:///{path}",
        clock=lambda: now_ns[0],
        durability=durability,
        seal_datapoints=64,
        commit_interval_s=0.005,
    ) as streams:
        for name in STREAMS:
            await streams.ensure_stream({"path": name}, {}, ["mean", "min", "max"], "raw")
        first = streams.stream_id(STREAMS[0])
        assert first is not None
        seq = streams.describe(first)["count"]
        print("epoch", streams.epoch, flush=True)
        while seq < MOST:
            for _ in range(seq % 23 + 1):
                now_ns[0] = time_ns(seq)
                values = tuple(value(number, seq) for number in range(len(STREAMS)))
                batch = Batch("load", now_ns[0], STREAMS, values, bytes(len(STREAMS)))
                assert await streams.append_batch(batch) == ()
                seq += 1
            await streams.commit()
            print("ack", seq - 1, time.monotonic(), flush=True)
            if seq % 7 == 0:
                await upkeep(streams._engine)


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "full"))

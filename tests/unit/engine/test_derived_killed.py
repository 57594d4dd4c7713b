"""A deriving process is killed with -9 again and again: nothing is missing, nothing doubled."""

import subprocess
import sys

import numpy as np

from labmon import datastream
from labmon.datastream.columns import Columns
from labmon.datastream.operators import find_operator

WRITER = """
import asyncio, sys
from labmon import datastream
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch

async def main(url):
    async with datastream.open(url, seal_datapoints=64, commit_interval_s=0.001) as streams:
        ids = [
            await streams.ensure_stream({"path": path}, {}, ["mean"], "raw")
            for path in ("w/a", "w/b")
        ]
        total = await streams.ensure_stream({"path": "d/sum"}, {}, ["mean"], "raw", ids, "sum")
        await streams.ensure_stream(
            {"path": "d/std"}, {}, ["mean"], "raw", [total], "moving_std", {"window_s": 30}
        )
        latest = streams.latest(ids[0])
        i = 0 if latest is None else latest[0] // 10**9
        while True:
            i += 1
            late = 500_000_000 + 10**9 * (i % 97) if i % 41 == 0 else 0
            at = max(0, i * 10**9 - late)
            await streams.append_batch(
                Batch("w", at, ("w/a", "w/b"), (float(i * i % 89), float(i % 7)), bytes(2))
            )
            if i % 20 == 0:
                await streams.commit()
                print(i, flush=True)
            if i % 333 == 0:
                await upkeep(streams._engine, keep_ns=0)
            await asyncio.sleep(0)

asyncio.run(main(sys.argv[1]))
"""


def run_until_killed(url, lines):
    """Let a writer commit so often, and kill it in the midst of what it does."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            assert writer.stdout.readline()
        writer.kill()


async def columns(streams, path):
    raw = await streams.get_arrays(streams.stream_id(path), "raw", 0, 2**62)
    return Columns(raw["t"], raw["v"], None, raw["quality"])


async def test_derived_streams_go_on_exactly_after_kill_9(tmp_path):
    url = f"sqlite:///{tmp_path}/labmon.db"
    for lines in (7, 31, 18):
        run_until_killed(url, lines)
        async with datastream.open(url, seal_datapoints=64) as streams:
            await streams.backprocess_streams()
            sources = [await columns(streams, path) for path in ("w/a", "w/b")]
            assert len(sources[0]) >= lines * 20
            operator = find_operator("sum", {}, [None, None])
            _, total = operator.advance({}, sources)
            operator = find_operator("moving_std", {"window_s": 30})
            _, deviation = operator.advance({}, [total])
            for path, expected in (("d/sum", total), ("d/std", deviation)):
                found = await columns(streams, path)
                np.testing.assert_array_equal(found.t, expected.t)
                np.testing.assert_array_equal(found.v, expected.v)
                np.testing.assert_array_equal(found.qualities(), expected.qualities())

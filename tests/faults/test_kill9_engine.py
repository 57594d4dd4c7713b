"""Kill -9 of a process that appends: nothing that was acknowledged is lost, nothing is doubled."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from labmon import datastream

CHILD = Path(__file__).with_name("append_and_ack.py")
ROUNDS = 20


def append_and_kill(path, acks):
    """Run the child until it has acknowledged so often; returns the last value it acknowledged."""
    acked = -1
    with subprocess.Popen(
        [sys.executable, CHILD, path],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHILD.parents[2],
        env={"PYTHONPATH": str(CHILD.parents[2])},
    ) as child:
        for line in child.stdout:
            word, value = line.split()
            if word == "ack":
                acked = int(value)
                acks -= 1
            if acks <= 0:
                child.send_signal(signal.SIGKILL)
                break
        # what it had said before it died counts too
        rest = [int(line.split()[1]) for line in child.stdout if line.startswith("ack ")]
    assert child.returncode == -signal.SIGKILL
    return max([acked, *rest])


async def stored(path):
    """The values of each stream, and how long the opening took."""
    began = time.monotonic()
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        took_s = time.monotonic() - began
        found = {}
        for name in streams.paths():
            stream = streams.stream_id(name)
            found[name] = (await streams.get_arrays(stream, "raw", 0, 2**62))["v"]
            rows = await streams.get_arrays(stream, "minutes", 0, 2**62, ["count", "mean"])
            assert rows["count"].sum() == len(found[name])
            total = (rows["mean"] * rows["count"]).sum()
            np.testing.assert_allclose(total, found[name].sum(), rtol=1e-12)
        assert streams.describe(streams.stream_id("w/a"))["count"] == len(found["w/a"])
    return found, took_s


def test_kill_9_under_load_loses_and_doubles_nothing(tmp_path):
    path = tmp_path / "labmon.db"
    seed = random.randrange(10**6)
    print("seed", seed)
    dice = random.Random(seed)
    for _ in range(ROUNDS):
        acked = append_and_kill(path, dice.randint(1, 40))
        found, took_s = asyncio.run(stored(path))
        assert took_s < 5
        lengths = {len(values) for values in found.values()}
        assert len(lengths) == 1, "a batch is in all of its streams or in none"
        for values in found.values():
            assert values[-1] >= acked
            np.testing.assert_array_equal(values, np.arange(len(values), dtype=float))

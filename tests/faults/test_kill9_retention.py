"""Kill -9 of a process that removes old data: its rollups are there, or it is itself."""

import asyncio
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from labmon import datastream
from labmon.datastream import Granularity
from labmon.upkeep.verifying import verify

CHILD = Path(__file__).with_name("shorten_and_say.py")
DAY_NS = 86_400_000_000_000
BEGIN_NS = 19_700 * DAY_NS
STEP_NS = 300_000_000_000
ROUNDS = 8


def values(days):
    """What the child records until a day."""
    t = BEGIN_NS + np.arange(days * DAY_NS // STEP_NS) * STEP_NS
    return t, np.arange(len(t)) % 1000 / 4


def run_and_kill(path, days, pause_s):
    """Let the child go on for some days, and kill it in the middle of what it does then."""
    with subprocess.Popen(
        [sys.executable, CHILD, path],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHILD.parents[2],
        env={"PYTHONPATH": str(CHILD.parents[2])},
    ) as child:
        for _ in range(days):
            child.stdout.readline()
        threading.Event().wait(pause_s)
        child.send_signal(signal.SIGKILL)
        child.stdout.read()
    assert child.returncode == -signal.SIGKILL


async def check(path):
    """Everything of each level from its floor on; returns how many days there are."""
    async with datastream.open(f"sqlite:///{path}", read_only=True) as streams:
        stream = streams.stream_id("a")
        told = streams.describe(stream)
        days = (told["latest_datapoint"] - BEGIN_NS) // DAY_NS + 1
        t, v = values(days)
        floors = told["removed_until"]
        raw_ns = floors.get("Raw", 0)
        raw = await streams.get_arrays(stream, "raw", raw_ns, 2**62)
        np.testing.assert_array_equal(raw["v"], v[t >= raw_ns])
        for granularity in (Granularity.Minutes10, Granularity.Hours, Granularity.Days):
            start_ns = max(BEGIN_NS, floors.get(granularity.name, 0))
            rows = await streams.get_arrays(stream, granularity, start_ns, 2**62)
            means = v[t >= start_ns].reshape(-1, granularity.duration_ns // STEP_NS).mean(axis=1)
            np.testing.assert_allclose(rows["mean"], means, rtol=1e-12)
        assert told["count"] == (t >= raw_ns).sum()
    return days, floors


def test_kill_9_leaves_readings_or_their_rollups(tmp_path):
    path = tmp_path / "labmon.db"
    seed = random.randrange(10**6)
    print("seed", seed)
    dice = random.Random(seed)
    for _ in range(ROUNDS):
        run_and_kill(path, dice.randint(1, 6), dice.uniform(0, 0.03))
        days, floors = asyncio.run(check(path))
        assert asyncio.run(verify(f"sqlite:///{path}")).findings == []
    assert days > ROUNDS
    assert floors["Raw"] > floors.get("Minutes10", 0)

"""The power fails while readings are written: what was acknowledged is there, the file sound.

The cut is ext4's own shutdown, which differs from a real one in that the process lives on: an fsync
under way at this moment may be told that all is well although its transaction is thrown away (the
journal's thread ends it, and who comes later finds nothing left to wait for). Nobody could hear of
such a commit after a real cut. So what counts is what was acknowledged before the cut began.
"""

import asyncio
import contextlib
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.faults.disks import Ext4
from tests.faults.numbered import STREAMS, dice, judge, stored

pytestmark = pytest.mark.long  # cuts the power of a loop device: minutes, and alone on the machine

ROUNDS = 50
LOSES_S = 2.0
"""What `durability: relaxed` may lose: the last so many seconds, and some room for a slow disk."""


@pytest.fixture
def disk(tmp_path):
    disk = Ext4(tmp_path / "disk.img", tmp_path / "disk")
    yield disk
    disk.close()


class Life(NamedTuple):
    """What one life of the writing process said, until the power went.

    Attributes:
        acked: (seq, when) of each acknowledgement, by the writer's own watch.
        cut_s: when the cut began.
    """

    acked: list[tuple[int, float]]
    cut_s: float

    def until(self, when_s):
        """The last reading that was acknowledged before a time; -1: none."""
        return max((seq for seq, acked_s in self.acked if acked_s < when_s), default=-1)

    def tell(self, found):
        """What was said around the cut and what is there, for the message of a failure."""
        said = [
            f"{seq} at {1000 * (acked_s - self.cut_s):+.2f} ms" for seq, acked_s in self.acked[-5:]
        ]
        return (
            f"last acknowledged, and when after the cut began: {', '.join(said)};"
            f" stored: {[len(values) for values in found.values()]}"
        )


class Round:
    """Runs the writing process once."""

    def __init__(self, disk, durability):
        self._disk = disk
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "tests/faults/numbered_writer.py", _store(disk), durability],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        assert self._process.stdout is not None
        self._stdout = self._process.stdout
        self._acked: list[tuple[int, float]] = []
        self.epoch = 0

    def _read(self):
        line = self._stdout.readline()
        match line.split():
            case ["ack", seq, when_s] if line.endswith("\n"):
                self._acked.append((int(seq), float(when_s)))
            case ["epoch", number]:
                self.epoch = int(number)
        return bool(line)

    def cut_after(self, acknowledgements, linger_s, seconds=0.0):
        """Cut the power, let the process run into it, kill it; returns its life."""
        with self._stdout:
            try:
                while len(self._acked) < acknowledgements and self._read():
                    pass
                until_s = time.monotonic() + seconds
                while time.monotonic() < until_s and self._read():
                    pass
                assert self._process.poll() is None, "the writer ended by itself"
                cut_s = time.monotonic()
                self._disk.cut()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(linger_s)
            finally:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
            while self._read():
                pass
        return Life(self._acked, cut_s)


def _store(disk):
    return disk.where / "labmon.db"


def _sound(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall()
    finally:
        connection.close()


def _seqs(last):
    return {stream: set(range(last + 1)) for stream in range(len(STREAMS))}


def _lives(disk, durability, longest_s=0.0):
    """Rounds of writing and cutting; yields each life and what is stored."""
    chance = dice()
    epoch = 0
    for number in range(ROUNDS):
        writer = Round(disk, durability)
        seconds = longest_s * (1.0 if number == 0 else chance.random())
        life = writer.cut_after(chance.randint(1, 60), chance.choice([0.0, 0.0, 0.05]), seconds)
        assert writer.epoch > epoch, "an epoch came twice"
        epoch = writer.epoch
        disk.restore_power()
        found = asyncio.run(stored(_store(disk)))
        assert _sound(_store(disk)) == [("ok",)]
        assert len({len(values) for values in found.values()}) == 1, life.tell(found)
        yield life, found


def _judge(life, found, acked):
    """Nothing is there twice or that nobody sent; returns how much of what was acknowledged is."""
    report = judge(found, _seqs(acked), _seqs(life.until(math.inf) + 1000))
    assert (report.dup, report.extra) == (0, 0), f"{report}; {life.tell(found)}"
    for values in found.values():
        assert values == sorted(values), life.tell(found)
    return report


def test_a_power_cut_takes_nothing_that_was_acknowledged(disk):
    for number, (life, found) in enumerate(_lives(disk, "full")):
        report = _judge(life, found, life.until(life.cut_s))
        assert report.lost == 0, f"round {number}: {report}; {life.tell(found)}"


def test_relaxed_loses_the_last_seconds_and_nothing_else(disk):
    for number, (life, found) in enumerate(_lives(disk, "relaxed", longest_s=3.0)):
        report = _judge(life, found, life.until(life.cut_s - LOSES_S))
        assert report.lost == 0, f"round {number}: {report}; {life.tell(found)}"

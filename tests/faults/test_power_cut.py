"""The power fails while readings are written: what was acknowledged is there, the file sound."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tests.faults.disks import Ext4
from tests.faults.numbered import STREAMS, check, dice, judge, stored

pytestmark = pytest.mark.long  # cuts the power of a loop device: minutes, and alone on the machine


LOSES_S = 2.0
"""What `durability: relaxed` may lose: the last so many seconds, and some room for a slow disk."""


@pytest.fixture
def disk(tmp_path):
    disk = Ext4(tmp_path / "disk.img", tmp_path / "disk")
    yield disk
    disk.close()


class Round:
    """One life of the writing process, until the power goes."""

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
        self.acked: list[tuple[int, float]] = []
        """(seq, when) of each acknowledgement."""
        self.epoch = 0

    def _read(self):
        line = self._stdout.readline()
        word, _, number = line.partition(" ")
        if word == "ack":
            self.acked.append((int(number), time.monotonic()))
        elif word == "epoch":
            self.epoch = int(number)
        return bool(line)

    def cut_after(self, acknowledgements, linger_s, seconds=0.0):
        """Cut the power, let the process run into it, kill it; returns when it was cut."""
        with self._stdout:
            try:
                while len(self.acked) < acknowledgements and self._read():
                    pass
                until_s = time.monotonic() + seconds
                while time.monotonic() < until_s and self._read():
                    pass
                assert self._process.poll() is None, "the writer ended by itself"
                self._disk.cut()
                cut_s = time.monotonic()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(linger_s)
            finally:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
            while self._read():
                pass
        return cut_s


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


def _lives(disk, durability, rounds, longest_s=0.0):
    """Rounds of writing and cutting; yields what was acknowledged, when, and what is stored."""
    chance = dice()
    epoch = 0
    for number in range(rounds):
        life = Round(disk, durability)
        seconds = longest_s * (1.0 if number == 0 else chance.random())
        cut_s = life.cut_after(chance.randint(1, 60), chance.choice([0.0, 0.0, 0.05]), seconds)
        assert life.epoch > epoch, "an epoch came twice"
        epoch = life.epoch
        disk.restore_power()
        found = asyncio.run(stored(_store(disk)))
        assert _sound(_store(disk)) == [("ok",)]
        assert len({len(values) for values in found.values()}) == 1, "a batch is there by half"
        yield life.acked, cut_s, found


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.long)])
def test_a_power_cut_takes_nothing_that_was_acknowledged(disk, rounds):
    for acked, _, found in _lives(disk, "full", rounds):
        check(found, _seqs(acked[-1][0]), _seqs(acked[-1][0] + 1000))


@pytest.mark.parametrize("rounds", [1, pytest.param(50, marks=pytest.mark.long)])
def test_relaxed_loses_the_last_seconds_and_nothing_else(disk, rounds):
    for acked, cut_s, found in _lives(disk, "relaxed", rounds, longest_s=3.0):
        report = judge(found, _seqs(acked[-1][0]), _seqs(acked[-1][0] + 1000))
        assert (report.dup, report.extra) == (0, 0)
        settled = [seq for seq, when_s in acked if when_s < cut_s - LOSES_S]
        assert len(found[0]) > max(settled, default=-1), "more than the last seconds is gone"

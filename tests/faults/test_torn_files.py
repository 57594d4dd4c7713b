"""Copies of a store while it is written, torn and damaged: never a wrong value, and it starts."""

import asyncio
import logging
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import Granularity
from tests.conftest import ROOT
from tests.faults.numbered import START_NS, STEP_NS, STREAMS, dice, value

NAME = "labmon.db"
ACKS = 40


def copy_live(tmp_path, count):
    """Copies of a data folder, one file after the other, while readings pour in."""
    live = tmp_path / "live"
    with subprocess.Popen(
        [sys.executable, ROOT / "tests/faults/numbered_writer.py", live / NAME],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            copies = []
            for number in range(count):
                for _ in range(ACKS):
                    assert process.stdout.readline()
                copies.append(tmp_path / f"copy{number}")
                shutil.copytree(live, copies[-1])
        finally:
            process.kill()
    return copies


def cut_wal(folder, chance):
    wal = folder / f"{NAME}-wal"
    with wal.open("r+b") as file:
        file.truncate(chance.randrange(wal.stat().st_size))


def flip(folder, chance):
    path = chance.choice([folder / NAME, folder / f"{NAME}-wal"])
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def flip_main(folder, chance):
    (folder / f"{NAME}-wal").unlink(missing_ok=True)
    path = folder / NAME
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut_main(folder, chance):
    path = folder / NAME
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


def empty_main(folder, chance):
    (folder / NAME).write_bytes(b"")


def garbage(folder, chance):
    path = folder / NAME
    data = bytearray(path.read_bytes())
    page = chance.randrange(len(data) // 4096)
    data[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    path.write_bytes(data)


def no_damage(folder, chance):
    """A torn copy is damage enough."""


DAMAGES = [cut_wal, flip, flip_main, cut_main, empty_main, garbage, no_damage]


def truth(number, times):
    """What the values at these times are; raises where no reading was sent at one of them."""
    seqs, rest = np.divmod(times - START_NS, STEP_NS)
    assert not rest.any(), "a time that nobody sent"
    return np.array([value(number, seq) for seq in seqs.tolist()])


async def examine(path):
    """Open a store and compare every value with what was sent; returns how many there are."""
    found = 0
    async with datastream.open(f"sqlite:///{path}", seal_datapoints=64) as streams:
        for number, name in enumerate(STREAMS):
            stream = streams.stream_id(name)
            if stream is None:
                continue
            raw = await streams.get_arrays(stream, "raw", 0, 2**62)
            assert (np.diff(raw["t"]) > 0).all(), "out of order, or twice"
            np.testing.assert_array_equal(raw["v"], truth(number, raw["t"]))
            found += len(raw["t"])
            for granularity in Granularity.values[1:]:
                await examine_rollups(streams, stream, number, granularity)
    return found


async def examine_rollups(streams, stream, number, granularity):
    fields = ["count", "sum", "min", "max"]
    rows = await streams.get_arrays(stream, granularity, 0, 2**62, fields)
    most = granularity.duration_ns // STEP_NS
    for start, count, total, low, high in zip(
        rows["t"].tolist(), *(rows[name].tolist() for name in fields), strict=True
    ):
        if not count:
            continue
        assert count <= most
        assert truth(number, np.array([START_NS]))[0] // 1e7 == low // 1e7 == high // 1e7
        if granularity is Granularity.Seconds and count == most:
            values = truth(number, start + STEP_NS * np.arange(most))
            assert (low, high) == (values.min(), values.max())
            np.testing.assert_allclose(total, values.sum(), rtol=1e-12)


@pytest.mark.parametrize("rounds", [14, pytest.param(150, marks=pytest.mark.long)])
def test_a_damaged_copy_never_gives_a_wrong_value(tmp_path, rounds, caplog):
    caplog.set_level(logging.CRITICAL, "labmon")
    chance = dice()
    outcomes = {}
    for number, copy in enumerate(copy_live(tmp_path, rounds)):
        damage = DAMAGES[number % len(DAMAGES)]
        (copy / f"{NAME}-shm").unlink(missing_ok=True)
        damage(copy, chance)
        readings = asyncio.run(examine(copy / NAME))
        was_set_aside = any(".corrupt." in file.name for file in copy.iterdir())
        outcomes.setdefault(damage.__name__, []).append((readings, was_set_aside))
        shutil.rmtree(copy)
    for name, found in outcomes.items():
        print(name, found)
    assert all(was_set_aside for _, was_set_aside in outcomes["empty_main"])
    assert all(readings for readings, _ in outcomes["no_damage"])

"""docs/drivers.md: its code runs, its configurations load, and it names everything there is."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labmon.config import DeviceConfig, load
from labmon.device.device import Device
from labmon.device.registry import build
from labmon.device.simulated_fault import FAULTS
from labmon.device.simulator import Simulator, register_simulator, simulators
from labmon.device.transport import LinkKeys
from labmon.timestamps import Clock

if TYPE_CHECKING:
    from labmon.reading import Batch, Value

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "drivers.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_driver_and_its_test_run(tmp_path):
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, "a block of code begins with the name of its file"
        (tmp_path / name[1]).write_text(block, encoding="utf-8")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "drivers"), str(tmp_path)])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio", tmp_path],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout


@pytest.mark.parametrize("block", blocks("python")[2:])
async def test_the_other_drivers_come_online_with_a_simulator(block):
    class Instrument(Simulator):
        """Answers each request with a number, and says one by itself now and then."""

        def feed(self, data: bytes) -> bytes:
            return b"21.5\n" * data.count(b"\n")

        def tick(self, now_s: float) -> bytes:
            return b"20.5\n"

    space: dict[str, Any] = {"__name__": "of_the_docs"}
    exec(compile(block, "drivers.md", "exec"), space)
    made = next(each for each in space.values() if getattr(each, "__module__", "") == "of_the_docs")
    register_simulator("of_the_docs", Instrument)
    values: list[Value] = []
    came = asyncio.Event()

    def publish(batch: Batch) -> None:
        values.extend(v for v in batch.values if v in {20.5, 21.5})
        if values:
            came.set()

    config = DeviceConfig(name="device", driver="of:Docs", period_s=0.02)
    device = Device(
        config, made("sim://of_the_docs"), clock=Clock(), publish=publish, changed=lambda _: None
    )
    await device.start()
    await asyncio.wait_for(came.wait(), 30)
    await device.stop()


def test_they_are_as_short_as_the_headings_say():
    driver, test = (block.strip().splitlines() for block in blocks("python")[:2])
    assert len([line for line in driver if line.strip()]) <= 40
    assert len([line for line in test if line.strip()]) <= 21


@pytest.mark.parametrize("block", blocks("yaml"))
def test_every_configuration_is_valid(block, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(block, encoding="utf-8")
    for device in load(path).devices:
        assert build(device).channels


@pytest.mark.parametrize("block", blocks("yaml", CONFIGURATION))
def test_every_configuration_of_the_page_about_it_has_drivers_that_there_are(block, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(block, encoding="utf-8")
    for device in load(path).devices:
        assert build(device)


@pytest.mark.parametrize("word", [*LinkKeys.__annotations__, *FAULTS[1:]])
def test_every_key_of_a_line_and_every_fault_is_described(word):
    assert f"`{word}`" in TEXT


def test_every_simulator_is_listed():
    for name in simulators():
        if name not in {"mine", "oven", "of_the_docs"}:  # made by tests
            assert f"`sim://{name}`" in TEXT

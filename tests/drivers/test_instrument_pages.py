"""docs/instruments.md and its pages: made from the drivers, complete, and what they show works."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from labmon.config import load
from labmon.device import Driver, LinkDriver, Timed
from labmon.device.channels import all_channels
from labmon.device.command import commands_of
from labmon.device.registry import available, build, find
from labmon.device.settings import signature_of
from labmon.device.transport import LinkKeys

DOCS = Path(__file__).parents[2] / "docs"
MAKER: dict[str, Any] = runpy.run_path(str(DOCS / "instruments.py"))
NAMES = [each.name for each in available()]
WITHOUT_WIRES = {"host", "simulated_wavemeter", "simulated_adc"}
ALWAYS = {"Configuration", "Without hardware"}
WITH_WIRES = {"Wiring", "Quirks", "Manual"}


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


def test_the_pages_are_up_to_date():
    for path, text in MAKER["pages"]().items():
        assert path.read_text("utf-8") == text, f"python docs/instruments.py ({path.name})"


def test_there_is_no_page_of_a_driver_that_is_gone():
    assert sorted(page.stem for page in (DOCS / "instruments").glob("*.md")) == sorted(NAMES)


def test_every_driver_says_what_one_must_know(name):
    wanted = ALWAYS if name in WITHOUT_WIRES else ALWAYS | WITH_WIRES
    assert wanted <= set(MAKER["sections"](name))


def test_every_configuration_is_valid(name, tmp_path):
    text = (DOCS / "instruments" / f"{name}.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        path = tmp_path / "config.yaml"
        path.write_text(block, encoding="utf-8")
        for device in load(path).devices:
            build(device)


def test_every_setting_and_command_is_named(name):
    text = (DOCS / "instruments" / f"{name}.md").read_text("utf-8")
    elsewhere = LinkKeys.__annotations__ if issubclass(find(name), LinkDriver) else {}
    for setting in signature_of(find(name)).arguments:
        assert f"`{setting}`" in text or setting in elsewhere, setting
    for command in commands_of(find(name)):
        assert f"`{command}" in text, command


def test_every_driver_runs_without_hardware(bench, name):
    driver = bench.use(MAKER["configured"](MAKER["sections"](name)["Without hardware"]))
    declared = all_channels("device", driver)
    driver.connect()
    for channel, now in all_channels("device", driver).items():
        before = declared.get(channel, now)  # a stream that began so could not go on otherwise
        assert (now.unit, now.kind) == (before.unit, before.kind), channel
    if type(driver).stream is Driver.stream:
        polled = driver.poll()
    else:
        polled = next(each for each in driver.stream() if each)
    readings = polled.readings if isinstance(polled, Timed) else polled
    assert readings
    assert driver.simulated or name == "host"

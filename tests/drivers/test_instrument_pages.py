"""docs/instruments/*.md: their configurations load, and every setting and command is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labmon.config import load
from labmon.device.command import commands_of
from labmon.device.registry import build, find
from labmon.device.settings import signature_of
from labmon.device.transport import LinkKeys

PAGES = sorted((Path(__file__).parents[2] / "docs" / "instruments").glob("*.md"))


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request) -> Path:
    return request.param


def test_every_configuration_is_valid(page, tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        path = tmp_path / "config.yaml"
        path.write_text(block, encoding="utf-8")
        for device in load(path).devices:
            build(device)


def test_every_setting_and_command_is_named(page):
    text = page.read_text("utf-8")
    driver = find(page.stem)
    for name in signature_of(driver).arguments:
        assert f"`{name}`" in text or name in LinkKeys.__annotations__, name
    for name in commands_of(driver):
        assert f"`{name}" in text, name

"""docs/rpc.md says what the server does: its examples are sent, its tables are compared."""

import json
import re
from pathlib import Path

import pytest

from labmon import config
from labmon.app import App
from labmon.control.caller import Caller
from labmon.control.codes import MEANINGS

PAGE = (Path(__file__).parents[2] / "docs" / "rpc.md").read_text()
EXAMPLES = [
    [json.loads(line) for line in block.splitlines()]
    for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
]


@pytest.fixture
async def app(tmp_path, eventually):
    path = tmp_path / "config.yaml"
    path.write_text("store: 'memory:'\ndevices: {wavemeter: {driver: simulated_wavemeter}}")
    app = App(config.load(path, port=0))
    await app.start()
    try:
        await eventually(lambda: app.devices["wavemeter"].state == "online")
        yield app
    finally:
        await app.stop()


async def test_each_example_gives_the_reply_beside_it(app):
    assert len(EXAMPLES) >= 4
    for request, reply in EXAMPLES:
        given = await app.rpc.handle(request, Caller("local", "operator"))
        given.get("error", {}).pop("data", None)
        assert given == reply


async def test_every_method_of_labmon_itself_stands_in_the_page(app):
    for method in app.rpc.discover()["methods"]:
        if not method["name"].startswith("wavemeter."):
            assert f"| `{method['name']}` |" in PAGE


def test_every_code_stands_in_the_page_with_its_meaning():
    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning} |" in PAGE

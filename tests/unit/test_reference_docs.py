"""docs/datastream.md says what the docstrings say, about everything that is public, and it runs."""

import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from labmon import datastream
from labmon.datastream import exceptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "datastream.md").read_text("utf-8")
SCRIPTS = re.findall(r"^```python\n(import .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SERVER = "labmon.web labmon.config labmon.device labmon.hub tornado pydantic yaml motor serial"


def test_the_reference_is_up_to_date():
    page = runpy.run_path(str(ROOT / "docs" / "reference.py"))["page"]
    assert page() == PAGE, "python docs/reference.py > docs/datastream.md"


def test_everything_public_has_something_said_about_it():
    parts = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    silent = [part.split("\n", 1)[0] for part in parts if not re.search(r"[a-z]{3}[^`]*\.", part)]
    assert silent == []


def test_everything_public_is_on_the_page():
    names = [name for name in datastream.__all__ if inspect.isclass(getattr(datastream, name))]
    errors = [
        name
        for name, cls in vars(exceptions).items()
        if inspect.isclass(cls) and cls.__module__ == exceptions.__name__
    ]
    titles = re.findall(r"^##+ (\w+)$", PAGE, re.MULTILINE)
    assert set(names + errors) - {"open"} <= set(titles)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_example_runs_as_it_stands_and_without_the_server(tmp_path, script):
    code = (
        f"{script}\nimport sys\nprint([name for name in {SERVER.split()} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *told, loaded = done.stdout.splitlines()
    assert told
    assert loaded == "[]"


def test_there_are_examples_of_each_way_to_use_it():
    ways = ("asyncio.run", "follow", "asyncio.Runner")
    assert [way in script for way, script in zip(ways, SCRIPTS, strict=True)] == [True] * 3

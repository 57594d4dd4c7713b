"""docs/datastream.md says what the docstrings say, about everything that is public."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "datastream.md"


def test_the_reference_is_up_to_date():
    page = runpy.run_path(str(ROOT / "docs" / "reference.py"))["page"]
    assert PAGE.read_text("utf-8") == page(), "python docs/reference.py > docs/datastream.md"


def test_everything_public_has_something_said_about_it():
    parts = re.split(r"^### ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    silent = [part.split("\n", 1)[0] for part in parts if not re.search(r"[a-z]{3}[^`]*\.", part)]
    assert silent == []


async def test_the_example_runs_as_it_stands(capsys):
    code = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    names = {}
    exec(code.replace("asyncio.run(main())", ""), names)
    await names["main"]()
    assert "384.23048446" in capsys.readouterr().out

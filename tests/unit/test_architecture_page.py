"""docs/architecture.md names every layer of the import contract, and its links lead somewhere."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_every_layer_stands_on_the_page():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = next(each for each in contracts["contracts"] if each["type"] == "layers")["layers"]
    names = re.findall(r"(?<!\()\b\w+\b(?!\))", " ".join(layers))  # in brackets: not there yet
    block = PAGE.split("## Who may import whom")[1].split("## ")[0]
    assert [name for name in names if not re.search(rf"\b{name}\b", block)] == []


def test_every_link_leads_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", PAGE)
    assert [each for each in targets if not (ROOT / "docs" / each).exists()] == []

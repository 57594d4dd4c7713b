import re
import shlex
from pathlib import Path

import click
import pytest

from labmon.cli import main
from labmon.web.openapi import template
from labmon.web.routes import API, SOCKETS, V1

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "http.md").read_text()
COMMANDS = [
    (page.name, line)
    for page in sorted(DOCS.glob("*.md"))
    for line in re.findall(
        rf"^(?:    |.*/bin/)labmon ((?:{'|'.join(main.commands)})\b.*)$",
        page.read_text(),
        re.MULTILINE,
    )
]


def test_every_address_stands_in_the_docs():
    for pattern, _ in (*API, *SOCKETS):
        address = template(pattern).replace("{name}", "NAME").replace("{action}", "reconnect")
        assert address in PAGE or address.removeprefix(V1) in PAGE, address


def test_every_method_stands_in_the_docs():
    for _, handler in API:
        for method in handler.operations:
            assert method in PAGE


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_in_the_docs_are_understood(page, line):
    name, *words = shlex.split(re.sub(r"\$\(.*?\)|>.*", "", line))
    command = main.commands[name]
    try:
        command.make_context(name, words)
    except click.BadParameter as error:  # of the files that it names, none is here
        assert "does not exist" in error.message  # noqa: PT017


def test_commands_are_found_in_the_docs():
    assert {page for page, _ in COMMANDS} >= {"deploy.md", "store.md"}

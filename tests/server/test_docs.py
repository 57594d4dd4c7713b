from pathlib import Path

from labmon.web.openapi import template
from labmon.web.routes import API, SOCKETS, V1

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text()


def test_every_address_stands_in_the_docs():
    for pattern, _ in (*API, *SOCKETS):
        address = template(pattern).replace("{name}", "NAME").replace("{action}", "reconnect")
        assert address in PAGE or address.removeprefix(V1) in PAGE, address


def test_every_method_stands_in_the_docs():
    for _, handler in API:
        for method in handler.operations:
            assert method in PAGE

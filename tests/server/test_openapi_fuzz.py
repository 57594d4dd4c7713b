"""Whatever openapi.json lets one send: no bug shows, and every answer is as the document says.

Requests are made from the document by schemathesis, valid ones and spoilt ones, over a real socket.
"""

from contextlib import closing

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from labmon.web.openapi import document
from tests.conftest import PATIENCE_S, ServerProcess

CONFIG = """
devices:
  wavemeter: {driver: simulated_wavemeter, period_s: 0.1}
  adc: {driver: simulated_adc, period_s: 0.1}
"""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SLOWEST_S = 2.0
QUICK, LONG = 20, 400
"""Requests of each kind."""
KNOWN = {
    "stream": st.lists(st.sampled_from(["wavemeter/ch1", "adc/light", "*/*", "x"]), min_size=1),
    "path": st.lists(st.sampled_from(["**", "wavemeter/*", "**/_*"])),
    "start": st.sampled_from(["-1h", "0", "2026-01-01T00:00:00Z", "-3s"]),
    "end": st.sampled_from(["now", "-1s", "1e9"]),
}
NAMES = {"streams": ["wavemeter/ch1", "adc/light"], "devices": ["wavemeter", "adc"]}
ENDLESS = {"/api/v1/live"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with closing(ServerProcess(tmp_path_factory.mktemp("fuzz"), CONFIG)) as server:
        server.start()
        yield server


def operations():
    return [
        pytest.param(path, method, id=f"{method} {path}")
        for path, methods in document()["paths"].items()
        for method in methods
        if path not in ENDLESS
    ]


def cases(operation):
    """Requests as the document allows them, some with names that exist, and spoilt ones."""
    given_by_client = [parameter.name for parameter in operation.query]
    modes = [GenerationMode.POSITIVE]
    if given_by_client or operation.body:
        modes.append(GenerationMode.NEGATIVE)
    known = {name: KNOWN[name] for name in given_by_client if name in KNOWN}
    return st.tuples(
        st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]),
        st.fixed_dictionaries({}, optional=known),
        st.sampled_from([None, *NAMES.get(operation.path.split("/")[3], ())])
        if "{name}" in operation.path
        else st.none(),
    )


def asked(case, query, name):
    if query:
        case.query = {**(case.query or {}), **query}
    if name is not None:
        case.path_parameters = {**case.path_parameters, "name": name}
    return case


@pytest.mark.parametrize(("path", "method"), operations())
def test_no_request_shows_a_bug_and_every_answer_is_as_promised(server, path, method):
    schema = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
    operation = schema[path][method.upper()]

    @settings(
        max_examples=QUICK if settings().derandomize else LONG,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(made=cases(operation))
    def fuzz(made):
        case = asked(*made)
        response = case.call(timeout=PATIENCE_S)
        case.validate_response(response, checks=CHECKS)
        assert "Traceback" not in response.text
        if response.elapsed >= SLOWEST_S:  # once it may have been the machine
            assert case.call(timeout=PATIENCE_S).elapsed < SLOWEST_S

    fuzz()
    complaints = [line for line in server.lines if " ERROR " in line or "Traceback" in line]
    assert complaints == []

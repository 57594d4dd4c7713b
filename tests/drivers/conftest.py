"""Instruments for the tests: simulators on a TCP port, a pseudo-terminal and RFC 2217."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from labmon.device.simulated_fault import FaultySimulator
from labmon.device.simulator import make_simulator
from labmon.device.simulator_server import (
    PtySimulatorServer,
    SimulatorServer,
    TcpSimulatorServer,
)
from tests.drivers.echo import Echo
from tests.drivers.outlet import Rfc2217Server
from tests.drivers.wavemeter import Wavemeter, compiled

KINDS = ["tcp", pytest.param("pty", marks=pytest.mark.skipif(os.name != "posix", reason="no pty"))]

SERVERS = {"tcp": TcpSimulatorServer, "pty": PtySimulatorServer, "rfc2217": Rfc2217Server}


def wait_until(condition: Callable[[], Any], timeout_s: float = 30.0) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        pause.wait(0.005)


class QuickTime:
    """The module time, but for its pauses."""

    @staticmethod
    def sleep(seconds: float) -> None:
        threading.Event().wait(seconds / 20)


class Bench:
    """A table with instruments on it: what is put there is taken away after the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def serve(self, kind: str, simulator: Any, **options: Any) -> SimulatorServer:
        server_class = SERVERS[kind]
        return self._stack.enter_context(server_class(simulator, **options))

    def faulty(self, kind: str, simulator: Any) -> tuple[SimulatorServer, FaultySimulator]:
        """A server whose instrument can be spoilt: set `.fault` on the second."""
        faulty = FaultySimulator(simulator)
        return self.serve(kind, faulty), faulty

    def use(self, driver: Any) -> Any:
        """A driver that is disconnected in the end."""
        self._stack.callback(driver.disconnect)
        return driver


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that real instruments need are shorter here."""
    monkeypatch.setattr("labmon.device.link_driver.QUIET_S", 0.02)
    monkeypatch.setattr("labmon.device.link_driver.OWED_QUIET_S", 0.25)
    monkeypatch.setattr("labmon_drivers.pfeiffer.QUIET_S", 0.03)
    monkeypatch.setattr("labmon_drivers.toptica.SETTLE_S", 0.03)
    monkeypatch.setattr("labmon_drivers.highfinesse.LISTEN_S", 0.01)
    monkeypatch.setattr("serial.rfc2217.time", QuickTime)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def rfc2217(bench: Bench) -> Callable[[str], str]:
    """Serve a simulator as RFC 2217 does; returns the port."""
    return lambda url: bench.serve("rfc2217", make_simulator(url)).port


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return compiled(tmp_path_factory.mktemp("wlmdata"))


@pytest.fixture(params=["int32_t", "int64_t"])
def wavemeter(request: pytest.FixtureRequest, libraries: dict[str, str]) -> Iterator[Wavemeter]:
    made = Wavemeter(libraries[request.param])
    yield made
    for driver in made.drivers:
        driver.disconnect()
    assert made.fake.fake_stops() == 0
    assert made.fake.fake_installed() == 0

"""Instruments for the tests: simulators on a TCP port, a pseudo-terminal and RFC 2217."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any, cast

import pytest
import serial
import serial.rfc2217

from labmon.device.simulated_fault import FaultySimulator
from labmon.device.simulator_server import (
    PtySimulatorServer,
    SimulatorServer,
    TcpSimulatorServer,
)

KINDS = ["tcp", pytest.param("pty", marks=pytest.mark.skipif(os.name != "posix", reason="no pty"))]


def wait_until(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        pause.wait(0.005)


class Bench:
    """A table with instruments on it: what is put there is taken away after the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def serve(self, kind: str, simulator: Any, **options: Any) -> SimulatorServer:
        server_class = {"tcp": TcpSimulatorServer, "pty": PtySimulatorServer}[kind]
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
    monkeypatch.setattr("labmon_drivers.pfeiffer.QUIET_S", 0.03)
    monkeypatch.setattr("labmon_drivers.toptica.SETTLE_S", 0.03)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until


class Rfc2217Server:
    """A serial-to-network converter with a simulator on its serial side."""

    def __init__(self, url: str) -> None:
        self._serial = serial.serial_for_url(url, timeout=0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.port = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Rfc2217Server:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()
        self._serial.close()

    def write(self, data: bytes) -> None:
        """What the telnet layer says to the client."""
        self._client.sendall(data)

    def _run(self) -> None:
        self._listener.settimeout(5)
        self._client, _ = self._listener.accept()
        manager = serial.rfc2217.PortManager(cast(Any, self._serial), cast(Any, self))
        with self._client as client:
            client.settimeout(0.01)
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    data = client.recv(1024)
                    if not data:
                        return
                    self._serial.write(b"".join(manager.filter(data)))
                client.sendall(b"".join(manager.escape(self._serial.read(1024))))


@pytest.fixture
def rfc2217() -> Iterator[Callable[[str], str]]:
    """Serve a simulator as RFC 2217 does; returns the port."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(Rfc2217Server(url)).port

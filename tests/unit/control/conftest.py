"""A bench with one instrument, whose commands run at once on the event loop."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest

from labmon.control.audit import Audit
from labmon.control.caller import Caller
from labmon.control.lease import Leases
from labmon.control.rpc import Rpc
from labmon.device import Driver, InstrumentError, InstrumentTimeoutError, Limits, OfflineError
from labmon.device.command import command, commands_of


class Valve(Driver):
    """A valve with commands of every sort."""

    def __init__(self) -> None:
        self.openings: list[float] = []
        self.colour = "grey"

    @command
    def open(
        self, percent: Annotated[float, Limits(0, 100, unit="%")], slow: bool = False
    ) -> float:
        """Open the valve.

        Args:
            percent: how far.
            slow: whether to take one's time.
        """
        self.openings.append(percent)
        return percent

    @command(role="viewer", confirm="Really?", timeout_s=3)
    def beep(self) -> None:
        """Make a sound."""

    @command
    def fail(self, how: str) -> None:
        """Fail in one way or another."""
        raise {
            "offline": OfflineError("valve is offline"),
            "instrument": InstrumentError("valve says E5"),
            "timeout": InstrumentTimeoutError("no answer within 1 s"),
            "bug": ZeroDivisionError("secret"),
        }[how]

    @command
    def set_colour(self, value: str) -> None:
        """Paint it."""
        self.colour = value

    @command(role="viewer", only_reads=True)
    def get_colour(self) -> str:
        """Look at it."""
        return self.colour

    @command
    def set_lamp(self, number: int, on: bool) -> None:
        """A command that only sounds like a parameter."""

    @command
    def say(self, text: str) -> str:
        """Say it again."""
        return text


class Bench:
    """A device whose commands wait only where a test holds them up."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.commands = commands_of(type(driver))
        self.timeouts: list[float | None] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def call(self, name: str, kwargs: Any, timeout_s: float | None = None) -> Any:
        self.timeouts.append(timeout_s)
        self.begun.set()
        await self.go.wait()
        return self.commands[name].run(self.driver, kwargs)


class Clocks:
    """Wall and monotonic time, moved by hand."""

    def __init__(self) -> None:
        self.wall_ns = 1_764_244_800 * 10**9
        self.monotonic_ns = 0

    def advance(self, seconds: float) -> None:
        self.wall_ns += int(seconds * 1e9)
        self.monotonic_ns += int(seconds * 1e9)


@pytest.fixture
def valve() -> Valve:
    return Valve()


@pytest.fixture
def bench(valve) -> Bench:
    return Bench(valve)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def leases(clocks) -> Leases:
    return Leases(lambda: clocks.wall_ns, lambda: clocks.monotonic_ns)


@pytest.fixture
def records() -> list[tuple[str, Any]]:
    return []


@pytest.fixture
def rpc(bench, leases, records) -> Rpc:
    return Rpc({"valve": bench}, Audit(lambda path, value: records.append((path, value))), leases)


@pytest.fixture
def call(rpc):
    """Call a method as an operator; returns the reply."""

    async def call(method: str, params: Any = None, who: str = "ann", **members: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, **members}
        if params is not None:
            request["params"] = params
        return await rpc.handle(request, Caller(who, "operator", "127.0.0.1"))

    return call

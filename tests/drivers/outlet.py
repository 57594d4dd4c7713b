"""An instrument at the end of a line, which can be spoilt, cut, unplugged and switched off.

Three kinds of line lead to the same simulators: a pseudo-terminal that stands for a USB adapter
with a serial number, a TCP port, and an RFC 2217 converter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import serial
import serial.rfc2217

from labmon.device.simulated_fault import FaultySimulator
from labmon.device.simulator_server import (
    PtySimulatorServer,
    SimulatorServer,
    TcpSimulatorServer,
)
from tests.conftest import HeldPort

CHATTER_EVERY_S = 0.04
CHATTER_TIMES = 4


class Spoilt:
    """A simulator that chatters and is deaf while it starts, and answers wrongly when told to."""

    def __init__(self, simulator: Any, chatter: bytes = b"") -> None:
        self.simulator = simulator
        self.answer: Callable[[bytes], bytes] | None = None
        self._chatter = [chatter] * CHATTER_TIMES if chatter else []
        self._next_s = 0.0

    @property
    def is_deaf(self) -> bool:
        return bool(self._chatter)

    def feed(self, data: bytes) -> bytes:
        if self._chatter:
            return b""
        answer = self.simulator.feed(data)
        return self.answer(answer) if self.answer and answer else answer

    def tick(self, now_s: float) -> bytes:
        said = self.simulator.tick(now_s)
        if self._chatter and now_s >= self._next_s:
            self._next_s = now_s + CHATTER_EVERY_S
            said += self._chatter.pop()
        return said


class Rfc2217Server(TcpSimulatorServer):
    """A serial-to-network converter with an instrument on its serial side."""

    def __init__(self, simulator: Any, **options: Any) -> None:
        super().__init__(simulator, **options)
        self._line = serial.serial_for_url("loop://")  # has the settings that a client may make
        self._managed: Any = None
        self._manager: Any = None

    @property
    def port(self) -> str:
        return super().port.replace("tcp://", "rfc2217://")

    def write(self, data: bytes) -> None:
        """What the telnet layer says to the client."""
        self._managed.sendall(data)

    def _answer(self, data: bytes) -> bytes:
        if self._client is None:
            return super()._answer(data)
        if self._client is not self._managed:
            self._managed = self._client
            self._manager = serial.rfc2217.PortManager(cast(Any, self._line), cast(Any, self))
        answer = super()._answer(b"".join(self._manager.filter(data)))
        return b"".join(self._manager.escape(answer))


class Outlet:
    """One instrument with its line; `close()` it in the end.

    Args:
        kind: `pty`, `tcp` or `rfc2217`.
        make: makes the instrument as it is when it was just switched on.
        folder: for the names of serial ports; its own is the serial number of the adapter.

    Attributes:
        port: what a driver is told.
        spoilt: the instrument; set `.answer` to have it say something else.
        cable: between the two; set `.fault` to one of `FaultySimulator`.
    """

    def __init__(self, kind: str, make: Callable[[], Any], folder: Path) -> None:
        self.kind = kind
        self._make = make
        self._folder = folder
        self._held_port = HeldPort()  # nobody else gets it while it is unplugged
        self._plugs = 0
        self._server: SimulatorServer | None = None
        self.switch_on()
        self.port = f"usb://{self.serial_number}" if kind == "pty" else self._serving.port

    @property
    def serial_number(self) -> str:
        return self._folder.name

    @property
    def adapters(self) -> list[Any]:
        """As the operating system lists them: the name changes, the serial number stays."""
        if self.kind != "pty" or self._server is None:
            return []
        return [SimpleNamespace(device=self._server.port, serial_number=self.serial_number)]

    @property
    def _serving(self) -> SimulatorServer:
        assert self._server is not None
        return self._server

    def switch_on(self, chatter: bytes = b"") -> None:
        """A new instrument, which knows nothing of what was before; on its own line."""
        self.spoilt = Spoilt(self._make(), chatter)
        self.cable = FaultySimulator(cast(Any, self.spoilt))
        if self._server is None:
            self.plug_in()
        else:
            self._server.simulator = self.cable

    def switch_off(self) -> None:
        """What has its own network is gone; behind an adapter or converter, it falls silent."""
        if self.kind == "tcp":
            self.unplug()
        else:
            self.cable.fault = "silence"

    def plug_in(self) -> None:
        """The same instrument again: a serial port has another name then."""
        if self.kind == "pty":
            link = self._folder / f"ttyUSB{self._plugs}"
            self._plugs += 1
            self._server = PtySimulatorServer(self.cable, link).start()
        else:
            server_class = {"tcp": TcpSimulatorServer, "rfc2217": Rfc2217Server}[self.kind]
            self._server = server_class(self.cable, tcp_port=self._held_port.number).start()

    def unplug(self) -> None:
        """The adapter is pulled out, or the network address is dead."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def hang_up(self) -> None:
        """The line ends, and begins anew at once."""
        if isinstance(self._server, TcpSimulatorServer):
            self._server.drop_client()
        else:
            self.unplug()
            self.plug_in()

    def close(self) -> None:
        self.unplug()
        self._held_port.close()

"""`addresses: [sim://epics]`: an EPICS server (IOC) in this process, with the records of a furnace.

    TEMP   temperature in °C, follows TARGET      TARGET   from 0 to 250 °C, can be set
    MODE   off, heating or error, can be set      NOTE     text, can be set

Channel Access and the server are caproto's. The trap: a server tells the whole network that it is
there; this one keeps to itself, and is found only by who asks at its address.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import threading
from typing import Any, Final, NoReturn

from caproto import ChannelType
from caproto.asyncio.server import Context
from caproto.server import PVGroup, pvproperty

from labmon.device import OfflineError

HOST: Final = "127.0.0.1"
START_S: Final = 5.0
SCAN_S: Final = 0.5
LAG_S: Final = 20.0

logging.getLogger("caproto.ctx").setLevel(logging.CRITICAL)


class Furnace(PVGroup):
    """The records."""

    temperature = pvproperty(value=21.5, name="TEMP", units="degC", precision=3, read_only=True)
    target = pvproperty(
        value=150.0,
        name="TARGET",
        units="degC",
        precision=1,
        lower_ctrl_limit=0.0,
        upper_ctrl_limit=250.0,
    )
    mode = pvproperty(
        value="heating",
        name="MODE",
        dtype=ChannelType.ENUM,  # pyright: ignore[reportArgumentType]
        enum_strings=["off", "heating", "error"],
    )
    note = pvproperty(
        value="ready",
        name="NOTE",
        dtype=ChannelType.STRING,  # pyright: ignore[reportArgumentType]
    )

    async def follow(self) -> NoReturn:
        """Heat to the target, or cool down."""
        while True:
            await asyncio.sleep(SCAN_S)
            wanted = self.target.value if self.mode.value == "heating" else 20.0
            now = self.temperature.value
            await self.temperature.write(now + (wanted - now) * (1 - math.exp(-SCAN_S / LAG_S)))


class _Quiet(Context):
    """A server that nobody hears who does not ask."""

    async def broadcast_beacon_loop(self) -> NoReturn:
        """Send no beacons."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError


class EpicsIoc:
    """The server, on a thread of its own between `start()` and `close()`.

    Args:
        prefix: before the records' names.

    Attributes:
        address: where to search, `HOST:PORT`.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="epics simulator", daemon=True)

    def start(self) -> EpicsIoc:
        """Serve.

        Raises:
            OfflineError: it does not come up.
        """
        self._thread.start()
        if not self._is_up.wait(START_S):
            raise OfflineError("the simulated EPICS server does not start")
        return self

    def close(self) -> None:
        """End it."""
        if self._thread.is_alive() and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(START_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._task = asyncio.current_task()
        furnace, port = Furnace(prefix=self._prefix), _free_port()
        context: Any = _Quiet(furnace.pvdb, interfaces=[HOST])
        context.ca_server_port = port
        self.address = f"{HOST}:{port}"

        async def up(_async_library: Any) -> None:
            self._is_up.set()
            await furnace.follow()

        await context.run(startup_hook=up)


def _free_port() -> int:
    """A port for the datagrams of searches that nobody else has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]

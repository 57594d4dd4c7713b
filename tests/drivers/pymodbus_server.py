"""pymodbus's own server with the registers of our simulator, and a serial cable to it."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import tty
from typing import Any

from pymodbus.simulator import DataType, SimData, SimDevice


class ModbusServer:
    """pymodbus's own server with the registers of our simulator, on a thread of its own."""

    def __init__(self, make: Any) -> None:
        self._make = make
        self._thread = threading.Thread(target=self._run)
        self._is_up = threading.Event()
        self._stop: asyncio.Event | None = None
        self.port = 0

    def __enter__(self) -> ModbusServer:
        self._thread.start()
        assert self._is_up.wait(30)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = self._make(registers())
        await server.serve_forever(background=True)
        if (sockets := getattr(server.transport, "sockets", None)) is not None:
            self.port = sockets[0].getsockname()[1]
        self._is_up.set()
        await self._stop.wait()
        await server.shutdown()


def registers() -> SimDevice:
    holding = [
        SimData(0, values=[1234, -56, 1200, 0], datatype=DataType.INT16),
        SimData(10, values=412.5, datatype=DataType.FLOAT32),
        SimData(12, values=123_456, datatype=DataType.UINT32),
    ]
    coils = [SimData(0, values=[True, False] + [False] * 14, datatype=DataType.BITS)]
    inputs = [SimData(0, values=1, datatype=DataType.UINT16)]
    return SimDevice(1, simdata=(coils, coils, holding, inputs))


class Cable:
    """A serial cable: two pseudo-terminals whose other sides are joined."""

    def __init__(self) -> None:
        self._ours = []
        self._theirs = []
        for _ in range(2):
            ours, theirs = os.openpty()
            tty.setraw(theirs)
            self._ours.append(ours)
            self._theirs.append(theirs)
        self.ends = [os.ttyname(end) for end in self._theirs]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Cable:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join()
        for end in [*self._ours, *self._theirs]:
            os.close(end)

    def _run(self) -> None:
        a, b = self._ours
        while not self._stopping.is_set():
            for end in select.select([a, b], [], [], 0.02)[0]:
                os.write(b if end == a else a, os.read(end, 1024))

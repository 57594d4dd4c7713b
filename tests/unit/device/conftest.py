from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from labmon.config import DeviceConfig
from labmon.device import Channel, Driver, deadlines
from labmon.device import device as device_module
from labmon.device.device import Device
from labmon.reading import ArrayBatch
from labmon.timestamps import Clock
from labmon.yaml_marks import Mark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from labmon.device.worker import Worker
    from labmon.reading import AnyBatch, Batch

PATIENCE_S = 30.0
"""What answers has this long, as the machine may be slow."""
HANG_S = 0.05
"""What is to hang has this long."""


class Gauge(Driver):
    """Answers at once, until told otherwise; `release` ends everything that hangs."""

    pressure = Channel(unit="mbar")
    model = "test gauge"

    def __init__(self) -> None:
        self.release = threading.Event()
        self.fault: Callable[[], object] | None = None
        self.connect_fault: Callable[[], object] | None = None
        self.calls: list[str] = []
        self.threads: set[str] = set()
        self.polls = 0

    def connect(self) -> None:
        self._note("connect")
        if self.connect_fault:
            self.connect_fault()

    def poll(self) -> Any:
        self.threads.add(threading.current_thread().name)
        self.polls += 1
        if self.fault:
            self.fault()
        return {"pressure": float(self.polls)}

    def disconnect(self) -> None:
        self._note("disconnect")

    def abort(self) -> None:
        self._note("abort")
        self.release.set()

    def hang(self) -> None:
        self.release.wait()

    def _note(self, what: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.calls.append(what)


class Bench:
    """Devices under test, and everything that they published."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.arrays: list[ArrayBatch] = []
        self.changes: list[tuple[str, str]] = []
        self.devices: list[Device] = []
        self.clock = Clock()
        self._news = asyncio.Event()

    def device(
        self, driver: Driver, name: str = "gauge", worker: Worker | None = None, **keys: Any
    ) -> Device:
        keys = {"period_s": 0.01, "timeout_s": PATIENCE_S, "driver": "gauge"} | keys
        config = DeviceConfig(name=name, mark=Mark("config.yaml", 3), **keys)
        device = Device(
            config,
            driver,
            clock=self.clock,
            publish=self._publish,
            changed=self._changed,
            worker=worker,
        )
        self.devices.append(device)
        return device

    async def started(self, driver: Driver, name: str = "gauge", **keys: Any) -> Device:
        device = self.device(driver, name, **keys)
        await device.start()
        return device

    async def online(self, driver: Driver, name: str = "gauge", **keys: Any) -> Device:
        device = await self.started(driver, name, **keys)
        await self.until(lambda: device.state == "online" and bool(self.values(name)))
        return device

    async def hang(self, device: Device, driver: Gauge) -> None:
        """Let a poll hang: it alone has little time, none before and after it, however slow."""
        await self.until(lambda: not device._worker.is_busy)
        driver.fault = driver.hang
        device._poller._timeout_s = HANG_S
        await self.until(lambda: "stuck" in self.states(device.name))
        device._poller._timeout_s = PATIENCE_S

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                with contextlib.suppress(TimeoutError):  # what counters show is no news
                    async with asyncio.timeout(0.01):
                        await self._news.wait()

    def of(self, path: str) -> list[Any]:
        return [r.value for batch in self.batches for r in batch.readings() if r.path == path]

    def values(self, name: str = "gauge", channel: str = "pressure") -> list[Any]:
        return [value for value in self.of(f"{name}/{channel}") if value is not None]

    def states(self, name: str = "gauge") -> list[str]:
        return self.of(f"{name}/_state")

    def _publish(self, batch: AnyBatch) -> None:
        if isinstance(batch, ArrayBatch):
            self.arrays.append(batch)
        else:
            self.batches.append(batch)
        self._news.set()

    def _changed(self, device: Device) -> None:
        self.changes.append((device.name, device.state))
        self._news.set()


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait after a failure is 10 ms instead of half a second."""
    monkeypatch.setattr(deadlines, "FIRST_S", 0.01)


@pytest.fixture
def long_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops a device waits for a driver that is only slow."""
    for name in ("STOP_POLL_S", "STOP_ABORT_S", "STOP_DISCONNECT_S"):
        monkeypatch.setattr(device_module, name, PATIENCE_S)


@pytest.fixture
def gauge() -> Gauge:
    return Gauge()


@pytest.fixture
def make_gauge() -> type[Gauge]:
    return Gauge


@pytest.fixture
async def bench(short_waits: None, long_stops: None) -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    for device in bench.devices:
        driver = device._driver
        if isinstance(driver, Gauge):
            driver.fault = driver.connect_fault = None
            driver.release.set()
    await asyncio.gather(*(device.stop() for device in bench.devices))
    assert not any(device.is_stuck for device in bench.devices)

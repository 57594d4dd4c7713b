"""A driver that hangs, leaks or dies: its device says so, and all the others keep their cadence."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import threading

import pytest

from labmon.config import DeviceConfig
from labmon.device import Channel, Driver
from labmon.device.counters import WINDOW
from labmon.device.device import Device
from labmon.timestamps import Clock

PERIOD_S = 0.05
HANGS_S = 0.2
ANSWERS_S = 30.0
"""Who answers at once is given so long: a machine may stand for a moment."""


class Steady(Driver):
    x = Channel()

    def poll(self):
        return {"x": 1.0}


class Hanging(Steady):
    """Hangs from its third poll on; nothing frees it but the end of the test."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.polls = 0

    def poll(self):
        self.polls += 1
        if self.polls > 2:
            self.release.wait()
        return {"x": 1.0}


def hangs(device: Device) -> bool:
    """It does; and is not only late, as anybody is where the machine stands."""
    assert isinstance(device._driver, Hanging)
    return device._driver.polls > 2


class Dying(Steady):
    def poll(self):
        raise SystemExit(1)


class Lab:
    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.clock = Clock()
        self.devices: list[Device] = []

    def add(self, name: str, driver: Driver) -> Device:
        timeout_s = HANGS_S if isinstance(driver, Hanging) else ANSWERS_S
        config = DeviceConfig(name=name, driver="x", period_s=PERIOD_S, timeout_s=timeout_s)
        device = Device(
            config, driver, clock=self.clock, publish=self._publish, changed=lambda _: None
        )
        self.devices.append(device)
        return device

    def rate_hz(self, device: Device) -> float:
        """As it was seen to be: where the machine stands for a moment, less than was asked for."""
        times = self.times[device.name][-WINDOW:]
        return (len(times) - 1) / (times[-1] - times[0])

    def _publish(self, batch) -> None:
        if batch.values == (1.0,):
            times = self.times.setdefault(batch.source, [])
            times.append(asyncio.get_running_loop().time())


@pytest.fixture
async def lab():
    lab = Lab()
    yield lab
    for device in lab.devices:
        if isinstance(device._driver, Hanging):
            device._driver.release.set()
    await asyncio.gather(*(device.stop() for device in lab.devices))
    for device in lab.devices:
        assert await device._worker.idle(30.0)


async def until(condition, timeout_s=30.0):
    async with asyncio.timeout(timeout_s):
        while not condition():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.02)


@pytest.mark.alone
async def test_ten_of_fifty_devices_hang_and_the_others_keep_their_cadence(lab):
    hanging = [lab.add(f"hanging{i}", Hanging()) for i in range(10)]
    steady = [lab.add(f"steady{i}", Steady()) for i in range(40)]
    for device in lab.devices:
        await device.start()
    await until(lambda: all(device.state == "stuck" and hangs(device) for device in hanging))
    lab.times.clear()
    await until(lambda: all(len(lab.times.get(device.name, ())) > WINDOW for device in steady))
    assert all(device.state == "online" for device in steady)
    for device in steady:
        times = lab.times[device.name]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert abs(statistics.median(gaps) - PERIOD_S) < PERIOD_S / 4
        await until(lambda device=device: device.status()["rate_hz"] > 0.8 * lab.rate_hz(device))
    assert not any(device.name in lab.times for device in hanging)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(device.stop() for device in lab.devices))
    assert asyncio.get_running_loop().time() - began < 5.0
    assert all(device.is_stuck for device in hanging)
    assert not any(device.is_stuck for device in steady)


async def test_a_stuck_device_is_back_when_its_call_returns(lab):
    driver = Hanging()
    device = lab.add("hanging", driver)
    await device.start()
    await until(lambda: device.state == "stuck")
    driver.release.set()
    await until(lambda: device.state == "online")


async def test_a_driver_that_exits_takes_nobody_along(lab):
    dying, steady = lab.add("dying", Dying()), lab.add("steady", Steady())
    await dying.start()
    await steady.start()
    await until(lambda: dying.state == "offline" and len(lab.times.get("steady", [])) > 10)
    assert steady.state == "online"
    assert "SystemExit" in dying.reason

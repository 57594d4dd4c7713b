"""An instrument that pushes as fast as it can: memory is bounded, and losses are counted."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from labmon.config import DeviceConfig
from labmon.device import Channel, Driver
from labmon.device.device import Device
from labmon.timestamps import Clock

pytestmark = pytest.mark.alone


class Firehose(Driver):
    """Pushes so many readings without a pause when it is opened."""

    x = Channel()

    def __init__(self, readings: int) -> None:
        self.readings = readings
        self.open = threading.Event()

    def stream(self):
        while not self.open.wait(0.05):
            yield None
        yield from ({"x": i} for i in range(self.readings))
        while True:
            self.open.clear()
            self.open.wait(0.05)
            yield None


@pytest.fixture(params=[50_000, pytest.param(500_000, marks=pytest.mark.long)])
async def taken(request):
    """Everything that a device published, in order, beside its state and health."""
    values: list[int] = []

    def publish(batch) -> None:
        if batch.paths == ("hose/x",) and batch.values[0] is not None:
            values.append(batch.values[0])

    def changed(device) -> None:
        if device.state == "online":
            online.set()

    driver, online = Firehose(request.param), asyncio.Event()
    config = DeviceConfig(name="hose", driver="x")
    device = Device(config, driver, clock=Clock(), publish=publish, changed=changed)
    await device.start()
    await asyncio.wait_for(online.wait(), 30)
    driver.open.set()
    yield device, values, request.param
    await device.stop()
    assert not device.is_stuck


async def test_a_burst_is_taken_in_order_or_counted_while_the_loop_answers(taken):
    device, values, pushed = taken
    loop = asyncio.get_running_loop()
    lags_s: list[float] = []
    async with asyncio.timeout(60):
        while len(values) + device.status()["dropped"] < pushed:
            before_s = loop.time()
            await asyncio.sleep(0.005)
            lags_s.append(loop.time() - before_s - 0.005)
    assert all(b > a for a, b in itertools.pairwise(values))
    assert values[-1] == pushed - 1
    assert len(values) + device.status()["dropped"] == pushed
    assert sorted(lags_s)[int(0.9 * len(lags_s))] < 0.1
    assert device.state == "online"

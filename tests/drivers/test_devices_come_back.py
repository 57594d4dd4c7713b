"""An instrument that is unplugged or falls silent: its device says so once, and comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from labmon.config import load
from labmon.device.device import Device
from labmon.device.registry import build
from labmon.reading import Batch
from labmon.timestamps import Clock
from labmon_drivers.simulators.gauge import Gauge

CONFIG = """
devices:
  gauge:
    driver: serial_line
    port: {port}
    period_s: 0.05
    reply_timeout_s: 0.2
    request: "PR2?\\r\\n"
    channels: {{foreline: {{unit: mbar}}}}
  wavemeter: {{driver: simulated_wavemeter, period_s: 0.05}}
"""


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        await asyncio.sleep(0.01)


class Bench:
    """Devices of a configuration, and everything that they published."""

    def __init__(self, path):
        self.batches: list[Batch] = []
        self.devices = {
            config.name: Device(
                config,
                build(config),
                clock=Clock(),
                publish=self.batches.append,
                changed=lambda _: None,
            )
            for config in load(path).devices
        }

    def values(self, path: str) -> list[object]:
        return [r.value for batch in self.batches for r in batch.readings() if r.path == path]


@pytest.fixture
async def start(tmp_path):
    async with AsyncExitStack() as stack:

        async def start_devices(port: str) -> Bench:
            path = tmp_path / "config.yaml"
            path.write_text(CONFIG.format(port=port), encoding="utf-8")
            table = Bench(path)
            for device in table.devices.values():
                await device.start()
                stack.push_async_callback(device.stop)
            return table

        yield start_devices


def said(caplog, text: str) -> int:
    return sum(f"gauge is {text}" in record.getMessage() for record in caplog.records)


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level("INFO")


async def test_unplugged_and_plugged_in_again(start, bench, tmp_path, caplog):
    name = tmp_path / "gauge"
    server = bench.serve("pty", Gauge(), link=name)
    table = await start(str(name))
    gauge = table.devices["gauge"]
    await until(
        lambda: table.values("gauge/foreline").count(None) < len(table.values("gauge/foreline"))
    )
    server.close()
    await until(lambda: gauge.state == "offline")
    others = len(table.values("wavemeter/ch1"))
    await until(lambda: len(table.values("wavemeter/ch1")) > others + 5)
    bench.serve("pty", Gauge(), link=name)
    await until(lambda: gauge.state == "online")
    assert (said(caplog, "offline"), said(caplog, "online again")) == (1, 1)
    assert None in table.values("gauge/foreline")  # the gap is marked
    measured = [value for value in table.values("gauge/foreline") if value is not None]
    assert measured == pytest.approx([4.7e-3] * len(measured), rel=0.2)


@pytest.mark.parametrize("fault", ["silence", "garbage", "half"])
async def test_a_bad_cable(start, bench, caplog, fault):
    server, faulty = bench.faulty("tcp", Gauge())
    table = await start(server.port)
    gauge = table.devices["gauge"]
    await until(lambda: gauge.state == "online")
    faulty.fault = fault
    await until(lambda: gauge.state == "offline")
    faulty.fault = "none"
    await until(lambda: gauge.state == "online")
    assert (said(caplog, "offline"), said(caplog, "online again")) == (1, 1)
    measured = [value for value in table.values("gauge/foreline") if value is not None]
    assert measured == pytest.approx([4.7e-3] * len(measured), rel=0.2)

"""`highfinesse` against a library compiled from `wlmdata.c`: results, parts, going and coming."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from labmon.config import DeviceConfig
from labmon.device import InstrumentError, OfflineError, Quality, Value
from labmon.device.device import Device
from labmon.errors import OutOfLimitsError
from labmon.timestamps import Clock
from labmon_drivers import highfinesse
from labmon_drivers.highfinesse import InputSettings

if TYPE_CHECKING:
    from labmon.reading import Batch
from tests.drivers.wavemeter import NO_SIGNAL, results, said, thz


def test_each_result_is_pushed_with_the_time_of_the_wavemeter(wavemeter):
    driver = wavemeter.connected()
    stream = driver.stream()
    wavemeter.fake.fake_measure(3)
    taken, readbacks = said(stream)
    inputs = [each for each in taken if "temperature" not in each.readings]
    assert [dict(each.readings) for each in inputs] == [
        {"ch1": thz(380.0)},
        {"ch2": thz(381.0)},
    ] * 3
    times_ms = [each.time_ns / 1e6 for each in inputs]
    steps_ms = [b - a for a, b in pairwise(times_ms)]
    assert steps_ms == pytest.approx([10.0] * 5, abs=10.0)
    assert max(times_ms) <= time.time() * 1e3
    assert readbacks["temperature"] == Value(23.5)
    assert readbacks["pressure"] == Value(967.5)
    assert readbacks["operation"] == "measuring"
    assert readbacks["exposure/ch2"] == readbacks["exposure2/ch2"] == Value(5.0)
    assert readbacks["amplitude/ch1"] == Value(1750.0)
    assert [readbacks[f"switcher/ch{n}"] for n in (1, 2, 3)] == [1.0, 1.0, 0.0]
    assert set(readbacks) <= set(driver.channels)


def test_a_wavemeter_that_is_asked_gives_each_result_once(wavemeter):
    driver = wavemeter.connected(events=False)
    assert wavemeter.fake.fake_return_mode() == 1
    assert "ch1" not in driver.poll()
    wavemeter.fake.fake_measure(1)
    assert driver.poll() == {"ch1": thz(380.0), "ch2": thz(381.0)}
    assert driver.poll() == {}
    driver.disconnect()
    assert wavemeter.fake.fake_return_mode() == 0


def test_too_little_and_too_much_light_are_told_apart(wavemeter):
    driver = wavemeter.connected()
    stream = driver.stream()
    for light, quality in ((0, 1), (5, Quality.UNDER_RANGE), (750, Quality.OVER_RANGE)):
        wavemeter.fake.fake_light(1, light)
        wavemeter.fake.fake_measure(1)
        assert results(stream) == [Value(None, quality)]


def test_an_input_that_is_no_more_measured_has_no_value(wavemeter):
    driver = wavemeter.connected()
    stream = driver.stream()
    said(stream)
    assert driver.set_switcher(3, active=True) is True
    assert said(stream)[1]["switcher/ch3"] == 1.0
    wavemeter.fake.fake_measure(1)
    assert results(stream, "ch3") == [thz(382.0)]
    assert driver.set_switcher(3, active=False) is False
    assert said(stream)[1]["ch3"] == NO_SIGNAL
    wavemeter.fake.fake_operation(0)
    driver._readbacks_due_s = 0.0
    readbacks = said(stream)[1]
    assert readbacks["ch1"] == readbacks["ch2"] == NO_SIGNAL
    assert "ch3" not in readbacks
    assert readbacks["operation"] == "stopped"
    driver.start_measurement()
    assert said(stream)[1]["operation"] == "measuring"


def test_by_itself_it_changes_nothing_and_deactivates_nothing(wavemeter):
    wavemeter.fake.fake_operation(0)
    wavemeter.fake.fake_exposure_mode(1, 1)
    driver = wavemeter.connected(inputs=[1])
    _, readbacks = said(driver.stream())
    assert readbacks["operation"] == "stopped"
    assert readbacks["auto_exposure/ch1"] == "by the wavemeter"
    driver.disconnect()
    assert wavemeter.fake.fake_deactivations() == 0
    assert wavemeter.fake.GetOperationState(0) == 0
    assert wavemeter.fake.GetExposureModeNum(1, False) == 1
    assert list(driver.channels)[:2] == ["ch1", "temperature"]


def test_a_missing_server_is_offline_whatever_is_called(wavemeter):
    driver = wavemeter.connected()
    stream = driver.stream()
    said(stream)
    wavemeter.fake.fake_run(0)
    with pytest.raises(OfflineError, match="not running"):
        driver.set_exposure(1, 10)
    driver._readbacks_due_s = 0.0
    with pytest.raises(OfflineError, match="not running"):
        said(stream)
    with pytest.raises(OfflineError, match="not running"):
        driver.connect()
    driver.disconnect()
    wavemeter.fake.fake_run(1)
    driver.connect()


def test_the_server_is_started_where_that_is_wished(wavemeter):
    wavemeter.fake.fake_run(0)
    wavemeter.fake.fake_can_start()
    wavemeter.fake.fake_operation(0)
    driver = wavemeter.connected(start_server=True, start_measurement=True)
    assert said(driver.stream())[1]["operation"] == "measuring"


def test_refusals_are_no_missing_signals(wavemeter):
    driver = wavemeter.connected()
    with pytest.raises(InstrumentError, match="not in switch mode"):
        driver.select_channel(2)
    with pytest.raises(OutOfLimitsError, match="1 ms to 999 ms"):
        driver.set_exposure(1, 5000)
    with pytest.raises(OutOfLimitsError, match="there is no input 9; there are 1, 2,"):
        driver.set_exposure(9, 5)
    driver.set_switch_mode(active=False)
    with pytest.raises(InstrumentError, match="only in switch mode"):
        driver.set_switcher(2, active=True)


def test_a_small_one_has_one_camera_no_switch_and_no_pressure(wavemeter):
    wavemeter.fake.fake_be_ws6()
    driver = wavemeter.connected(power=True, linewidth=True, lasers={"ch1": InputSettings()})
    assert driver.identify() == "HighFinesse WS6 4711, version 6.1234"
    wavemeter.fake.fake_switch_mode(0)
    stream = driver.stream()
    wavemeter.fake.fake_measure(1)
    taken, readbacks = said(stream)
    assert taken[0].readings == {
        "ch1": thz(380.0),
        "power/ch1": Value(35.0),
        "linewidth/ch1": Value(None, Quality.FAULT),
    }
    assert set(readbacks) == {
        "temperature",
        "operation",
        "exposure/ch1",
        "amplitude/ch1",
        "auto_exposure/ch1",
    }
    with pytest.raises(OutOfLimitsError, match="1 camera only"):
        driver.set_exposure(1, 5, camera=2)


def test_one_library_serves_one_device(wavemeter):
    wavemeter.connected()
    with pytest.raises(InstrumentError, match="another device uses"):
        wavemeter.connected()


def test_a_refused_callback_is_said(wavemeter):
    wavemeter.fake.fake_refuse_callback()
    driver = wavemeter.driver()
    with pytest.raises(InstrumentError, match="events: false"):
        driver.connect()
    driver.disconnect()
    wavemeter.connected(events=False).poll()


def test_abort_ends_the_stream(wavemeter, monkeypatch):
    monkeypatch.setattr(highfinesse, "LISTEN_S", 60.0)
    driver = wavemeter.connected(readbacks_s=60.0)
    stream = driver.stream()
    timer = threading.Timer(0.05, driver.abort)
    timer.start()
    assert next(stream) is not None
    assert next(stream, "ended") == "ended"
    timer.join()


async def test_a_device_goes_offline_with_the_server_and_comes_back(wavemeter, until):
    batches: list[Batch] = []
    config = DeviceConfig(name="wm", driver="highfinesse", period_s=0.1)
    driver = wavemeter.driver(readbacks_s=0.1)
    device = Device(config, driver, clock=Clock(), publish=batches.append, changed=lambda _: None)

    def values() -> list[Any]:
        return [r.value for b in batches for r in b.readings() if r.path == "wm/ch1"]

    async def reached(condition: Any) -> None:
        async with asyncio.timeout(30):
            while not condition():
                wavemeter.fake.fake_measure(1)
                await asyncio.sleep(0.01)

    await device.start()
    await reached(lambda: device.state == "online" and len(values()) > 3)
    assert device.model == "HighFinesse WS8 4711, version 6.1234"
    wavemeter.fake.fake_run(0)
    await reached(lambda: device.state == "offline")
    wavemeter.fake.fake_run(1)
    await reached(lambda: device.state == "online")
    seen = len(values())
    await reached(lambda: len(values()) > seen)
    await device.stop()
    assert all(value is None or value == pytest.approx(380.0) for value in values())

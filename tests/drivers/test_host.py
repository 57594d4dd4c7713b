"""`host`: this machine, and machines that lack things."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest

from labmon.device import Quality, Value
from labmon_drivers import host
from labmon_drivers.host import Host

Spot = namedtuple("Spot", "label current high critical")


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock for the rates: set `.now_s`."""
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr(host, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


@pytest.fixture
def driver():
    driver = Host()
    driver.connect()
    return driver


def test_this_machine_can_be_read(driver):
    readings = driver.poll()
    assert {"load", "memory_used", "memory_available", "disk_used", "disk_free"} <= set(readings)
    assert set(readings) <= set(driver.channels)
    assert all(isinstance(value, int | float) for value in readings.values())
    assert 0 <= readings["memory_used"] <= 100
    assert "CPU" in driver.model


def test_rates_come_with_the_second_poll(clock, monkeypatch):
    total = SimpleNamespace(bytes_recv=5_000, bytes_sent=0, read_bytes=0, write_bytes=0)
    monkeypatch.setattr(psutil, "net_io_counters", lambda: total)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: total)
    driver = Host()
    driver.connect()
    first = driver.poll()
    assert {"cpu", "network_in", "disk_read"}.isdisjoint(first)
    clock.now_s += 2
    total.bytes_recv += 8_000
    total.write_bytes += 3_000_000
    second = driver.poll()
    assert second["network_in"] == pytest.approx(4.0)
    assert second["disk_write"] == pytest.approx(1.5)
    assert "cpu" in second
    clock.now_s += 1
    total.bytes_recv = 0  # the counter began anew
    assert "network_in" not in driver.poll()
    driver.connect()
    assert "network_in" not in driver.poll()


def test_a_machine_without_disks_or_temperatures_has_no_such_channels(monkeypatch):
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: None)
    monkeypatch.setattr(psutil, "net_io_counters", lambda: None)
    monkeypatch.delattr(psutil, "sensors_temperatures", raising=False)
    driver = Host()
    driver.connect()
    assert "disk_read" not in driver.channels
    assert not any(name.startswith("temperature") for name in driver.channels)
    assert "load" in driver.poll()


def test_each_chip_has_one_temperature_its_hottest(monkeypatch):
    chips = {
        "coretemp": [Spot("Core 0", 51.0, 90, 100), Spot("Core 1", 53.5, 90, 100)],
        "nvme": [Spot("Composite", 38.85, 80, 90), Spot("broken", None, 1, 1)],
        "acpitz": [Spot("", -273.2, None, None)],
        "thinkpad-x": [Spot("", 40.0, None, None)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    driver = Host()
    driver.connect()
    readings = driver.poll()
    assert readings["temperature_coretemp"] == 53.5
    assert readings["temperature_nvme"] == 38.85
    assert "temperature_acpitz" not in readings
    assert driver.channels["temperature_coretemp"].label == "CPU temperature"
    assert driver.channels["temperature_thinkpad_x"].label == "thinkpad-x temperature"
    chips["new"] = [Spot("", 30.0, None, None)]
    assert "temperature_new" not in driver.poll()  # known after the next connect
    driver.connect()
    assert driver.poll()["temperature_new"] == 30.0


def test_a_disk_that_is_gone_is_a_fault_of_its_channels_alone(tmp_path):
    driver = Host(path=str(tmp_path / "gone"))
    driver.connect()
    readings = driver.poll()
    assert readings["disk_free"] == Value(None, Quality.FAULT)
    assert "memory_used" in readings


@pytest.mark.parametrize(
    "error", [OSError("no /proc"), NotImplementedError(), psutil.AccessDenied()]
)
def test_what_cannot_be_read_here_is_a_fault_and_no_exception(monkeypatch, error, driver):
    def fail(*_args):
        raise error

    for name in ("virtual_memory", "getloadavg", "disk_io_counters", "sensors_temperatures"):
        monkeypatch.setattr(psutil, name, fail, raising=False)
    readings = driver.poll()
    assert readings["load"] == Value(None, Quality.FAULT)
    assert "disk_free" in readings

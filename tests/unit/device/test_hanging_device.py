"""Devices whose driver does not come back: stuck, freed from outside, stopped in time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from labmon.device import device as device_module
from labmon.device.device import STOP_ABORT_S, STOP_DISCONNECT_S, STOP_POLL_S
from labmon.device.worker import Worker


@pytest.fixture
def usual_stops(bench, monkeypatch):
    """Who stops a device waits for its driver as long as a server does."""
    monkeypatch.setattr(device_module, "STOP_POLL_S", STOP_POLL_S)
    monkeypatch.setattr(device_module, "STOP_ABORT_S", STOP_ABORT_S)
    monkeypatch.setattr(device_module, "STOP_DISCONNECT_S", STOP_DISCONNECT_S)


async def test_a_poll_that_hangs_is_stuck_until_it_returns(bench, gauge, caplog):
    device = await bench.online(gauge)
    gauge.abort = lambda: gauge.calls.append("abort")  # does not help
    await bench.hang(device, gauge)
    assert device.is_stuck
    assert device.reason == "poll() did not return within 0.05 s"
    assert "connect" not in gauge.calls[1:]
    gauge.fault = None
    polls = len(bench.values())
    gauge.release.set()
    await bench.until(lambda: device.state == "online")
    assert bench.states() == ["connecting", "online", "stuck", "offline", "online"]
    assert gauge.polls - 1 not in bench.values()[polls:-1]
    assert [r.getMessage() for r in caplog.records] == [
        "gauge is stuck: poll() did not return within 0.05 s"
    ]


async def test_abort_is_called_from_another_thread_to_free_a_poll_that_hangs(bench, gauge):
    device = await bench.online(gauge)
    aborted_by: list[str] = []

    def abort() -> None:
        aborted_by.append(threading.current_thread().name)
        gauge.fault = None
        gauge.release.set()

    gauge.abort = abort
    await bench.hang(device, gauge)
    await bench.until(lambda: bench.states().count("online") == 2)
    assert aborted_by == ["gauge abort"]
    assert not device.is_stuck


async def test_a_device_stops_in_time_while_its_driver_hangs(bench, gauge, caplog, usual_stops):
    device = await bench.online(gauge, timeout_s=60.0)
    gauge.abort = lambda: None
    gauge.fault = gauge.hang
    polls = gauge.polls
    await bench.until(lambda: gauge.polls > polls)
    async with asyncio.timeout(30):
        await device.stop()
    assert STOP_POLL_S + STOP_ABORT_S + STOP_DISCONNECT_S < 1.0, "the driver has no more than that"
    assert device.is_stuck
    assert "left behind" in caplog.text
    gauge.release.set()
    assert await device._worker.idle(30)


async def test_a_hung_abort_does_not_hold_anything_up(bench, gauge, usual_stops):
    device = await bench.online(gauge)
    gauge.abort = gauge.hang
    await bench.hang(device, gauge)
    async with asyncio.timeout(30):
        await device.stop()
    assert device.is_stuck
    gauge.release.set()
    assert await device._worker.idle(30)


async def test_devices_on_one_bus_share_a_thread_and_take_turns(bench, make_gauge):
    bus = Worker("bus rs485")
    one, two = make_gauge(), make_gauge()
    await bench.started(one, "one", worker=bus)
    await bench.started(two, "two", worker=bus)
    await bench.until(lambda: len(bench.values("one")) > 3 and len(bench.values("two")) > 3)
    assert one.threads == two.threads
    assert len(one.threads) == 1


async def test_who_shares_a_bus_with_a_device_that_hangs_is_told_and_comes_back(bench, make_gauge):
    bus = Worker("bus rs485")
    one, two = make_gauge(), make_gauge()
    first = await bench.online(one, "one", worker=bus)
    second = await bench.online(two, "two", worker=bus)
    one.abort = lambda: None
    await bench.hang(first, one)
    await bench.until(lambda: second.state == "offline")
    assert first.state == "stuck"
    assert "poll() did not return within 0.05 s" in second.reason
    one.fault = None
    one.release.set()
    await bench.until(lambda: first.state == second.state == "online")

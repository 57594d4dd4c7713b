from __future__ import annotations

import asyncio
import threading
from typing import Annotated, Any

import numpy as np
import pytest

from labmon.device import Channel, Driver, Limits, command
from labmon.device import device as device_module
from labmon.device.worker import DriverBugError
from labmon.errors import (
    BadRequestError,
    InstrumentError,
    InstrumentTimeoutError,
    NotFoundError,
    OfflineError,
)


class Valve(Driver):
    opening = Channel(unit="%")

    def __init__(self) -> None:
        self.opened = 0.0
        self.go = threading.Event()
        self.is_waited_for = threading.Event()
        self.order: list[float] = []
        self.polls = 0

    def poll(self) -> dict[str, float]:
        self.polls += 1
        return {"opening": self.opened}

    def abort(self) -> None:
        self.go.set()

    @command
    def open_to(self, percent: Annotated[float, Limits(0, 100, unit="%")]) -> dict[str, float]:
        """Open it."""
        self.opened = percent
        self.order.append(percent)
        return {"opened": percent}

    @command
    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until it may go on."""
        self.is_waited_for.set()
        return self.go.wait(seconds)

    @command(timeout_s=0.05)
    def hang(self) -> None:
        """Wait for longer than it may."""
        self.is_waited_for.set()
        self.go.wait(60)

    @command
    def answer(self, how: str) -> Any:
        """Return what numpy has."""
        answers = {"number": np.float32(1.5), "array": np.arange(3)}
        return answers[how]

    @command
    def fail(self, how: str) -> None:
        """Fail in one of several ways."""
        errors: dict[str, BaseException] = {
            "instrument": InstrumentError("interlock open"),
            "request": BadRequestError("not while it pumps"),
            "link": ConnectionResetError("gone"),
            "bug": ZeroDivisionError("division by zero"),
            "exit": SystemExit(1),
        }
        raise errors[how]

    @command(offline=True)
    def ping(self) -> str:
        """Say something, connected or not."""
        return "pong"

    @command
    def odd(self) -> object:
        """Return what cannot travel."""
        return threading.Lock()


@pytest.fixture
def valve() -> Valve:
    return Valve()


@pytest.fixture
async def device(bench, valve):
    device = await bench.started(valve, "valve", period_s=60.0)
    await bench.until(lambda: device.state == "online")
    yield device
    valve.go.set()


async def test_a_command_runs_on_the_thread_and_its_readback_shows_at_once(bench, device):
    command = device.commands["open_to"]
    assert await device.call("open_to", command.validate([40])) == {"opened": 40.0}
    await bench.until(lambda: bench.of("valve/opening")[-1] == 40.0)


async def test_what_numpy_has_is_returned_as_plain_data(device):
    assert await device.call("answer", {"how": "number"}) == 1.5
    assert await device.call("answer", {"how": "array"}) == [0, 1, 2]


async def test_the_caller_is_answered_before_the_poll_that_follows_begins(bench, device, valve):
    polls = valve.polls
    await device.call("open_to", {"percent": 40})
    assert not device._worker.is_busy
    await bench.until(lambda: valve.polls == polls + 1)


async def test_calls_take_turns_in_the_order_they_came(device, valve):
    waiting = asyncio.create_task(device.call("wait", {}))
    others = [asyncio.create_task(device.call("open_to", {"percent": n})) for n in range(20)]
    await asyncio.to_thread(valve.is_waited_for.wait, 30)
    valve.go.set()
    await asyncio.gather(waiting, *others)
    assert valve.order == list(range(20))


async def test_many_commands_are_followed_by_one_poll(bench, device, valve):
    polls = valve.polls
    await asyncio.gather(*(device.call("open_to", {"percent": n}) for n in range(20)))
    await bench.until(lambda: bench.of("valve/opening")[-1] == 19)
    assert valve.polls - polls <= 2


async def test_an_unknown_command_is_refused_with_what_there_is(device):
    with pytest.raises(NotFoundError, match=r"'open'.*did you mean 'open_to'.*there is open_to"):
        await device.call("open", {})


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("instrument", InstrumentError, "^interlock open$"),
        ("request", BadRequestError, "^not while it pumps$"),
        ("link", InstrumentError, "^valve.fail: the connection broke: gone$"),
    ],
)
async def test_whose_fault_it_was_reaches_the_caller(device, how, error, text):
    with pytest.raises(error, match=text):
        await device.call("fail", {"how": how})
    assert device.status()["errors"] == 1


@pytest.mark.parametrize("how", ["bug", "exit"])
async def test_a_bug_in_a_command_is_logged_and_contained(bench, device, how, caplog):
    with pytest.raises(DriverBugError):
        await device.call("fail", {"how": how})
    assert len(caplog.records) == 1
    assert await device.call("ping", {}) == "pong"


async def test_a_result_that_cannot_travel_is_a_bug(device, caplog):
    with pytest.raises(DriverBugError, match="cannot return a "):
        await device.call("odd", {})
    assert "valve.odd failed" in caplog.text


async def test_who_loses_patience_is_told_that_it_may_still_happen(device, valve):
    with pytest.raises(InstrumentTimeoutError, match=r"within 0\.05 s; it may still happen"):
        await device.call("wait", {}, timeout_s=0.05)
    assert device.state == "online"
    valve.go.set()
    assert await device.call("ping", {}) == "pong"


async def test_a_command_whose_turn_did_not_come_never_happens(device, valve):
    waiting = asyncio.create_task(device.call("wait", {}))
    await asyncio.to_thread(valve.is_waited_for.wait, 30)
    with pytest.raises(InstrumentTimeoutError, match="was not begun"):
        await device.call("open_to", {"percent": 99}, timeout_s=0.05)
    valve.go.set()
    await waiting
    await device.call("ping", {})
    assert valve.order == []


async def test_a_command_that_hangs_makes_the_device_stuck_and_offline_for_others(
    bench, valve, caplog
):
    device = await bench.started(valve, "valve", period_s=60.0)
    await bench.until(lambda: device.state == "online")
    aborted = threading.Event()
    valve.abort = aborted.set
    hanging = asyncio.create_task(device.call("hang", {}))
    waiting = asyncio.create_task(device.call("open_to", {"percent": 1}))
    with pytest.raises(InstrumentTimeoutError, match="may still happen"):
        await hanging
    with pytest.raises(OfflineError, match="was not begun"):
        await waiting
    await bench.until(lambda: device.state == "stuck")
    assert device.reason == "hang() did not return within 0.05 s"
    with pytest.raises(OfflineError, match="valve is stuck: hang"):
        await device.call("open_to", {"percent": 1})
    with pytest.raises(OfflineError, match=r"valve\.ping was not begun"):
        await device.call("ping", {})
    await bench.until(aborted.is_set)
    valve.go.set()
    await bench.until(lambda: device.state == "online")
    assert valve.order == []


async def test_a_device_that_is_not_online_takes_no_command_but_those_made_for_it(bench, valve):
    device = await bench.started(valve, "valve", enabled=False)
    await bench.until(lambda: device.state == "disabled")
    with pytest.raises(OfflineError, match="valve is disabled: switched off"):
        await device.call("open_to", {"percent": 1})
    assert await device.call("ping", {}) == "pong"


async def test_stopping_tells_callers_that_wait(device, valve, monkeypatch):
    monkeypatch.setattr(device_module, "STOP_POLL_S", 0.05)
    waiting = asyncio.create_task(device.call("wait", {}))
    await asyncio.to_thread(valve.is_waited_for.wait, 30)
    second = asyncio.create_task(device.call("open_to", {"percent": 1}))
    await asyncio.sleep(0)
    await device.stop()
    for call in (waiting, second):
        with pytest.raises(OfflineError, match="labmon stops"):
            await call
    assert not device.is_stuck


async def test_a_caller_that_leaves_takes_its_waiting_command_along(device, valve):
    waiting = asyncio.create_task(device.call("wait", {}))
    await asyncio.to_thread(valve.is_waited_for.wait, 30)
    second = asyncio.create_task(device.call("open_to", {"percent": 1}))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    valve.go.set()
    await waiting
    await device.call("ping", {})
    assert valve.order == []


async def test_too_many_waiting_commands_are_refused(device, valve):
    waiting = [asyncio.create_task(device.call("wait", {})) for _ in range(201)]
    results: list[Any] = []
    await asyncio.to_thread(valve.is_waited_for.wait, 30)
    valve.go.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[:200] == [True] * 200
    assert isinstance(results[200], InstrumentError)

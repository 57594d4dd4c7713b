from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from labmon.device import Channel, Driver, InstrumentError, Parameter, Quality, Timed, Value
from labmon.errors import ConfigError
from labmon.timestamps import Clock

if TYPE_CHECKING:
    from labmon.reading import Batch

START_NS = 1_700_000_000 * 10**9


async def test_a_device_comes_online_and_its_readings_go_their_way(bench, gauge):
    await bench.online(gauge)
    assert bench.states() == ["connecting", "online"]
    assert bench.values()[0] == 1.0
    assert bench.devices[0].model == "test gauge"


async def test_a_driver_that_cannot_say_its_model_has_none(bench, make_gauge, caplog):
    """It is asked on the event loop, whenever anybody wants to see the device."""

    class Shy(make_gauge):
        @property
        def model(self):
            raise AttributeError("'NoneType' object has no attribute 'model'")

    device = await bench.online(Shy())
    assert device.status()["model"] == device.model == ""
    said = [each for each in caplog.records if each.exc_info]
    assert [each.getMessage() for each in said] == [
        "gauge: model failed: AttributeError: 'NoneType' object has no attribute 'model'"
    ]


async def test_everything_but_abort_runs_on_one_thread_of_its_own(bench, gauge):
    device = await bench.online(gauge)
    await device.stop()
    assert gauge.calls == ["connect", "disconnect"]
    assert len(gauge.threads) == 1
    assert threading.main_thread().name not in gauge.threads


async def test_a_gap_is_published_at_the_start_and_at_the_stop(bench, gauge):
    device = await bench.online(gauge)
    await device.stop()
    values = bench.of("gauge/pressure")
    assert values[0] is None
    assert values[-1] is None
    assert None not in values[1:-1]
    assert device.state == "offline"


async def test_polls_of_the_same_channels_share_one_tuple_of_paths(bench, gauge):
    await bench.online(gauge)
    await bench.until(lambda: len(bench.values()) >= 3)
    batches = [b for b in bench.batches if b.paths == ("gauge/pressure",)]
    assert len({id(b.paths) for b in batches}) == 1


async def test_the_time_of_a_batch_lies_between_request_and_reply(bench, gauge):
    now_ns = START_NS

    def think() -> None:
        nonlocal now_ns
        now_ns += 2 * 10**9

    bench.clock = Clock(lambda: now_ns, lambda: now_ns)
    gauge.fault = think
    await bench.online(gauge)
    first = next(b for b in bench.batches if b.values == (1.0,))
    assert first.time_ns == START_NS + 10**9


async def test_an_instruments_own_time_is_kept(bench):
    class Timekeeper(Driver):
        x = Channel()

        def poll(self) -> Timed:
            return Timed(1_700_000_000_000_000_000, {"x": 1})

    device = await bench.started(Timekeeper(), "clock")
    await bench.until(lambda: bool(bench.values("clock", "x")))
    assert device.state == "online"
    assert bench.batches[-1].time_ns == 1_700_000_000_000_000_000


async def test_a_device_that_fails_goes_offline_with_a_gap_and_comes_back(bench, gauge, caplog):
    caplog.set_level(logging.INFO)
    device = await bench.online(gauge)

    def fail() -> None:
        raise InstrumentError("it answered with nonsense")

    gauge.fault = fail
    await bench.until(lambda: device.state == "offline")
    assert device.reason == "it answered with nonsense"
    assert bench.of("gauge/pressure")[-1] is None
    gauge.fault = None
    await bench.until(lambda: device.state == "online")
    assert bench.states() == ["connecting", "online", "offline", "online"]
    assert gauge.calls == ["connect", "disconnect", "connect"]
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == ["gauge is offline: it answered with nonsense"]
    again = [r.getMessage() for r in caplog.records if "again" in r.getMessage()]
    assert len(again) == 1
    assert device.status()["reconnects"] == 1
    assert device.status()["last_error"] == "it answered with nonsense"


async def test_a_device_that_cannot_connect_is_said_once_however_often_it_tries(
    bench, gauge, caplog
):
    def refuse() -> None:
        raise ConnectionRefusedError("nobody listens")

    gauge.connect_fault = refuse
    device = await bench.started(gauge)
    await bench.until(lambda: device.status()["errors"] >= 4)
    assert bench.states() == ["connecting", "offline"]
    assert [r.getMessage() for r in caplog.records] == ["gauge is offline: nobody listens"]
    assert gauge.calls[:4] == ["connect", "disconnect"] * 2


@pytest.mark.parametrize(
    "bug",
    [SystemExit(3), MemoryError(), RecursionError("too deep"), KeyError("x"), StopIteration()],
)
async def test_a_bug_in_a_driver_logs_its_traceback_once_and_is_contained(
    bench, gauge, caplog, bug
):
    def fail() -> None:
        raise bug

    gauge.fault = fail
    device = await bench.started(gauge)
    await bench.until(lambda: device.status()["errors"] >= 3)
    assert device.state == "offline"
    assert type(bug).__name__ in device.reason
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info
    gauge.fault = None
    await bench.until(lambda: device.state == "online")


async def test_a_flapping_device_does_not_flood_the_log(bench, gauge, caplog):
    def every_second() -> None:
        if gauge.polls % 2 == 0:
            raise InstrumentError("garbage")

    gauge.fault = every_second
    await bench.started(gauge, period_s=0.001)
    await bench.until(lambda: bench.states().count("offline") >= 8)
    assert len(caplog.records) <= 5


async def test_a_disabled_device_does_nothing_until_it_is_enabled(bench, gauge):
    device = await bench.started(gauge, enabled=False)
    await bench.until(lambda: device.state == "disabled")
    assert gauge.calls == []
    device.enable()
    await bench.until(lambda: device.state == "online")
    device.disable()
    await bench.until(lambda: device.state == "disabled" and gauge.calls[-1] == "disconnect")
    assert bench.of("gauge/pressure")[-1] is None
    assert bench.states() == ["disabled", "connecting", "online", "disabled"]


async def test_a_device_can_be_told_to_connect_anew(bench, gauge):
    device = await bench.online(gauge)
    device.reconnect()
    await bench.until(lambda: bench.states().count("online") == 2)
    assert gauge.calls == ["connect", "disconnect", "connect"]
    assert bench.states() == ["connecting", "online", "connecting", "online"]


async def test_a_slow_poll_misses_deadlines_and_never_queues(bench, gauge):
    slow = threading.Event()
    device = await bench.online(gauge, period_s=0.005)
    gauge.fault = lambda: slow.wait(0.05)
    await bench.until(lambda: device.status()["missed"] >= 20)
    polls = gauge.polls
    assert device.status()["polls"] >= polls - 1
    assert device.status()["rate_hz"] < 100


async def test_channels_may_become_known_when_the_device_connects(bench):
    class Scanner(Driver):
        def connect(self) -> None:
            self.channels = {"ch1": Channel(unit="K"), "ch2": Channel(unit="K")}

        def identify(self) -> str:
            return "scanner with 2 channels"

        def poll(self) -> dict[str, float]:
            return {"ch1": 1.0, "ch2": 2.0}

    device = await bench.started(Scanner(), "scanner")
    assert device.channels == {}
    await bench.until(lambda: device.state == "online" and bool(bench.values("scanner", "ch2")))
    assert list(device.channels) == ["ch1", "ch2"]
    assert device.model == "scanner with 2 channels"


def test_a_driver_whose_channels_cannot_be_named_so_is_refused(bench):
    class Odd(Driver):
        def __init__(self) -> None:
            self.channels = {"_state": Channel()}

    with pytest.raises(ConfigError, match=r"config\.yaml:3: devices\.gauge: channel '_state'"):
        bench.device(Odd())


async def test_readings_of_a_simulated_driver_say_so(bench):
    class Fake(Driver):
        x = Channel()
        simulated = True

        def poll(self) -> dict[str, Value]:
            return {"x": Value(None, Quality.NO_SIGNAL)}

    device = await bench.started(Fake(), "fake")
    await bench.until(lambda: device.state == "online" and _last(bench.batches).values == (None,))
    await bench.until(lambda: _last(bench.batches).qualities != b"\x10")
    assert _last(bench.batches).qualities == bytes([Quality.NO_SIGNAL | Quality.SIMULATED])
    assert device.is_simulated


async def test_a_simulated_port_makes_a_device_simulated(bench, gauge):
    device = bench.device(gauge, settings={"port": "sim://gauge"})
    assert device.is_simulated


async def test_a_step_of_the_system_clock_flags_the_next_readings(bench, gauge):
    wall_ns = [1_700_000_000_000_000_000]
    bench.clock = type(bench.clock)(wall_ns=lambda: wall_ns[0])
    await bench.online(gauge)
    wall_ns[0] += 3600 * 10**9

    def stepped() -> list[int]:
        return [b.qualities[0] for b in bench.batches if b.qualities[0] & Quality.CLOCK_STEP]

    await bench.until(lambda: bool(stepped()))
    seen = len(bench.values())
    await bench.until(lambda: len(bench.values()) > seen + 3)
    assert len(stepped()) == 1


async def test_the_description_is_plain_data(bench, gauge):
    device = await bench.online(gauge, title="Main gauge", group="vacuum")
    description = device.description()
    assert description["title"] == "Main gauge"
    assert description["state"] == "online"
    assert description["asked_hz"] == 100
    assert description["channels"] == [
        {
            "name": "pressure",
            "path": "gauge/pressure",
            "label": "pressure",
            "unit": "mbar",
            "description": "",
            "digits": 2,
            "scientific": False,
            "accuracy": None,
            "limits": [None, None],
            "kind": "numeric",
            "tile": True,
            "period_s": 0.01,
        }
    ]


async def test_a_device_can_be_started_again_after_a_stop(bench, gauge):
    device = await bench.online(gauge)
    await device.stop()
    await device.stop()
    await device.start()
    await bench.until(lambda: device.state == "online")
    assert gauge.calls == ["connect", "disconnect", "connect"]


async def test_changes_are_told_with_the_device(bench, gauge):
    await bench.online(gauge)
    assert ("gauge", "online") in bench.changes


def _last(batches: list[Batch]) -> Batch:
    return [b for b in batches if b.paths[0].endswith("/x")][-1]


async def test_readings_that_cannot_be_used_are_errors_of_the_device_that_anybody_can_see(bench):
    class Misspelt(Driver):
        pressure = Channel(unit="mbar")

        def poll(self) -> dict[str, Any]:
            return {"presure": 1.0}

    device = await bench.started(Misspelt())
    await bench.until(lambda: device.status()["errors"] > 2)
    assert device.state == "online"
    said = "a reading of 'presure' is refused: there is no such channel (did you mean 'pressure'?)"
    assert device.status()["last_error"].startswith(said)
    assert device.status()["polls"] >= device.status()["errors"]


async def test_a_poll_that_forgot_to_return_is_said_so_with_parameters_too(bench):
    class Forgetful(Driver):
        pressure = Channel(unit="mbar")

        @Parameter()
        def range(self) -> int:
            return 1

        def poll(self) -> Any:
            """Measure, and say nothing."""

    device = await bench.started(Forgetful())
    await bench.until(lambda: "offline" in bench.states())
    assert device.reason == "TypeError: poll() returned a NoneType, not a mapping"


async def test_a_device_that_is_disabled_while_it_connects_is_not_polled(bench, gauge):
    gauge.connect_fault = gauge.hang
    device = await bench.started(gauge)
    await bench.until(lambda: "connect" in gauge.calls)
    device.disable()
    gauge.release.set()
    await bench.until(lambda: device.state == "disabled")
    assert gauge.polls == 0
    assert bench.states() == ["connecting", "disabled"]

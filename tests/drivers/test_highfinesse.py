"""`highfinesse` against a library compiled from `wlmdata.c`: both widths of `long`, both ways."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import math
import shutil
import subprocess
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.config import DeviceConfig
from labmon.device import InstrumentError, OfflineError, Quality, Timed, Value
from labmon.device.device import Device
from labmon.errors import BadRequestError, OutOfLimitsError
from labmon.timestamps import Clock
from labmon_drivers import highfinesse
from labmon_drivers._event_times import EventTimes
from labmon_drivers._exposure import AutoExposure
from labmon_drivers._regulation import is_on
from labmon_drivers.highfinesse import HighFinesse, InputSettings
from labmon_drivers.protocols import wlmdata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.reading import Batch

COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
NO_SIGNAL = Value(None, Quality.NO_SIGNAL)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("wlmdata")
    made = {}
    for width in ("int32_t", "int64_t"):
        made[width] = str(folder / f"lib{width}.so")
        source = Path(__file__).with_name("wlmdata.c")
        command = [COMPILER, "-shared", "-fPIC", f"-DLONG={width}", "-o", made[width], source]
        subprocess.run([*command, "-lpthread"], check=True, timeout=60)
    return made


class Bench:
    """A wavemeter, and what drives it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fake = ctypes.CDLL(path)
        self.fake.fake_light.argtypes = [ctypes.c_int, ctypes.c_double]
        self.fake.fake_reset()
        self.drivers: list[HighFinesse] = []

    def driver(self, **settings: Any) -> HighFinesse:
        self.drivers.append(HighFinesse(self.path, **settings))
        return self.drivers[-1]

    def connected(self, **settings: Any) -> HighFinesse:
        driver = self.driver(**settings)
        driver.connect()
        return driver


@pytest.fixture(params=["int32_t", "int64_t"])
def wavemeter(request, libraries) -> Iterator[Bench]:
    bench = Bench(libraries[request.param])
    yield bench
    for driver in bench.drivers:
        driver.disconnect()
    assert bench.fake.fake_stops() == 0
    assert bench.fake.fake_installed() == 0


@pytest.fixture(autouse=True)
def _listens_briefly(monkeypatch):
    monkeypatch.setattr(highfinesse, "LISTEN_S", 0.01)


def said(stream: Iterator[Any]) -> tuple[list[Timed], dict[str, Any]]:
    """The results that have come, and the readbacks if they were due."""
    results = []
    while isinstance(polled := next(stream), Timed):
        results.append(polled)
    return results, polled or {}


def results(stream: Iterator[Any], name: str = "ch1") -> list[Any]:
    return [each.readings[name] for each in said(stream)[0] if name in each.readings]


def thz(value: float) -> Any:
    return Value(pytest.approx(value, abs=1e-9))  # pyright: ignore[reportArgumentType]


@needs_compiler
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


@needs_compiler
def test_a_wavemeter_that_is_asked_gives_each_result_once(wavemeter):
    driver = wavemeter.connected(events=False)
    assert wavemeter.fake.fake_return_mode() == 1
    assert "ch1" not in driver.poll()
    wavemeter.fake.fake_measure(1)
    assert driver.poll() == {"ch1": thz(380.0), "ch2": thz(381.0)}
    assert driver.poll() == {}
    driver.disconnect()
    assert wavemeter.fake.fake_return_mode() == 0


@needs_compiler
def test_too_little_and_too_much_light_are_told_apart(wavemeter):
    driver = wavemeter.connected()
    stream = driver.stream()
    for light, quality in ((0, 1), (5, Quality.UNDER_RANGE), (750, Quality.OVER_RANGE)):
        wavemeter.fake.fake_light(1, light)
        wavemeter.fake.fake_measure(1)
        assert results(stream) == [Value(None, quality)]


@needs_compiler
def test_the_two_results_after_a_new_exposure_are_dropped(wavemeter):
    driver = wavemeter.connected()
    stream = driver.stream()
    wavemeter.fake.fake_measure(2)  # wait to be read while the exposure changes
    assert driver.set_exposure(1, 100) == 100.0
    wavemeter.fake.fake_measure(3)
    assert results(stream) == [Value(None, Quality.OVER_RANGE)]
    assert driver.set_exposure(1, 4) == 4.0
    wavemeter.fake.fake_measure(4)
    assert results(stream) == [thz(380.0)] * 2


@needs_compiler
def test_so_are_those_after_somebody_else_changed_it(wavemeter):
    driver = wavemeter.connected()
    stream = driver.stream()
    wavemeter.fake.fake_measure(1)
    wavemeter.fake.fake_somebody_exposes(1, 100)
    wavemeter.fake.fake_measure(3)
    taken, readbacks = said(stream)
    of_1 = [each.readings["ch1"] for each in taken if "ch1" in each.readings]
    assert of_1 == [thz(380.0), Value(None, Quality.OVER_RANGE)]
    assert readbacks["exposure/ch1"] == Value(100.0)


@needs_compiler
def test_a_driver_that_asks_notices_a_foreign_exposure_too(wavemeter):
    driver = wavemeter.connected(events=False, readbacks_s=0.1)
    driver.poll()
    wavemeter.fake.fake_exposure(1, 1, 100)
    driver._readbacks_due_s = 0.0
    seen = []
    for _ in range(4):
        wavemeter.fake.fake_measure(1)
        seen.append(driver.poll().get("ch1"))
    assert seen[:2] == [None, None]
    assert seen[2:] == [Value(None, Quality.OVER_RANGE)] * 2


@needs_compiler
@pytest.mark.parametrize("by_us", [True, False])
def test_after_another_input_was_selected_results_of_the_old_one_are_dropped(wavemeter, by_us):
    wavemeter.fake.fake_switch_mode(0)
    driver = wavemeter.connected()
    stream = driver.stream()
    wavemeter.fake.fake_measure(2)
    taken, _ = said(stream)
    assert [each.readings for each in taken if "ch1" in each.readings] == [{"ch1": thz(380.0)}] * 2
    if by_us:
        driver.select_channel(5)
    else:
        wavemeter.fake.fake_somebody_selects(5)
    wavemeter.fake.fake_measure(4)
    taken, readbacks = said(stream)
    assert [v for each in taken for n, v in each.readings.items() if n == "ch5"] == [
        thz(384.0),
        thz(384.0),
    ]
    if not readbacks:
        driver._readbacks_due_s = 0.0
        readbacks = said(stream)[1]
    assert readbacks["switcher/ch5"] == 1.0
    assert readbacks["switcher/ch1"] == 0.0


@needs_compiler
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


@needs_compiler
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


@needs_compiler
@pytest.mark.parametrize("light", [350.0, 40.0, 3000.0, 5000.0])
def test_automatic_exposure_finds_half_of_full_scale(wavemeter, light):
    wavemeter.fake.fake_light(1, light)
    wavemeter.fake.fake_exposure(1, 1, 50)
    driver = wavemeter.connected(lasers={"ch1": InputSettings(auto_exposure=True)})
    stream = driver.stream()
    for _ in range(40):
        wavemeter.fake.fake_measure(1)
        said(stream)
    driver._readbacks_due_s = 0.0
    readbacks = said(stream)[1]
    fraction = readbacks["amplitude/ch1"].value / wlmdata.FULL_SCALE
    if light < 1000:
        assert 0.4 <= fraction <= 0.6
        assert readbacks["auto_exposure/ch1"] == "good"
    else:
        assert readbacks["exposure/ch1"].value == 1.0
        assert readbacks["auto_exposure/ch1"] == "at limit"


@needs_compiler
def test_automatic_exposure_stops_where_there_is_no_light(wavemeter):
    wavemeter.fake.fake_light(1, 0.0)
    wavemeter.fake.fake_exposure_mode(1, 1)
    driver = wavemeter.connected()
    stream = driver.stream()
    assert driver.set_auto_exposure(1, "once") == "searching"
    wavemeter.fake.fake_measure(5)
    assert results(stream) == [NO_SIGNAL] * 5
    driver._readbacks_due_s = 0.0
    readbacks = said(stream)[1]
    assert readbacks["exposure/ch1"] == Value(5.0)
    assert readbacks["auto_exposure/ch1"] == "no light"
    assert driver._inputs[1]._auto[0].mode == "off"
    assert wavemeter.fake.GetExposureModeNum(1, False) == 0


@needs_compiler
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


@needs_compiler
def test_the_server_is_started_where_that_is_wished(wavemeter):
    wavemeter.fake.fake_run(0)
    wavemeter.fake.fake_can_start()
    wavemeter.fake.fake_operation(0)
    driver = wavemeter.connected(start_server=True, start_measurement=True)
    assert said(driver.stream())[1]["operation"] == "measuring"


@needs_compiler
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


@needs_compiler
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


@needs_compiler
def test_one_library_serves_one_device(wavemeter):
    wavemeter.connected()
    with pytest.raises(InstrumentError, match="another device uses"):
        wavemeter.connected()


@needs_compiler
def test_a_refused_callback_is_said(wavemeter):
    wavemeter.fake.fake_refuse_callback()
    driver = wavemeter.driver()
    with pytest.raises(InstrumentError, match="events: false"):
        driver.connect()
    driver.disconnect()
    wavemeter.connected(events=False).poll()


@needs_compiler
def test_abort_ends_the_stream(wavemeter, monkeypatch):
    monkeypatch.setattr(highfinesse, "LISTEN_S", 60.0)
    driver = wavemeter.connected(readbacks_s=60.0)
    stream = driver.stream()
    timer = threading.Timer(0.05, driver.abort)
    timer.start()
    assert next(stream) is not None
    assert next(stream, "ended") == "ended"
    timer.join()


@needs_compiler
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


@needs_compiler
def test_outputs_are_reported_and_set_within_limits(wavemeter):
    driver = wavemeter.connected(dac_ports=[1, 2], dac_limits_mv=(0.0, 4000.0))
    assert driver.channels["deviation/port2"].unit == "mV"
    assert driver.set_deviation_signal(1, 1234.5) == 1234.5
    for wrong in (-0.1, 4000.1):
        with pytest.raises(OutOfLimitsError, match="0 mV to 4000 mV"):
            driver.set_deviation_signal(1, wrong)
    with pytest.raises(InstrumentError, match="no such channel"):
        driver.set_deviation_signal(3, 1.0)
    assert driver.set_pid_course(2, "= 384.2304844") == "384.2304844"
    readbacks = said(driver.stream())[1]
    assert readbacks["regulation"] == 0.0
    assert readbacks["deviation/port1"] == 1234.5
    assert readbacks["course/port2"] == "384.2304844"


@needs_compiler
def test_a_regulation_is_tuned_and_read_back(wavemeter):
    driver = wavemeter.connected()
    expected = {"p": 2.5, "i": 10.0, "d": 0.0, "t": 0.5, "dt": 0.5}
    assert driver.set_pid(2, 2.5, 10.0, 0.0) == driver.get_pid(2) == expected
    with pytest.raises(InstrumentError, match="p of port 1: the value is out of range"):
        driver.set_pid(1, 5000.0, 0.0, 0.0)
    with pytest.raises(InstrumentError, match="port 3 does not tell its p"):
        driver.get_pid(3)


@needs_compiler
def test_an_output_is_the_wavemeters_while_it_regulates(wavemeter):
    driver = wavemeter.connected(dac_ports=[1], dac_limits_mv=(0.0, 4000.0))
    assert driver.set_regulation(True) is True
    with pytest.raises(InstrumentError, match="switch its regulation off first"):
        driver.set_deviation_signal(1, 100.0)
    assert said(driver.stream())[1]["deviation/port1"] == 0.0
    assert driver.set_regulation(False) is False
    assert driver.set_deviation_signal(1, 100.0) == 100.0


@needs_compiler
def test_without_limits_no_voltage_is_safe_and_a_course_is_one_line(wavemeter):
    driver = wavemeter.connected()
    assert "regulation" not in driver.channels
    with pytest.raises(OutOfLimitsError, match="dac_limits_mv"):
        driver.set_deviation_signal(1, 0.0)
    for wrong in ("=", "1\n2", "µ"):
        with pytest.raises(BadRequestError):
            driver.set_pid_course(1, wrong)


def test_a_library_without_outputs_says_so():
    with pytest.raises(InstrumentError, match="cannot regulate"):
        is_on(SimpleNamespace(call=SimpleNamespace()))


def following(driver: HighFinesse, *names: str) -> dict[str, Any]:
    """What the stream says until each name had a value."""
    seen: dict[str, Any] = {}
    deadline_s = time.monotonic() + 30
    for polled in driver.stream():
        readings = polled.readings if isinstance(polled, Timed) else polled or {}
        seen |= readings
        if all(name in seen for name in names):
            return seen
        assert time.monotonic() < deadline_s, seen
    return seen


def test_a_simulated_wavemeter_pushes_results_and_drops_stale_ones():
    driver = HighFinesse("sim://ws8?pushes", lasers={"ch1": InputSettings(label="Rb")})
    assert driver.simulated
    driver.connect()
    assert driver.identify() == "HighFinesse WS8 4711, version 6.1234"
    seen = following(driver, "ch1", "ch7", "ch8", "temperature", "pressure")
    assert seen["ch1"] == Value(pytest.approx(384.2305, abs=1e-4))
    assert seen["ch7"] == NO_SIGNAL
    driver.set_exposure(1, 20)
    seen = following(driver, "ch1")
    assert seen["ch1"] == Value(None, Quality.OVER_RANGE)  # not what was measured before
    assert driver.set_pid(1, 2.0, 3.0, 4.0)["i"] == 3.0
    assert driver.set_pid_course(1, "384.23 + 0.01 * t") == "384.23 + 0.01 * t"
    driver.disconnect()


@pytest.mark.parametrize(("mode", "number"), [(95, 8), (1130, 9), (1355, 10), (1362, 17)])
def test_results_of_inputs_behind_the_eighth_are_heard_too(mode, number):
    driver = HighFinesse("sim://ws8?many")
    driver.connect()
    driver._inputs[number] = driver._inputs[1]
    heard = driver._heard(wlmdata.Event(time.time_ns(), time.monotonic(), mode, 0, 780.24, 0))
    driver.disconnect()
    assert heard is not None
    assert heard.readings == {f"ch{number}": Value(wlmdata.LIGHT_NM_THZ / 780.24)}


def test_a_simulated_wavemeter_finds_its_exposure():
    driver = HighFinesse("sim://ws7?exposure")
    driver.connect()
    driver.set_exposure(2, 2)
    driver.set_auto_exposure(2, "once")
    deadline_s = time.monotonic() + 30
    for polled in driver.stream():
        state = (polled or {}).get("auto_exposure/ch2") if not isinstance(polled, Timed) else None
        if state == "off" or driver._inputs[2].auto_state == "good":
            break
        assert time.monotonic() < deadline_s
    assert driver._inputs[2].exposure_ms(1) == 5
    driver.disconnect()


def test_a_simulated_one_is_asked_too_and_small_ones_have_one_input():
    driver = HighFinesse("sim://ws6", events=False)
    driver.connect()
    deadline_s = time.monotonic() + 30
    while "ch1" not in (polled := driver.poll()):
        assert time.monotonic() < deadline_s
    assert polled["ch1"] == Value(pytest.approx(384.2305, abs=1e-4))
    assert "pressure" not in driver.channels
    assert "ch2" not in driver.channels
    with pytest.raises(InstrumentError):
        driver.set_switcher(1, active=False)
    driver.disconnect()
    with pytest.raises(OfflineError, match="there are ws6, ws7, ws8"):
        HighFinesse("sim://ws9").connect()


def test_other_libraries_are_refused(tmp_path):
    with pytest.raises(OfflineError, match="cannot load"):
        HighFinesse(str(tmp_path / "none.so")).connect()
    empty = tmp_path / "text.so"
    empty.write_text("no library")
    with pytest.raises(OfflineError, match="cannot load"):
        HighFinesse(str(empty)).connect()
    if name := ctypes.util.find_library("c"):
        with pytest.raises(OfflineError, match="no wlmData library"):
            HighFinesse(name).connect()


def test_a_wrong_channel_in_the_configuration_is_said():
    for name in ("1", "ch0", "laser", "ch65", "ch1x"):
        with pytest.raises(ValueError, match="there is no channel"):
            HighFinesse(lasers={name: InputSettings()})
    driver = HighFinesse(lasers={"ch2": InputSettings(label="Rb")}, inputs=[2, 12])
    assert driver.channels["ch2"].label == "2 Rb"
    assert "ch12" in driver.channels


def test_the_two_tables_of_errors_are_told_apart():
    assert wlmdata.result(-1.0) == NO_SIGNAL
    with pytest.raises(OfflineError):
        wlmdata.check(-1, "exposure")
    assert wlmdata.result(-3.0) == Value(None, Quality.UNDER_RANGE)
    with pytest.raises(InstrumentError, match="exposure: the value is out of range"):
        wlmdata.check(-3, "exposure")
    with pytest.raises(OfflineError):
        wlmdata.result(-5.0)
    with pytest.raises(InstrumentError, match="internal error"):
        wlmdata.check(-5, "exposure")
    assert wlmdata.result(0.0) is None
    assert wlmdata.result(-7.0) is None
    assert wlmdata.result(-2.0) == Value(None, Quality.FAULT)
    assert wlmdata.result(math.nan) == Value(None, Quality.FAULT)
    assert wlmdata.environment(-12.5) == Value(-12.5)
    assert wlmdata.environment(-1000.0) == NO_SIGNAL
    assert wlmdata.environment(-1006.0) is None
    with pytest.raises(OfflineError):
        wlmdata.environment(-1005.0)
    with pytest.raises(InstrumentError, match="refused with -99"):
        wlmdata.check(-99, "it")


@given(st.floats(0.001, 1000), st.integers(1, 999))
def test_automatic_exposure_ends_within_ten_steps(light, exposure_ms):
    auto = AutoExposure("once")
    for _ in range(10):
        fraction = min(4095.0, light * exposure_ms) / 3500
        if (wanted := auto.next_ms(exposure_ms, fraction, (1, 999))) is None:
            break
        assert 1 <= wanted <= 999
        exposure_ms = wanted
    assert auto.mode == "off"
    assert auto.state in {"good", "no light", "at limit"}


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 400)), min_size=1, max_size=50))
def test_times_of_events_follow_the_instrument_and_never_the_future(steps):
    times, stamp_ms = EventTimes(), 123_456
    origin_ns, last_ns = 1_700_000_000_000_000_000, 0
    for step_ms, late_ms in steps:
        stamp_ms += step_ms
        arrival_ns = max(last_ns, origin_ns + (stamp_ms + late_ms) * 1_000_000)
        last_ns = arrival_ns
        at_ns = times.at(stamp_ms, arrival_ns)
        assert at_ns <= arrival_ns
        assert at_ns >= origin_ns + stamp_ms * 1_000_000


def test_a_clock_that_is_set_or_begins_anew_is_followed():
    times = EventTimes()
    base_ns = 1_700_000_000_000_000_000
    assert times.at(100_000, base_ns) == base_ns
    assert times.at(100_010, base_ns + 15_000_000) == pytest.approx(base_ns + 10_000_000, abs=2000)
    assert times.at(5, base_ns + 20_000_000) == base_ns + 20_000_000  # its counter began anew
    assert times.at(15, base_ns + 40_000_000) == pytest.approx(base_ns + 30_000_000, abs=2000)
    assert times.at(25, base_ns - 3600 * 10**9) == base_ns - 3600 * 10**9  # our clock was set
    assert times.at(0, base_ns) == base_ns

"""`highfinesse` without a compiler: simulated libraries, the configuration, errors and times."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, OfflineError, Quality, Timed, Value
from labmon_drivers._event_times import EventTimes
from labmon_drivers.highfinesse import HighFinesse, InputSettings
from labmon_drivers.protocols import wlmdata
from tests.drivers.wavemeter import NO_SIGNAL


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

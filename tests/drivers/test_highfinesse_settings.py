"""What of a wavemeter is set: exposures, by hand and by themselves, outputs and regulations."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Value
from labmon.errors import BadRequestError, OutOfLimitsError
from labmon_drivers._exposure import AutoExposure
from labmon_drivers._regulation import is_on
from labmon_drivers.highfinesse import InputSettings
from labmon_drivers.protocols import wlmdata
from tests.drivers.wavemeter import NO_SIGNAL, results, said, thz


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


def test_a_regulation_is_tuned_and_read_back(wavemeter):
    driver = wavemeter.connected()
    expected = {"p": 2.5, "i": 10.0, "d": 0.0, "t": 0.5, "dt": 0.5}
    assert driver.set_pid(2, 2.5, 10.0, 0.0) == driver.get_pid(2) == expected
    with pytest.raises(InstrumentError, match="p of port 1: the value is out of range"):
        driver.set_pid(1, 5000.0, 0.0, 0.0)
    with pytest.raises(InstrumentError, match="port 3 does not tell its p"):
        driver.get_pid(3)


def test_an_output_is_the_wavemeters_while_it_regulates(wavemeter):
    driver = wavemeter.connected(dac_ports=[1], dac_limits_mv=(0.0, 4000.0))
    assert driver.set_regulation(True) is True
    with pytest.raises(InstrumentError, match="switch its regulation off first"):
        driver.set_deviation_signal(1, 100.0)
    assert said(driver.stream())[1]["deviation/port1"] == 0.0
    assert driver.set_regulation(False) is False
    assert driver.set_deviation_signal(1, 100.0) == 100.0


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

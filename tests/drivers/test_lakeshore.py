"""`lakeshore`: statuses that decide, commands that are refused in silence, models that differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Value
from labmon.device.transport import open_link
from labmon.errors import OutOfLimitsError
from labmon_drivers._lakeshore_loops import parse_unit
from labmon_drivers.lakeshore import LakeShore, parse_status
from labmon_drivers.simulators.lakeshore import LakeShore as Simulated
from tests.drivers.patience import PATIENT


def connected(bench, simulator, **settings):
    port = bench.serve("tcp", simulator).port
    driver = bench.use(LakeShore(port, gap_s=0.0, **PATIENT, **settings))
    driver.connect()
    return driver


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("000", Quality.OK),
        ("001", Quality.NO_SIGNAL),
        ("016", Quality.UNDER_RANGE),
        ("064", Quality.UNDER_RANGE),
        ("032", Quality.OVER_RANGE),
        ("128", Quality.OVER_RANGE),
        ("033", Quality.NO_SIGNAL),
        ("004", Quality.FAULT),
    ],
)
def test_the_status_of_a_reading(text, quality):
    assert parse_status(text) == quality


@given(st.text(max_size=8))
def test_any_other_status_is_an_instrument_error(text):
    try:
        assert parse_status(text) in range(6)
    except InstrumentError:
        return


def test_the_status_decides_and_not_the_number(bench):
    driver = connected(bench, Simulated(status="0,1,16,128", noise=0.0))
    readings = driver.poll()
    assert readings["temperature_a"] == Value(4.213)
    assert readings["temperature_b"] == Value(None, Quality.NO_SIGNAL)
    assert readings["temperature_c"] == Value(None, Quality.UNDER_RANGE)
    assert readings["temperature_d"] == Value(None, Quality.OVER_RANGE)
    assert readings["heater_1"] == Value(25.0)


@pytest.mark.parametrize("unit", ["K", "°C"])
def test_absolute_zero_is_no_temperature(bench, unit):
    simulator = Simulated(noise=0.0)
    simulator.temperatures_k["B"] = 0.0  # and a status of 0: the input is disabled
    readings = connected(bench, simulator, unit=unit).poll()
    assert readings["temperature_b"] == Value(None, Quality.NO_SIGNAL)
    assert readings["temperature_a"].quality == Quality.OK


def test_a_loop_is_tuned_and_read_back(bench):
    driver = connected(bench, Simulated())
    assert driver.get_pid(1) == [50.0, 20.0, 0.0]
    assert driver.set_pid(75.5, 30.0, 10.0, output=2) == [75.5, 30.0, 10.0]
    with pytest.raises(OutOfLimitsError, match="has 0"):
        connected(bench, Simulated(model="218"), model="218").get_pid(1)


def test_what_the_sensors_read_is_told_where_it_is_wanted(bench):
    driver = connected(bench, Simulated(status="0,1", noise=0.0), sensor_readings=True)
    readings = driver.poll()
    assert readings["sensor_a"] == Value(1.58947)
    assert readings["sensor_b"] == Value(None, Quality.NO_SIGNAL)
    assert set(readings) <= set(driver.channels)


def test_setpoints_below_zero_celsius_can_be_asked_for(bench):
    driver = connected(bench, Simulated(), unit="°C", highest=50)
    assert driver.parameters["setpoint_1"].rules.limits == (-273.15, 50)


def test_names_and_model_come_from_the_instrument(bench):
    driver = connected(bench, Simulated(), inputs=["b", "a"], labels=["Shield"])
    assert [channel.label for channel in driver.channels.values()][:2] == ["Shield", "Stage A"]
    assert list(driver.poll())[:2] == ["temperature_b", "temperature_a"]
    assert driver.identify() == "Lake Shore 336, serial LSA22AB/#######"


def test_the_monitor_218_reads_eight_at_once_and_in_celsius(bench):
    driver = connected(bench, Simulated(model="218", noise=0.0), model="218", unit="°C")
    readings = driver.poll()
    assert len(readings) == 8
    assert readings["temperature_8"] == Value(pytest.approx(21.65))  # pyright: ignore[reportArgumentType]
    assert driver.settings.parity == "odd"
    assert not driver.parameters


def test_the_controller_331_has_one_heater_without_number(bench):
    driver = connected(bench, Simulated(model="331"), model="331")
    assert driver.poll()["heater_1"] == Value(25.0)
    driver.parameters["range_1"].write(driver, 3)
    assert driver.parameters["range_1"].read(driver) == 3
    assert (driver.settings.baud_rate, driver.settings.parity) == (9600, "odd")


def test_a_setpoint_is_written_and_read_back_and_a_refusal_is_noticed(bench):
    simulator = Simulated()
    driver = connected(bench, simulator)
    setpoint = driver.parameters["setpoint_2"]
    setpoint.write(driver, 80.5)
    assert setpoint.read(driver) == 80.5
    with pytest.raises(InstrumentError, match="refused"):
        driver.send("SETP 2,900")
    with pytest.raises(InstrumentError, match="refused"):
        driver.send("NONSENSE")
    assert simulator.setpoints["2"] == 80.5


@pytest.mark.parametrize("model", ["331", "340", "335", "336", "350"])
def test_a_setpoint_is_told_and_taken_in_kelvin_whatever_its_loop_regulates_in(bench, model):
    simulator = Simulated(model=model, units=2)
    driver = connected(bench, simulator, model=model)
    setpoint = driver.parameters["setpoint_1"]
    setpoint.write(driver, 300.0)
    assert simulator.setpoints["1"] == 26.85
    assert setpoint.read(driver) == 300.0
    simulator.units = 1  # somebody turned the unit at the front panel, and the setpoint with it
    simulator.setpoints["1"] = 300.0
    assert setpoint.read(driver) == 300.0


def test_a_setpoint_is_told_and_taken_in_celsius_too(bench):
    simulator = Simulated()
    driver = connected(bench, simulator, unit="°C", highest=50)
    driver.parameters["setpoint_1"].write(driver, 20.0)
    assert simulator.setpoints["1"] == 293.15
    assert driver.parameters["setpoint_1"].read(driver) == 20.0


@pytest.mark.parametrize("case", ["in volts", "no input"])
def test_a_loop_that_regulates_no_temperature_has_no_setpoint_and_takes_none(bench, case):
    simulator = Simulated(units=3 if case == "in volts" else 1)
    simulator.regulates_on["1"] = 1 if case == "in volts" else 0
    driver = connected(bench, simulator)
    assert driver.parameters["setpoint_1"].read(driver) is None
    with pytest.raises(InstrumentError, match="does not regulate a temperature"):
        driver.parameters["setpoint_1"].write(driver, 4.2)
    assert simulator.setpoints["1"] == 4.2


@pytest.mark.parametrize("answer", ["", "1", "A,7,1,1", "1,1,0,0"])
def test_an_answer_without_unit_is_an_instrument_error(answer):
    with pytest.raises(InstrumentError, match="unit of a setpoint"):
        parse_unit(answer, 1 if "A" in answer else 4)


@pytest.mark.parametrize("said", ["1", "01", "2", "5"])
def test_a_heater_with_an_error_is_a_fault_however_that_is_written(bench, monkeypatch, said):
    simulator = Simulated()
    monkeypatch.setattr(simulator, "heater", said)
    driver = connected(bench, simulator)
    assert driver.poll()["heater_1"] == Value(25.0, Quality.FAULT)


def test_a_wrong_input_or_instrument_is_said():
    with pytest.raises(ValueError, match="there are A, B"):
        LakeShore("sim://lakeshore", model="335", inputs=["C"])


def test_another_maker_s_instrument_is_noticed():
    driver = LakeShore("sim://scpi", terminator="\n", reply_timeout_s=0.2)
    driver._link = open_link("sim://scpi", driver.settings)
    with pytest.raises(InstrumentError, match="no Lake Shore"):
        driver.identify()
    driver.disconnect()


class Counted(Simulated):
    """Counts the messages that it answers; some of them in another way."""

    def __init__(self, spoilt=None, **options):
        super().__init__(**options)
        self.messages: list[bytes] = []
        self._spoilt = spoilt

    def feed(self, data):
        answer = super().feed(data)
        self.messages.append(data)
        return self._spoilt(answer) if self._spoilt and b";" in data else answer


@pytest.mark.parametrize(("model", "most"), [("335", 1), ("336", 1), ("350", 1), ("331", 6)])
def test_a_poll_takes_as_few_messages_as_the_model_lets_it(bench, model, most):
    simulator = Counted(model=model)
    driver = connected(bench, simulator, model=model, sensor_readings=model != "331")
    simulator.messages.clear()
    readings = driver.poll()
    assert set(readings) == set(driver.channels)
    assert len(simulator.messages) == most
    assert max(map(len, simulator.messages)) <= 255  # what the manuals allow


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda answer: answer.partition(b";")[2],
        lambda answer: b"1;" + answer,
        lambda answer: answer[:-2] + b";\r\n",
    ],
)
def test_answers_that_are_too_few_or_too_many_are_none_of_them(bench, spoilt):
    driver = connected(bench, Counted(spoilt))
    with pytest.raises(InstrumentError, match=r"12 were asked, and 1[13] came"):
        driver.poll()

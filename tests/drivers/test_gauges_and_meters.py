"""`mks`, `agilent_xgs600`, `omega`, `srs`, `leoni`: words for numbers, echoes, dead times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Value
from labmon.errors import OutOfLimitsError
from labmon_drivers import agilent_xgs600, mks, omega
from labmon_drivers._channels import ChannelSettings
from labmon_drivers.agilent_xgs600 import AgilentXgs600
from labmon_drivers.leoni import Leoni, parse_channel
from labmon_drivers.mks import Mks
from labmon_drivers.omega import Omega
from labmon_drivers.simulators.leoni import Leoni as SimulatedSwitch
from labmon_drivers.simulators.mks import Mks as SimulatedMks
from labmon_drivers.simulators.omega import Omega as SimulatedMeter
from labmon_drivers.simulators.srs import Srs as SimulatedSrs
from labmon_drivers.simulators.xgs600 import Xgs600
from labmon_drivers.srs import Srs
from tests.drivers.patience import PATIENT


def connected(bench, make, simulator, **settings):
    driver = bench.use(make(bench.serve("tcp", simulator).port, **PATIENT | settings))
    driver.connect()
    return driver


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2.3E-09", Value(2.3e-9)),
        ("LO<E-11", Value(None, Quality.UNDER_RANGE)),
        (">1.1E+03", Value(None, Quality.OVER_RANGE)),
        ("ATM", Value(None, Quality.OVER_RANGE)),
        ("OFF", Value(None, Quality.NO_SIGNAL)),
        ("WAIT", Value(None, Quality.NO_SIGNAL)),
        ("LowEmis", Value(None, Quality.FAULT)),
    ],
)
def test_words_of_an_mks(text, value):
    assert mks.parse_pressure(text) == value


@given(st.text(max_size=20))
def test_any_answer_is_a_value_or_an_instrument_error(text):
    for parse in (
        mks.parse_pressure,
        agilent_xgs600.parse_pressure,
        agilent_xgs600.parse_boards,
        omega.parse_value,
        lambda t: parse_channel(t, 16),
    ):
        try:
            parse(text)
        except InstrumentError:
            continue


def test_an_mks_is_converted_switched_and_asked_by_address(bench):
    driver = connected(bench, Mks, SimulatedMks(address=3, unit="TORR"), address=3, gauges=[1])
    assert driver.poll()["pressure_1"].value == pytest.approx(2.3e-9 * 1.3332, rel=1e-4)
    assert driver.switch_gauge(1, False) is False
    assert driver.poll()["pressure_1"] == Value(None, Quality.NO_SIGNAL)
    assert driver.switch_gauge(1, True) is True
    with pytest.raises(InstrumentError, match="error 172"):
        driver.ask("PR6?")


def test_a_poll_during_which_the_unit_was_changed_gives_nothing(bench):
    class TurnedMks(SimulatedMks):
        """Somebody turns it to micron when the first pressure was told."""

        def _do(self, match):
            answer = super()._do(match)
            if match[2] == "PR":
                self.unit, self.readings = "MICRON", ["1.7", "1.7", "1.7"]
            return answer

    driver = connected(bench, Mks, TurnedMks(), address=1, gauges=[1, 2])
    assert driver.poll() == {}
    assert driver.poll()["pressure_2"].value == pytest.approx(1.7e-3 * 1.33322, rel=1e-4)

    class TurnedXgs(Xgs600):
        def _answer(self, request):
            answer = super()._answer(request)
            if request.endswith("0F"):
                self.answers["13"] = "00"
            return answer

    driver = connected(bench, AgilentXgs600, TurnedXgs())
    assert driver.poll() == {}
    assert driver.poll()["pressure_1"].value == pytest.approx(1.5e-9 * 1.33322, rel=1e-4)


def test_an_answer_of_another_mks_is_refused(monkeypatch):
    driver = Mks("sim://mks?address=5", address=7)
    driver.connect()
    monkeypatch.setattr(driver, "_address", 5)
    assert driver.ask("U?") == "mBAR"
    monkeypatch.setattr(driver.link, "read_line", lambda **_: b"@006ACKMBAR")
    with pytest.raises(InstrumentError, match="address 5"):
        driver.ask("U?")
    driver.disconnect()


def test_boards_of_an_xgs600():
    assert agilent_xgs600.parse_boards("103A40FEFEFE") == ["HFIG", "IMG", "CNV", "CNV"]
    assert agilent_xgs600.parse_boards("4C1040FEFEFE") == ["HFIG", "CNV", "CNV"]
    with pytest.raises(InstrumentError, match="'77'"):
        agilent_xgs600.parse_boards("1077")


def test_an_xgs600_is_read_and_a_board_that_is_pulled_is_noticed(bench):
    simulator = Xgs600(unit="02")
    driver = connected(bench, AgilentXgs600, simulator, labels=["Main"])
    assert driver.poll()["pressure_1"] == Value(1.5e-11)
    assert [channel.label for channel in driver.channels.values()][:2] == ["Main", "IMG 2"]
    simulator.answers["0F"] = "1.5E-09"
    with pytest.raises(InstrumentError, match="1 pressures came"):
        driver.poll()
    with pytest.raises(InstrumentError, match="refused"):
        driver.ask("77")


@pytest.mark.parametrize(
    ("answer", "prefix", "value"),
    [
        ("X01023.4", "", Value(23.4)),
        ("023.4", "", Value(23.4)),
        ("X01-012.50", "", Value(-12.5)),
        ("01X01023.4", "01", Value(23.4)),
        ("023.4", "02", Value(23.4)),  # without echo it repeats its address no more than the code
        ("0234", "02", Value(234.0)),
        ("X01075.4 C", "", Value(75.4)),
        ("X01?+999999", "", Value(None, Quality.OVER_RANGE)),
        ("?-999999", "", Value(None, Quality.UNDER_RANGE)),
    ],
)
def test_answers_of_an_omega(answer, prefix, value):
    assert omega.parse_value(answer, prefix) == value


@pytest.mark.parametrize(
    ("answer", "prefix", "said"),
    [
        ("?43", "", "command error"),
        ("02X01023.4", "01", "address 01"),
        ("01?43", "01", "command error"),
        ("X01", "", "no value"),
        ("X01?+", "", "no value"),
        ("075.4F", "", "it shows °F"),
    ],
)
def test_refusals_of_an_omega(answer, prefix, said):
    with pytest.raises(InstrumentError, match=said):
        omega.parse_value(answer, prefix, "°C")


@pytest.mark.parametrize(
    "simulator",
    [
        SimulatedMeter(has_echo=False),
        SimulatedMeter(address=10),
        SimulatedMeter(address=2, has_echo=False),
    ],
)
def test_an_omega_is_read_with_and_without_echo_and_address(bench, simulator):
    address = int(simulator._prefix or "0", 16)
    pressure = ChannelSettings(unit="bar", scale=0.1)
    driver = connected(bench, Omega, simulator, address=address, channel=pressure)
    assert driver.poll() == {"value": (pytest.approx(2.34), Quality.OK)}
    assert driver.channels["value"].unit == "bar"


def test_an_omega_s_answer_that_lost_its_beginning_is_none(bench, monkeypatch):
    driver = connected(bench, Omega, SimulatedMeter(address=1), address=1)
    monkeypatch.setattr(driver.link, "query", lambda _: "3.4")
    with pytest.raises(InstrumentError, match="damaged"):
        driver.poll()


def test_an_srs_tells_its_channels_and_takes_setpoints(bench):
    simulator = SimulatedSrs()
    heater = ChannelSettings(unit="W")
    driver = connected(bench, Srs, simulator, outputs={"Heater": heater})
    assert driver.poll() == {
        "heater": Value(12.5),
        "in_3a": Value(25.013),
        "in_3b": Value(None, Quality.NO_SIGNAL),
        "shield": Value(77.4),
    }
    assert (driver.channels["heater"].unit, driver.channels["in_3a"].unit) == ("W", "°C")
    assert driver.set_setpoint("Heater", 50.0) == 50.0
    driver.kill_all()
    assert driver.poll()["heater"] == Value(0.0)
    with pytest.raises(InstrumentError, match="there are: Heater"):
        driver.set_setpoint('x"=1;"', 1.0)
    del simulator.values["Shield"]
    with pytest.raises(InstrumentError, match="3 values came"):
        driver.poll()
    assert driver.identify() == "Stanford Research Systems PTC10"


def test_an_srs_tells_the_unit_of_each_channel(bench):
    simulator = SimulatedSrs()
    outputs = {"Shield": ChannelSettings(unit="kelvin")}
    driver = connected(bench, Srs, simulator, outputs=outputs)
    units = [channel.unit for channel in driver.channels.values()]
    assert units == ["W", "°C", "Ω", "kelvin"]
    simulator.units["In 3A"] = "K"
    with pytest.raises(InstrumentError, match="units were changed"):
        driver.poll()
    driver.connect()
    assert driver.channels["in_3a"].unit == "K"


class Distracted(SimulatedSrs):
    """Does not hear the first question for its units."""

    is_distracted = True

    def _do(self, line: str) -> str:
        if line == "getOutput.units?" and self.is_distracted:
            self.is_distracted = False
            return ""
        return super()._do(line)


def test_an_srs_that_once_did_not_hear_the_question_tells_its_units_all_the_same(bench):
    driver = bench.use(Srs(f"sim://{__name__}:Distracted", reply_timeout_s=0.1))
    driver.connect()
    assert [channel.unit for channel in driver.channels.values()] == ["W", "°C", "Ω", "K"]


@pytest.mark.parametrize("has_dots", [False, True])
def test_an_srs_that_does_not_tell_its_units_has_those_of_the_configuration(bench, has_dots):
    port = f"sim://srs?tells_units=false&has_dots={has_dots}"
    driver = bench.use(Srs(port, unit="K", reply_timeout_s=0.1))
    driver.connect()
    assert driver.channels["in_3a"].unit == "K"
    assert driver.poll()["in_3a"] == Value(25.013)


def test_a_fibre_switch_turns_and_tells_where_it_is(bench):
    simulator = SimulatedSwitch()
    driver = connected(bench, Leoni, simulator)
    assert driver.poll() == {"output": 3}
    driver.set_output(12)
    assert (simulator.at, driver.poll()) == (12, {"output": 12})
    simulator.at = 5  # at its front panel
    assert driver.poll() == {"output": 5}
    with pytest.raises(OutOfLimitsError, match="0 to 16"):
        driver.set_output(17)
    assert "firmware 8.09" in driver.identify()

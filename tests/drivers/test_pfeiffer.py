"""`pfeiffer`: what the controllers say, refuse and chatter, as the manuals have it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Value
from labmon.device.transport import open_link
from labmon_drivers.pfeiffer import Pfeiffer
from labmon_drivers.protocols.pfeiffer_tpg import (
    explain_error,
    parse_identities,
    parse_pressures,
    parse_unit,
)
from labmon_drivers.simulators.pfeiffer_tpg import PfeifferTpg
from tests.drivers.patience import PATIENT


def connected(bench, simulator, **settings):
    server = bench.serve("tcp", simulator)
    driver = bench.use(Pfeiffer(server.port, **PATIENT, **settings))
    driver.connect()
    return driver


def test_status_and_pressure():
    assert parse_pressures("0,+2.3100E-09") == [Value(2.31e-9)]
    assert parse_pressures("0, 8.3400E-03") == [Value(8.34e-3)]
    assert parse_pressures("1,+5.0000E-04,5,+2.0000E-02") == [
        Value(None, Quality.UNDER_RANGE),
        Value(None, Quality.NO_SIGNAL),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "0", "0,", "7,+1.0E-3", "0,+1.0000E-0", "0,+1.0000E-03,", "0,+1.0E-03,0", "0,1.0E-030,1"],
)
def test_half_an_answer_is_no_pressure(text):
    with pytest.raises(InstrumentError):
        parse_pressures(text)


@given(st.text(alphabet="0123456,+-.E \r\x06", max_size=60))
def test_any_answer_is_a_pressure_or_an_instrument_error(text):
    for parse in (parse_pressures, parse_unit):
        try:
            parse(text)
        except InstrumentError:
            continue
    parse_identities(text)
    explain_error(text)


@given(
    st.lists(st.tuples(st.sampled_from("0123456"), st.floats(1e-12, 1e3)), min_size=1, max_size=6)
)
def test_what_a_controller_writes_is_read(pairs):
    text = ",".join(f"{status},{pressure:+.4E}" for status, pressure in pairs)
    for value, (status, pressure) in zip(parse_pressures(text), pairs, strict=True):
        assert (value.value is None) == (status != "0")
        assert value.value in {None, float(f"{pressure:.4E}")}


def test_the_chatter_after_power_up_is_silenced(bench, kind):
    simulator = PfeifferTpg(noise=0.0)
    driver = bench.use(Pfeiffer(bench.serve(kind, simulator).port, **PATIENT))
    driver.connect()
    assert not simulator.chatters
    assert driver.poll() == {"pressure1": Value(2.31e-9), "pressure2": Value(4.7e-3)}


def test_a_power_cycle_gives_no_wrong_value(bench):
    simulator = PfeifferTpg(noise=0.0)
    driver = connected(bench, simulator)
    link = driver.link
    simulator.power_cycle()
    link.read_line()  # it chatters into the open port
    simulator.power_cycle()
    try:
        assert driver.poll()["pressure1"] == Value(2.31e-9)
    except InstrumentError:
        driver.connect()
    assert driver.poll()["pressure1"] == Value(2.31e-9)


@pytest.mark.parametrize("unit", [0, 1, 2, 3, 4])
def test_pressures_are_in_mbar_whatever_the_panel_shows(bench, unit):
    driver = connected(bench, PfeifferTpg(noise=0.0, unit=unit))
    assert driver.poll()["pressure2"].value == pytest.approx(4.7e-3, rel=1e-4)


def test_a_unit_that_is_changed_at_the_panel_spoils_no_reading(bench):
    simulator = PfeifferTpg(noise=0.0)
    driver = connected(bench, simulator, unit="Pa")
    assert driver.poll()["pressure2"].value == pytest.approx(0.47)
    simulator.unit = 1
    assert driver.poll() == {}
    assert driver.poll()["pressure2"].value == pytest.approx(0.47, rel=1e-4)
    simulator.unit = 5
    with pytest.raises(InstrumentError, match="volts"):
        driver.poll()


def test_inputs_without_a_gauge_have_no_channel(bench):
    driver = connected(bench, PfeifferTpg(model="TPG 366", status="050555"))
    assert list(driver.channels) == ["pressure1", "pressure3"]
    assert list(driver.poll()) == ["pressure1", "pressure3"]
    assert driver.identify() == "Pfeiffer TPG366, serial 44990000"


def test_inputs_may_be_chosen_and_named(bench):
    simulator = PfeifferTpg(model="TPG 256", status="055555")
    driver = connected(bench, simulator, gauges=[2, 1], labels=["Fore"])
    assert [channel.label for channel in driver.channels.values()] == ["Fore", "Gauge 1"]
    assert driver.poll()["pressure2"] == Value(None, Quality.NO_SIGNAL)
    assert "firmware 010300" in driver.identify()
    with pytest.raises(InstrumentError, match="2 inputs"):
        connected(bench, PfeifferTpg(model="TPG 262"), gauges=[3])


def test_a_gauge_is_switched_and_read_back(bench):
    driver = connected(bench, PfeifferTpg(status="030000"))
    assert driver.switch_gauge(1, False) is False
    assert driver.poll()["pressure1"] == Value(None, Quality.NO_SIGNAL)
    assert driver.switch_gauge(1, True) is True
    assert driver.poll()["pressure1"].quality == Quality.OK
    with pytest.raises(InstrumentError, match="cannot be switched"):
        driver.switch_gauge(2, True)


def test_what_is_refused_says_why(bench):
    driver = connected(bench, PfeifferTpg())
    with pytest.raises(InstrumentError, match="PR5 was refused: bad parameter"):
        driver.ask("PR5")
    with pytest.raises(InstrumentError, match="bad syntax"):
        driver.ask("XYZ")
    assert explain_error("1100") == "the controller has an error, no hardware"
    assert driver.ask("UNI") == "0"


def test_the_simulator_answers_again_when_it_is_asked_again():
    link = open_link("sim://pfeiffer")
    link.write(b"\x03")
    link.drop_input()
    link.write(b"PNR\r")
    assert link.read_line(end=b"\r\n") == b"\x06"
    for _ in range(2):
        link.write(b"\x05")
        assert link.read_line(end=b"\r\n") == b"010300"
    link.close()

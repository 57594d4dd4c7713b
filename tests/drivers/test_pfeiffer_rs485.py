"""`pfeiffer_rs485`: telegrams, their checksums, and several addresses on one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Value
from labmon_drivers.pfeiffer_rs485 import ParameterSettings, PfeifferRs485
from labmon_drivers.protocols.pfeiffer_telegram import READERS, Telegram, checked, decode, query
from labmon_drivers.simulators.pfeiffer_telegram import PfeifferTelegram
from tests.drivers.patience import PATIENT


def connected(port, **settings):
    driver = PfeifferRs485(port, **PATIENT, **settings)
    driver.connect()
    return driver


def test_the_examples_of_the_manual():
    assert query(123, 309).encode() == b"1230030902=?112\r"
    assert decode(b"1231030906000633037") == Telegram(123, True, 309, "000633")
    assert READERS["u_expo_new"]("231011") == 2.31e-9
    assert READERS["u_expo_new"]("100023") == 1000.0
    assert READERS["u_real"]("001571") == 15.71
    assert READERS["boolean_old"]("111111") == 1.0


@given(
    st.builds(
        Telegram,
        st.integers(0, 999),
        st.booleans(),
        st.integers(0, 999),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=16),
    )
)
def test_what_is_encoded_is_decoded(telegram):
    assert decode(telegram.encode()[:-1]) == telegram


@given(st.binary(max_size=40), st.sampled_from(sorted(READERS)))
def test_anything_else_is_an_instrument_error(line, kind):
    try:
        READERS[kind](decode(line).data)
    except InstrumentError:
        return


@given(st.integers(0, 18), st.integers(0, 255))
def test_one_wrong_character_is_noticed(at, byte):
    line = bytearray(b"1231030906000633037")
    if line[at] == byte:
        return
    line[at] = byte
    with pytest.raises(InstrumentError):
        checked(decode(bytes(line)), query(123, 309))


def test_the_answer_of_another_address_is_refused():
    with pytest.raises(InstrumentError, match="address 2"):
        checked(Telegram(2, True, 309, "000633"), query(1, 309))
    with pytest.raises(InstrumentError, match="parameter 310"):
        checked(Telegram(1, True, 310, "000633"), query(1, 309))
    with pytest.raises(InstrumentError, match="out of range"):
        checked(Telegram(1, True, 10, "_RANGE"), Telegram(1, True, 10, "222222"))


def test_a_pump_and_a_gauge_share_a_line(bench, kind):
    class Line:
        instruments = (PfeifferTelegram(1), PfeifferTelegram(2, instrument="gauge"))

        def feed(self, data):
            return b"".join(each.feed(data) for each in self.instruments)

        def tick(self, now_s):
            return b"".join(each.tick(now_s) for each in self.instruments)

    port = bench.serve(kind, Line()).port
    pump = bench.use(connected(port, address=1))
    gauge = bench.use(connected(port, address=2, instrument="gauge"))
    for _ in range(3):
        assert pump.poll()["speed"] == Value(1000.0)
        assert gauge.poll() == {"pressure": Value(2.31e-9), "error": Value("")}
    assert (pump.identify(), gauge.identify()) == (
        "Pfeiffer TC 110, software 010300",
        "Pfeiffer RPT 100, software 010100",
    )


def test_parameters_that_a_model_lacks_are_left_out(bench):
    simulator = PfeifferTelegram()
    del simulator.parameters["346"]
    more = {"hours": ParameterSettings(number=311, unit="h")}
    driver = bench.use(connected(bench.serve("tcp", simulator).port, parameters=more))
    readings = driver.poll()
    assert "bearing_temperature" in readings
    assert {"motor_temperature", "hours"}.isdisjoint(readings)


def test_the_pump_is_switched_and_read_back(bench):
    simulator = PfeifferTelegram()
    driver = bench.use(connected(bench.serve("tcp", simulator).port))
    assert driver.switch_pumping_station(False) is False
    assert not simulator.is_on
    assert driver.switch_pumping_station(True) is True


@pytest.mark.parametrize(
    ("data", "quality"), [("000000", Quality.UNDER_RANGE), ("999999", Quality.OVER_RANGE)]
)
def test_a_pressure_out_of_range_is_none(bench, data, quality):
    simulator = PfeifferTelegram(instrument="gauge")
    simulator.parameters["740"] = data
    driver = bench.use(connected(bench.serve("tcp", simulator).port, instrument="gauge"))
    assert driver.poll()["pressure"] == Value(None, quality)


def test_an_error_makes_the_values_doubtful(bench):
    driver = bench.use(connected(bench.serve("tcp", PfeifferTelegram(error="Err021")).port))
    readings = driver.poll()
    assert readings["error"] == Value("Err021")
    assert readings["speed"] == Value(1000.0, Quality.FAULT)

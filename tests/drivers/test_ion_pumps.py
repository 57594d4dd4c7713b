"""`gamma` and `agilent_pump`: checksums, addresses, and pressures that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.device import InstrumentError, Quality, Value
from labmon_drivers.agilent_pump import AgilentPump
from labmon_drivers.gamma import Gamma
from labmon_drivers.protocols import agilent_window
from labmon_drivers.protocols import gamma as protocol
from labmon_drivers.protocols.agilent_window import Message, Messages, checked, read
from labmon_drivers.simulators.agilent_window import AgilentWindow
from labmon_drivers.simulators.gamma import Gamma as SimulatedGamma
from tests.drivers.patience import PATIENT


def gamma(bench, simulator, **settings):
    port = bench.serve("tcp", simulator).port
    driver = bench.use(Gamma(port, gap_s=0.0, **PATIENT, **settings))
    driver.connect()
    return driver


def agilent(bench, simulator, **settings):
    port = bench.serve("tcp", simulator).port
    driver = bench.use(AgilentPump(port, **PATIENT, **settings))
    driver.connect()
    return driver


def test_a_gamma_command_has_the_checksum_of_the_manual():
    assert protocol.encode(1, 0x0B) == b"~ 01 0B 33\r"
    assert protocol.encode(1, 0x01) == b"~ 01 01 22\r"
    assert protocol.encode(1, 0x0B, "01") == b"~ 01 0B 01 B4\r"
    assert (
        protocol.encode(5, 0x0A, "1")
        == b"~ 05 0A 1 " + protocol.checksum(" 05 0A 1 ").encode() + b"\r"
    )


def test_a_gamma_reply_is_checked():
    body = "01 OK 00 1.3E-09 TORR "
    good = body + protocol.checksum(body)
    assert protocol.decode(good, 1) == "1.3E-09 TORR"
    wrong = good.replace("1.3", "1.8")
    with pytest.raises(InstrumentError, match="checksum"):
        protocol.decode(wrong, 1)
    assert protocol.decode(wrong, 1, is_checked=False) == "1.8E-09 TORR"
    with pytest.raises(InstrumentError, match="address 01"):
        protocol.decode(good, 2)
    refused = "01 ER 06 "
    with pytest.raises(InstrumentError, match="error 06"):
        protocol.decode(refused + protocol.checksum(refused), 1)


@given(st.text(max_size=40))
def test_any_other_gamma_reply_is_an_instrument_error(text):
    for read_it in (
        lambda t: protocol.decode(t, 1),
        protocol.decode_bare,
        protocol.parse_quantity,
    ):
        try:
            read_it(text)
        except InstrumentError:
            continue


def test_a_gamma_controller_is_read_and_switched(bench):
    driver = gamma(bench, SimulatedGamma(), unit="mbar")
    readings = driver.poll()
    assert readings["pressure"].value == pytest.approx(1.3e-9 * 1.3332, rel=1e-3)
    assert readings["current"] == Value(2.6e-7)
    assert readings["voltage"] == Value(6950.0)
    assert readings["status"] == Value("RUNNING")
    assert driver.identify() == "DIGITEL SPCe FIRMWARE: 2.05"
    assert driver.stop_pump() is False
    readings = driver.poll()
    assert readings["pressure"] == Value(None, Quality.NO_SIGNAL)
    assert readings["current"] == Value(None, Quality.NO_SIGNAL)  # it says 0.1E-09 AMPS
    assert readings["status"] == Value("STANDBY")
    assert driver.start_pump() is True


def test_who_changes_the_unit_of_a_gamma_controller_changes_no_value(bench):
    simulator = SimulatedGamma()
    driver = gamma(bench, simulator, unit="Pa")
    before = driver.poll()["pressure"]
    simulator.unit = "MBR"
    assert driver.poll()["pressure"] == before


@pytest.mark.parametrize(
    ("code", "answer", "said"),
    [
        (protocol.PRESSURE, "2.6E-07 AMPS", "no pressure"),  # the answer to another question
        (protocol.PRESSURE, "1.3E-09", "unit"),
        (protocol.CURRENT, "1.3E-09 TORR", "no current"),
        (protocol.VOLTAGE, "1.3E-09 TORR", "no voltage"),
    ],
)
def test_a_gamma_reply_in_a_strange_unit_is_refused(bench, code, answer, said):
    simulator = SimulatedGamma()
    driver = gamma(bench, simulator)
    simulator.answers[code] = answer
    with pytest.raises(InstrumentError, match=said):
        driver.poll()


def test_a_gamma_controller_with_several_supplies(bench):
    driver = gamma(
        bench, SimulatedGamma(supplies=2, address=5), supplies=[1, 2], address=5, unit="Torr"
    )
    driver.stop_pump(2)
    readings = driver.poll()
    assert readings["pressure_1"] == Value(1.3e-9)
    assert readings["pressure_2"] == Value(None, Quality.NO_SIGNAL)
    with pytest.raises(InstrumentError, match="error 06"):
        driver.stop_pump(3)


def test_a_gamma_controller_over_its_own_socket(bench):
    driver = gamma(bench, SimulatedGamma(), protocol="ethernet", unit="Torr")
    assert driver.poll()["pressure"] == Value(1.3e-9)
    with pytest.raises(InstrumentError, match="refused"):
        driver.ask(0x99)


def test_a_window_message_and_its_two_digits_of_crc():
    assert read(0, 810).encode() == b"\x02\x808100\x03" + agilent_window.crc(b"\x808100\x03")
    assert agilent_window.crc(b"\x0a") == b"0A"
    assert Message(0, 11, True, "1").encode()[:7] == b"\x02\x8001111"


@given(
    st.lists(
        st.builds(
            Message,
            st.integers(0, 31),
            st.integers(0, 999),
            st.booleans(),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10),
        ),
        max_size=4,
    ),
    st.binary(max_size=5).map(lambda junk: junk.replace(b"\x02", b"")),
    st.data(),
)
def test_messages_are_the_same_however_the_bytes_are_cut(messages, junk, data):
    stream = b"".join(junk + each.encode() for each in messages)
    reader, found = Messages(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == messages


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_junk_is_an_instrument_error_and_a_good_message_comes_through(chunks):
    reader = Messages()
    for chunk in chunks:
        try:
            reader.feed(chunk)
        except InstrumentError:
            continue
        assert len(reader._rest) <= 64
    good = read(1, 205)
    for _ in range(40):  # what is left of the junk may swallow the first
        try:
            if good in reader.feed(good.encode()):
                return
        except InstrumentError:
            continue
    pytest.fail("it never found its way again")


def test_refusals_and_answers_of_others_are_told_apart():
    with pytest.raises(InstrumentError, match="unknown window"):
        checked(Message(0, None, False, "", 0x32), read(0, 999))
    with pytest.raises(InstrumentError, match="window 811"):
        checked(Message(0, 811, False, "1"), read(0, 810))
    with pytest.raises(InstrumentError, match="address 3"):
        checked(Message(3, 810, False, "1"), read(0, 810))


def test_an_ion_pump_is_read_and_switched(bench):
    driver = agilent(bench, AgilentWindow(unit=0), unit="mbar")
    readings = driver.poll()
    assert readings["pressure_1"].value == pytest.approx(2.4e-9 * 1.3332, rel=1e-3)
    assert readings["voltage_1"] == Value(7000.0)
    assert readings["error"] == Value("")
    assert driver.identify() == "Agilent X3602-64000, serial IT2101R001"
    assert driver.switch_pump(False) is False
    assert driver.poll()["pressure_1"] == Value(None, Quality.NO_SIGNAL)
    with pytest.raises(InstrumentError, match="no pump 2"):
        driver.switch_pump(True, pump=2)


def test_a_poll_during_which_the_unit_of_a_controller_was_changed_gives_nothing(bench):
    class Turned(AgilentWindow):
        """Somebody turns it to Pa when the first pressure was told."""

        def _answer(self, request):
            answer = super()._answer(request)
            if request.window == 812:
                self.windows |= {600: "000002", 822: "2.4E-07".ljust(10)}
            return answer

    driver = agilent(bench, Turned(pumps=2), instrument="4uhv", pumps=[1, 2])
    assert driver.poll() == {}
    assert driver.poll()["pressure_2"] == Value(2.4e-9)


def test_a_controller_with_four_pumps(bench):
    driver = agilent(
        bench, AgilentWindow(pumps=4, address=3), instrument="4uhv", address=3, pumps=[2, 4]
    )
    assert [name for name in driver.poll() if name.startswith("pressure")] == [
        "pressure_2",
        "pressure_4",
    ]


def test_a_turbo_pump(bench):
    driver = agilent(bench, AgilentWindow(is_turbo=True), instrument="turbo")
    readings = driver.poll()
    assert readings["frequency"] == Value(1010.0)
    assert readings["status"] == Value("normal")
    assert driver.switch_pump(False) is False

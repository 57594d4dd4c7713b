"""`serial_line`: boards that answer and boards that print, whole or damaged."""

from __future__ import annotations

import pytest

from labmon.device import Driver, InstrumentError, InstrumentTimeoutError, Quality, Value
from labmon_drivers.serial_line import LineChannel, SerialLine, unescaped
from labmon_drivers.simulators.gauge import Gauge
from tests.drivers.patience import PATIENT, in_a_hurry

CHANNELS = {
    name: LineChannel(unit="mbar", scientific=True, status=f"{name}_status")
    for name in ("chamber", "foreline", "loadlock")
}
WORDS = {"ok": "ok", "under": "under_range", "over": "over_range"}


def gauge(port, **settings):
    defaults = {
        "channels": CHANNELS,
        "request": "PR?\\r\\n",
        "status_words": WORDS,
        **PATIENT,
    }
    return SerialLine(port, **defaults | settings)


def board(**settings):
    """A driver whose parser is tried without a port."""
    defaults = {"port": "sim://gauge", "channels": {"t": LineChannel(unit="°C")}}
    return SerialLine(**defaults | settings)


def test_a_gauge_is_read_over_sim():
    driver = gauge("sim://gauge?age_s=1000")
    driver.connect()
    readings = driver.poll()
    driver.disconnect()
    assert list(readings) == ["chamber", "foreline", "loadlock"]
    assert readings["chamber"].value == pytest.approx(1e-9, rel=100)
    assert readings["foreline"].value == pytest.approx(5e-3, rel=0.2)
    assert driver.channels["chamber"].unit == "mbar"


def test_a_gauge_is_read_over_a_wire(bench, kind):
    driver = bench.use(gauge(bench.serve(kind, Gauge(age_s=1000)).port))
    driver.connect()
    assert driver.poll()["foreline"].quality == Quality.OK
    assert driver.poll()["foreline"].value == pytest.approx(4.7e-3, rel=0.2)


def test_an_instrument_may_be_asked_who_it_is():
    driver = gauge("sim://gauge", identify=r"*IDN?\r\n", model="TPG 999")
    driver.connect()
    assert driver.identify() == "LABMON,SIMULATED GAUGE,0,1.0"
    assert (driver.model, driver.simulated) == ("TPG 999", True)
    driver.disconnect()


def test_the_status_decides_and_not_the_number():
    driver = gauge("sim://gauge")
    line = b"chamber=5E-10[mbar] chamber_status=under foreline=1E-2 foreline_status=over"
    assert driver.values(line) == {
        "chamber": Value(None, Quality.UNDER_RANGE),
        "foreline": Value(None, Quality.OVER_RANGE),
    }
    assert driver.values(b"chamber=1E-6 chamber_status=strange") == {
        "chamber": Value(None, Quality.FAULT)
    }
    with pytest.raises(InstrumentError, match="chamber_status"):
        driver.values(b"chamber=1E-6")


def test_scale_offset_key_and_words_for_no_value():
    channels = {
        "t": LineChannel(key="TEMP", scale=0.125, offset=-273.0),
        "door": LineChannel(kind="nominal"),
    }
    driver = board(channels=channels, status_words={"---": "no_signal"})
    assert driver.values(b"TEMP=2352 door=open") == {
        "t": Value(21.0),
        "door": Value("open"),
    }
    assert driver.values(b"TEMP=---") == {"t": Value(None, Quality.NO_SIGNAL)}
    assert driver.values(b"TEMP=nan") == {"t": Value(None, Quality.NO_SIGNAL)}
    for line in (b"TEMP=warm", b"other=1", b"\xff\xfe", b""):
        with pytest.raises(InstrumentError):
            driver.values(line)


def test_csv_json_and_patterns():
    csv = board(format="csv", columns=["", "t"], separator=";")
    assert csv.values(b"12;3.5") == {"t": Value(3.5)}
    json = board(format="json", channels={"t": LineChannel(key="bme.t")})
    assert json.values(b'{"bme": {"t": 3}}') == {"t": Value(3.0)}
    pattern = board(pattern=r"Temp is (?P<t>[-\d.]+)")
    assert pattern.values(b"Temp is 3.5 degrees") == {"t": Value(3.5)}
    with pytest.raises(ValueError, match="columns"):
        board(format="csv")
    with pytest.raises(ValueError, match="pattern"):
        board(format="pattern")


class Printer:
    """A board that prints what it is told to."""

    def __init__(self, said=b""):
        self.said = said

    def feed(self, data):
        return b""

    def tick(self, now_s):
        said, self.said = self.said, b""
        return said


def heard(stream):
    return next(values for values in stream if values is not None)


def test_a_board_that_prints_is_heard_from_its_first_whole_line(bench, kind, wait_until):
    printer = Printer(b"t=98\r\nt")
    driver = bench.use(board(port=bench.serve(kind, printer).port))
    wait_until(lambda: not printer.said)  # before we came
    driver.connect()
    printer.said = b"=99\r\nt=1\r\nt=2\r\nt="
    stream = driver.stream()
    assert [heard(stream), heard(stream)] == [{"t": Value(1.0)}, {"t": Value(2.0)}]
    printer.said = b"3\r\n\r\nt=4t=5\r\nWelcome!!\r\n\xff\x00\r\n" + b"x" * 5000 + b"\r\nt=6\r\n"
    assert [heard(stream), heard(stream)] == [{"t": Value(3.0)}, {"t": Value(6.0)}]


def test_a_board_that_prints_seldom_loses_no_line_after_it_was_connected(bench, kind, monkeypatch):
    monkeypatch.setattr("labmon_drivers.serial_line.LISTEN_S", 0.05)
    printer = Printer()
    driver = bench.use(board(port=bench.serve(kind, printer).port))
    driver.connect()
    stream = driver.stream()
    assert next(stream) is None  # nothing was under way: what comes now begins a line
    printer.said = b"t=1\r\n"
    assert heard(stream) == {"t": Value(1.0)}


def test_a_board_that_prints_nothing_good_is_gone(bench, kind, wait_until):
    printer = Printer()
    driver = bench.use(board(port=bench.serve(kind, printer).port, silence_s=0.3))
    driver.connect()
    with pytest.raises(InstrumentTimeoutError, match=r"for 0.3 s \(silence_s\); nothing came"):
        heard(driver.stream())
    printer.said = b"\r\nrubbish!\r\n"
    wait_until(lambda: not printer.said)
    with pytest.raises(InstrumentTimeoutError, match="rubbish"):
        heard(driver.stream())


def test_a_board_that_prints_is_heard_over_sim():
    driver = gauge("sim://gauge?interval_s=0.02", request="")
    driver.connect()
    stream = driver.stream()
    assert [len(heard(stream)) for _ in range(3)] == [3, 3, 3]
    driver.disconnect()


def test_a_board_that_answers_is_polled_and_one_that_prints_is_not():
    assert type(gauge("sim://gauge")).stream is Driver.stream
    assert type(board()).stream is not Driver.stream


@pytest.mark.parametrize("fault", ["silence", "half", "garbage", "drip", "late", "flood"])
def test_a_bad_line_gives_no_value_and_the_gauge_comes_back(bench, kind, fault):
    server, faulty = bench.faulty(kind, Gauge())
    driver = bench.use(gauge(server.port))
    driver.connect()
    assert driver.poll()
    faulty.fault = fault
    with in_a_hurry(driver), pytest.raises(InstrumentError):
        driver.poll()
    faulty.fault = "none"
    driver.disconnect()
    driver.connect()
    for _ in range(3):
        assert driver.poll()["foreline"].value == pytest.approx(4.7e-3, rel=0.2)


def test_an_unplugged_gauge_comes_back(bench, tmp_path):
    server = bench.serve("pty", Gauge(), link=tmp_path / "gauge")
    driver = bench.use(gauge(server.port))
    driver.connect()
    server.close()
    with pytest.raises(InstrumentError):
        driver.poll()
    driver.disconnect()
    with pytest.raises(InstrumentError):
        driver.connect()
    bench.serve("pty", Gauge(), link=tmp_path / "gauge")
    driver.connect()
    assert driver.poll()


def test_what_is_sent_is_written_with_escapes():
    assert unescaped(r"PR1?\r\n") == b"PR1?\r\n"
    assert unescaped("PR1?\r\n") == b"PR1?\r\n"
    assert unescaped(r"\x05\x80") == b"\x05\x80"

"""Ports of VISA: our simulators through pyvisa-py, and messages through pyvisa-sim."""

from __future__ import annotations

import sys
import threading
import time

import pytest

pytest.importorskip("pyvisa_py")

from labmon.device import InstrumentError, InstrumentTimeoutError, OfflineError, open_link
from labmon.device.simulated_fault import FaultySimulator
from labmon.device.simulator import make_simulator
from labmon.device.transports.visa import is_visa
from labmon_drivers.lakeshore import LakeShore
from labmon_drivers.pfeiffer import Pfeiffer
from labmon_drivers.scpi import Scpi, ScpiChannel
from tests.drivers.echo import Echo
from tests.drivers.patience import PATIENT, in_a_hurry

MESSAGES = """
spec: "1.0"
devices:
  meter:
    eom:
      USB INSTR: {q: "\\n", r: "\\n"}
      GPIB INSTR: {q: "\\n", r: ""}
    error: ERROR
    dialogues:
      - {q: "*IDN?", r: "ACME,METER,1,1.0"}
      - {q: "MEAS?", r: "1.5"}
resources:
  USB0::0x1111::0x2222::0x1234::INSTR: {device: meter}
  GPIB0::8::INSTR: {device: meter}
"""


@pytest.fixture(autouse=True)
def _pure_python(monkeypatch):
    monkeypatch.setenv("PYVISA_LIBRARY", "@py")


def resource(port: str) -> str:
    """The same place as VISA calls it."""
    if port.startswith("/"):
        return f"ASRL{port}::INSTR"
    host, tcp_port = port.removeprefix("tcp://").split(":")
    return f"visa://TCPIP0::{host}::{tcp_port}::SOCKET"


@pytest.mark.parametrize(
    ("port", "is_one"),
    [
        ("visa://anything", True),
        ("TCPIP0::192.168.1.5::inst0::INSTR", True),
        ("GPIB::8::INSTR", True),
        ("ASRL/dev/ttyUSB0::INSTR", True),
        ("USB0::0x1313::0x8078::P0001::INSTR", True),
        ("/dev/ttyUSB0", False),
        ("COM3", False),
        ("tcp://[::1]:23", False),
        ("usb://A50285BI", False),
    ],
)
def test_names_of_resources_are_told_from_other_ports(port, is_one):
    assert is_visa(port) is is_one


@pytest.mark.parametrize(
    ("make", "url", "expected"),
    [
        (
            lambda port: Scpi(
                port,
                {
                    "voltage": ScpiChannel(query="MEAS:VOLT?"),
                    "peak": ScpiChannel(query="TRAC?", block="float32", take="max"),
                },
                error_query="SYST:ERR?",
                **PATIENT,
            ),
            "sim://scpi?noise=0",
            {"voltage": 5.0, "peak": 5.005},
        ),
        (
            lambda port: Pfeiffer(port, **PATIENT),
            "sim://pfeiffer",
            {"pressure1": 2.31e-9, "pressure2": 4.7e-3},
        ),
        (
            lambda port: LakeShore(port, "218", gap_s=0.0, **PATIENT),
            "sim://lakeshore?model=218",
            {"temperature_1": 4.213},
        ),
    ],
)
def test_drivers_read_their_simulators_through_visa(bench, kind, make, url, expected):
    driver = bench.use(make(resource(bench.serve(kind, make_simulator(url)).port)))
    driver.connect()
    driver.identify()
    for _ in range(2):
        polled = driver.poll()
        for name, value in expected.items():
            assert polled[name].value == pytest.approx(value, rel=0.05), name


def test_silence_is_a_timeout_and_no_more(bench, kind):
    faulty = FaultySimulator(make_simulator("sim://scpi"))
    port = resource(bench.serve(kind, faulty).port)
    link = open_link(port, **PATIENT)
    assert link.query("*IDN?").startswith("LABMON")
    faulty.fault = "silence"
    started_s = time.monotonic()
    with (
        in_a_hurry(link, 0.2),
        pytest.raises(InstrumentTimeoutError, match=r"nothing within 0\.2 s"),
    ):
        link.query("*IDN?")
    assert time.monotonic() - started_s < 30
    faulty.fault = "none"
    assert link.query("VOLT?") == "5.000"
    link.close()
    with pytest.raises(InstrumentError):
        link.query("VOLT?")


def test_half_an_answer_is_not_lost_while_the_rest_is_awaited(bench, kind):
    faulty = FaultySimulator(make_simulator("sim://scpi"), "drip")
    link = open_link(resource(bench.serve(kind, faulty).port), **PATIENT)
    assert link.query("VOLT?") == "5.000"  # a byte each 0.2 s
    link.close()


def test_a_line_that_takes_its_time_is_not_gone(bench, wait_until):
    class Slow(Echo):
        def feed(self, data: bytes) -> bytes:
            threading.Event().wait(0.1)
            return super().feed(data)

    slow = Slow()
    link = open_link(resource(bench.serve("pty", slow).port), **PATIENT)
    link.write(b"z" * 20_000)
    wait_until(lambda: len(slow.heard) == 20_000)
    link.close()


class Mute:
    """Hears what is asked, says so, and answers nothing."""

    def __init__(self) -> None:
        self.was_asked = threading.Event()

    def feed(self, data: bytes) -> bytes:
        self.was_asked.set()
        return b""

    def tick(self, now_s: float) -> bytes:
        return b""


def test_a_call_that_waits_is_ended_from_another_thread(bench, kind):
    mute = Mute()
    link = open_link(resource(bench.serve(kind, mute).port), reply_timeout_s=60.0)
    closer = threading.Thread(target=lambda: mute.was_asked.wait(30) and link.close())
    closer.start()
    started_s = time.monotonic()
    with pytest.raises(OfflineError, match="was closed"):
        link.query("*IDN?")
    assert time.monotonic() - started_s < 30
    closer.join()


def test_a_pulled_plug_is_noticed_and_it_comes_back(bench, tmp_path):
    name = tmp_path / "port"
    channels = {"voltage": ScpiChannel(query="VOLT?")}
    server = bench.serve("pty", make_simulator("sim://scpi"), link=name)
    driver = bench.use(Scpi(f"visa://ASRL{name}::INSTR", channels, **PATIENT))
    driver.connect()
    server.close()
    with pytest.raises(InstrumentError):
        driver.poll()
    driver.disconnect()
    with pytest.raises(OfflineError, match="cannot open"):
        driver.connect()
    bench.serve("pty", make_simulator("sim://scpi"), link=name)
    driver.connect()
    assert driver.poll()["voltage"].value == 5.0


@pytest.mark.parametrize(
    "port", ["TCPIP0::127.0.0.1::1::SOCKET", "visa://ASRL/dev/nothing::INSTR", "visa://nonsense"]
)
def test_what_does_not_exist_is_offline(bench, port):
    driver = bench.use(Scpi(port, {"voltage": ScpiChannel(query="VOLT?")}))
    with pytest.raises(OfflineError):
        driver.connect()


def test_without_pyvisa_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    with pytest.raises(OfflineError, match=r"pip install labmon-server\[visa\]"):
        open_link("visa://GPIB0::8::INSTR")


@pytest.mark.parametrize("port", ["USB0::0x1111::0x2222::0x1234::INSTR", "visa://GPIB0::8::INSTR"])
def test_instruments_that_speak_in_messages(monkeypatch, tmp_path, port):
    pytest.importorskip("pyvisa_sim")
    path = tmp_path / "instruments.yaml"
    path.write_text(MESSAGES)
    monkeypatch.setenv("PYVISA_LIBRARY", f"{path}@sim")
    driver = Scpi(port, {"voltage": ScpiChannel(query="MEAS?")}, **PATIENT)
    driver.connect()
    assert driver.identify() == "ACME METER"
    assert [driver.poll()["voltage"].value for _ in range(3)] == [1.5] * 3
    driver.link.drop_input()
    assert driver.link.read_some(0.01) == b""
    driver.disconnect()
    driver.connect()
    assert driver.poll()["voltage"].value == 1.5
    driver.disconnect()

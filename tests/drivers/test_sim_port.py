"""`sim://`: a pyserial port without hardware, and the faults that it can play."""

from __future__ import annotations

import threading
import time

import pytest
import serial

from labmon.device.simulated_fault import FAULTS, FaultySimulator
from labmon.device.simulator import make_simulator, register_simulator, simulators
from labmon.device.transport import LinkSettings, open_link
from labmon.errors import ConfigError, InstrumentError, OfflineError


@pytest.fixture
def port():
    handle = serial.serial_for_url("sim://gauge", timeout=0.2)
    yield handle
    handle.close()


def test_it_is_a_port_like_any_other(port):
    assert port.is_open
    assert port.write(b"*IDN?\r\n") == 7
    assert port.in_waiting == 30
    assert port.readline() == b"LABMON,SIMULATED GAUGE,0,1.0\r\n"
    assert (port.cts, port.dsr, port.cd, port.ri, port.out_waiting) == (True, True, True, False, 0)


def test_a_read_waits_as_long_as_its_timeout_and_no_longer(port):
    started = time.monotonic()
    assert port.read(10) == b""
    assert 0.19 < time.monotonic() - started < 30
    port.timeout = 0
    assert port.read(10) == b""
    port.write(b"nonsense\r\n")
    assert port.read(3) == b"ERR"
    port.reset_input_buffer()
    assert port.in_waiting == 0


def test_a_read_can_be_cancelled_from_another_thread(port):
    port.timeout = None
    timer = threading.Timer(0.05, port.cancel_read)
    timer.start()
    assert port.read(1) == b""
    timer.join()


def test_a_closed_port_says_so(port):
    port.close()
    with pytest.raises(serial.SerialException):
        port.read(1)
    with pytest.raises(serial.SerialException):
        port.write(b"x")
    port.open()
    with pytest.raises(serial.SerialException, match="open already"):
        port.open()


def test_two_threads_may_use_it_at_once(port):
    port.timeout = 30
    counts = []
    reader = threading.Thread(target=lambda: counts.append(len(port.read(7 * 200))))
    reader.start()
    for _ in range(200):
        port.write(b"what\r\n")
    reader.join()
    assert counts == [1400]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sim://nobody", "there are: .*gauge"),
        ("sim://gauge?colour=red", "there is no option 'colour'; there are: age_s"),
        ("sim://gauge?age_s=old", "age_s must be a float"),
        ("sim://no.such.module:Thing", "there is no simulator"),
    ],
)
def test_a_wrong_url_says_what_there_is(url, message):
    with pytest.raises(ConfigError, match=message):
        open_link(url)


def test_a_simulator_of_your_own_is_named_by_module_and_class():
    assert type(make_simulator("sim://labmon_drivers.simulators.gauge:Gauge")).__name__ == "Gauge"
    register_simulator("mine", lambda loud=False: make_simulator(f"sim://gauge?seed={int(loud)}"))
    assert "mine" in simulators()
    assert make_simulator("sim://mine?loud=true").feed(b"*IDN?\n")
    with pytest.raises(ConfigError, match="loud must be a bool"):
        make_simulator("sim://mine?loud=very")


class Parrot:
    def feed(self, data):
        return data

    def tick(self, now_s):
        return b""


def test_faults_begin_end_and_come_again():
    faulty = FaultySimulator(Parrot(), "silence", fault_after_s=10, fault_for_s=2, fault_every_s=60)
    heard = {}
    for now_s in (100, 111, 113, 171, 173):
        faulty.tick(now_s)
        heard[now_s] = faulty.feed(b"hello")
    assert heard == {100: b"hello", 111: b"", 113: b"hello", 171: b"", 173: b"hello"}


def test_a_fault_ends_for_who_reconnects_while_it_lasts():
    url = "sim://gauge?fault=silence&fault_for_s=2&fault_every_s=60&age_s=3"
    heard = {}
    for now_s in (100, 101, 103, 161):  # each time anew, as a device does that is offline
        simulator = make_simulator(url)
        simulator.tick(now_s)
        heard[now_s] = bool(simulator.feed(b"*IDN?\r\n"))
    assert heard == {100: False, 101: False, 103: True, 161: False}


def test_what_each_fault_does():
    def after(fault, *ticks_s):
        faulty = FaultySimulator(Parrot(), fault)
        said = faulty.tick(0) + faulty.feed(b"hello!")
        return said + b"".join(faulty.tick(t) for t in ticks_s)

    assert after("none") == b"hello!"
    assert after("silence", 100) == b""
    assert after("half", 100) == b"hel"
    assert after("drip", 0.1) == b""
    assert after("drip", 0.5) == b"he"
    assert after("drip", 5) == b"hello!"
    assert after("late", 1) == b""
    assert after("late", 2) == b"hello!"
    assert after("flood").endswith(b"xhello!")
    before, _, behind = after("babble", 1).partition(b"hello!")
    assert len(before) == len(behind) > 0
    assert len(after("garbage")) == 6
    assert after("garbage") != b"hello!"
    with pytest.raises(ConnectionResetError):
        after("unplug")
    with pytest.raises(ValueError, match=", ".join(FAULTS)):
        FaultySimulator(Parrot(), "earthquake")


def test_an_unplugged_simulator_is_offline_and_comes_back():
    fast = LinkSettings(reply_timeout_s=0.1)
    link = open_link("sim://gauge?fault=unplug", fast)
    with pytest.raises(OfflineError, match="unplugged"):
        link.query("*IDN?")
    link.close()
    link = open_link("sim://gauge", fast)
    assert link.query("*IDN?").startswith("LABMON")
    link.close()
    with pytest.raises(InstrumentError):
        link.query("*IDN?")

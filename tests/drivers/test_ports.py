"""Ports: which there are, who shares one, and what happens when one is unplugged."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing

import pytest
import serial

from labmon.device.transport import Link, LinkSettings, open_link
from labmon.device.transports.serial_port import find_usb_port
from labmon.errors import ConfigError, OfflineError
from tests.conftest import HeldPort
from tests.drivers.echo import LINE

UNPLUGGED = """\
import os, sys
from labmon.device.transport import LinkSettings, open_link
ours, theirs = os.openpty()
os.symlink(os.ttyname(theirs), sys.argv[1])
link = open_link(sys.argv[1], LinkSettings())
os.close(theirs)
os.close(ours)
"""


def test_a_port_that_is_not_there_says_so():
    with pytest.raises(OfflineError, match="is it plugged in"):
        open_link("/dev/labmon-no-such-port")


def test_a_host_that_does_not_listen_says_so():
    with closing(HeldPort()) as silent, pytest.raises(OfflineError, match="refused"):
        open_link(f"tcp://127.0.0.1:{silent.number}")


@pytest.mark.parametrize(
    "port", ["", "tcp://", "tcp://host", "tcp://host:99999", "nonsense://x", "sim://no_such"]
)
def test_a_port_that_makes_no_sense_is_an_error_of_the_configuration(port):
    with pytest.raises(ConfigError):
        open_link(port)


def test_the_usual_tcp_port_of_an_instrument_need_not_be_written(bench, echo):
    port = bench.serve("tcp", echo).port
    host, _, number = port.rpartition(":")
    link = open_link(host, LinkSettings(tcp_port=int(number), terminator="\r\n"))
    assert link.query("x") == "x"
    link.close()
    link = open_link(port.replace("tcp://", "socket://"), LINE)
    assert link.query("x") == "x"
    link.close()


def test_a_usb_adapter_is_found_by_its_serial_number(monkeypatch):
    class Known:
        def __init__(self, device, serial_number):
            self.device, self.serial_number = device, serial_number

    ports = [Known("/dev/ttyUSB3", "A5"), Known("/dev/ttyUSB1", "B6"), Known("/dev/ttyS0", None)]
    monkeypatch.setattr("labmon.device.transports.serial_port.list_ports.comports", lambda: ports)
    assert find_usb_port("A5") == "/dev/ttyUSB3"
    ports[0].device = "/dev/ttyUSB0"  # replugged
    assert find_usb_port("A5") == "/dev/ttyUSB0"
    with pytest.raises(OfflineError, match="there are: A5, B6"):
        open_link("usb://C7")
    ports[1].serial_number = "A5"
    with pytest.raises(ConfigError, match="fits"):
        find_usb_port("A5")


def test_an_unplugged_port_comes_back_under_the_same_name(bench, echo, tmp_path):
    name = tmp_path / "by-id"
    first = bench.serve("pty", echo, link=name)
    link = open_link(str(name), LINE)
    assert link.query("one") == "one"
    first.close()
    with pytest.raises(OfflineError):
        link.query("gone")
    link.close()
    with pytest.raises(OfflineError):
        open_link(str(name), LINE)
    bench.serve("pty", echo, link=name)
    link = open_link(str(name), LINE)
    assert link.query("two") == "two"
    link.close()


@pytest.mark.parametrize("name", ["ttyUSB0", "usbtmc0"])
def test_a_port_that_is_unplugged_hangs_up_on_no_service(tmp_path, name):
    """A service leads its session: a terminal that it opens carelessly is its own, and ends it."""
    command = [sys.executable, "-c", UNPLUGGED, tmp_path / name]
    run = subprocess.run(command, start_new_session=True, capture_output=True, check=False)
    assert run.returncode == 0, run


def test_two_programs_do_not_share_a_serial_port(bench, echo):
    port = bench.serve("pty", echo).port
    link = open_link(port, LINE)
    other = "import sys, serial; serial.Serial(sys.argv[1], exclusive=True)"
    run = subprocess.run([sys.executable, "-c", other, port], capture_output=True, check=False)
    assert b"Could not exclusively lock" in run.stderr
    link.close()
    with serial.Serial(port, exclusive=True), pytest.raises(OfflineError, match="another program"):
        open_link(port, LINE)


def test_devices_of_a_bus_share_a_port_and_take_turns(bench, kind, echo):
    port = bench.serve(kind, echo).port
    first, second = open_link(port, LINE), open_link(port, LINE)
    wrong: list[str] = []

    def ask(link: Link, text: str) -> None:
        wrong.extend(answer for _ in range(30) if (answer := link.query(text)) != text)

    other = threading.Thread(target=ask, args=(second, "two"))
    other.start()
    ask(first, "one")
    other.join()
    assert wrong == []
    first.close()
    assert second.query("still here") == "still here"
    second.close()
    open_link(port, LINE).close()


def test_a_broken_port_is_opened_anew_though_another_device_holds_it(bench, echo, tmp_path):
    name = tmp_path / "bus"
    server = bench.serve("pty", echo, link=name)
    first, second = open_link(str(name), LINE), open_link(str(name), LINE)
    server.close()
    with pytest.raises(OfflineError):
        first.query("gone")
    first.close()
    bench.serve("pty", echo, link=name)
    first = open_link(str(name), LINE)
    assert first.query("back") == "back"
    with pytest.raises(OfflineError, match="another device"):
        second.query("noticed late")
    second.close()
    second = open_link(str(name), LINE)
    assert (first.query("1"), second.query("2")) == ("1", "2")
    first.close()
    second.close()


@pytest.mark.skipif(os.name != "posix", reason="no pty")
def test_devices_of_a_bus_must_agree_on_its_speed(bench, echo):
    port = bench.serve("pty", echo).port
    link = open_link(port, LINE)
    with pytest.raises(OfflineError, match="differently"):
        open_link(port, LINE, baud_rate=19200)
    link.close()


def test_parity_and_speed_are_accepted_by_a_pseudo_terminal(bench, echo):
    settings = LINE.changed(baud_rate=57600, data_bits=7, parity="odd", stop_bits=2)
    port = bench.serve("pty", echo).port
    for _ in range(3):
        link = open_link(port, settings)
        assert link.query("x") == "x"
        link.close()

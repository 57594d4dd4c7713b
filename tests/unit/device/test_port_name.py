"""`check_port`: what is wrong with the name of a port is known before anything is opened."""

import pytest

from labmon.device.transports.port_name import check_port
from labmon.errors import ConfigError


@pytest.mark.parametrize(
    "port",
    [
        "/dev/ttyUSB0",
        "/dev/serial/by-id/usb-FTDI_1:2-port0",
        "COM3",
        "usb://A50285BI",
        "tcp://192.168.1.20:4001",
        "socket://[fe80::1]:4001",
        "rfc2217://192.168.1.20:4001?logging=debug",
        "/dev/usbtmc0",
        "GPIB0::8::INSTR",
        "visa://TCPIP0::192.168.1.5::INSTR",
        "ASRL3::INSTR",
        "loop://",
        "sim://gauge?age_s=600&fault=silence",
    ],
)
def test_all_kinds_of_ports_pass(port):
    check_port(port)


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("", "is empty"),
        ("192.168.1.20:4001", "write tcp://192.168.1.20:4001"),
        ("gauge.lab:4001", "write tcp://gauge.lab:4001"),
        ("192.168.1.20", "write tcp://192.168.1.20:PORT"),
        ("tcp://192.168.1.20", "write tcp://HOST:PORT"),
        ("tcp://192.168.1.20:99999", "out of range"),
        ("htp://192.168.1.20:80", "write the name of a serial device, tcp://HOST:PORT"),
        ("“sim://gauge”", "write the name of a serial device"),
        ("sim://gage", "there is no simulator 'gage'"),
        ("sim://gauge?ages_s=1", "there is no option 'ages_s'"),
        ("sim://gauge?age_s=old", "age_s must be a float, not 'old'"),
        ("sim://gauge?fault_every_s=x", "fault_every_s must be a float"),
    ],
)
def test_what_is_none_says_what_would_be_right(port, said):
    with pytest.raises(ConfigError, match=r"^port: ") as caught:
        check_port(port)
    assert said in str(caught.value)


def test_an_instrument_with_a_usual_port_needs_none():
    check_port("tcp://192.168.1.20", 7777)
    with pytest.raises(ConfigError, match=r"write tcp://192\.168\.1\.20$"):
        check_port("192.168.1.20", 7777)

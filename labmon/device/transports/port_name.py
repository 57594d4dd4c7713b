"""`check_port`: whether a text can be the name of a port, without opening any.

The trap: what is no URL may be the name of a serial device on some system; only what is surely
meant as an address is refused.
"""

from __future__ import annotations

import importlib.util
import re
from typing import Final

import serial

from labmon.device.simulator import SCHEME, check_simulator
from labmon.device.transports.tcp import parse_address
from labmon.device.transports.visa import is_visa
from labmon.errors import ConfigError

TCP_SCHEMES: Final = ("tcp://", "socket://")
KINDS: Final = (
    "tcp://HOST:PORT, rfc2217://HOST:PORT, usb://SERIALNUMBER, visa://RESOURCE, sim://NAME"
)
_BARE: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*:\d+|\d+(?:\.\d+){3}", re.ASCII)
"""An address without what it is an address of."""


def check_port(port: str, tcp_port: int | None = None) -> None:
    """Look at the name of a port.

    Args:
        port: as in the configuration.
        tcp_port: where the instrument listens if `tcp://HOST` names no port.

    Raises:
        ConfigError: it is none, or there is no such simulator; begins with `port: `.
    """
    try:
        _check(port, tcp_port)
    except ConfigError as error:
        raise ConfigError(f"port: {error}") from None


def _check(port: str, tcp_port: int | None) -> None:
    if port.startswith(SCHEME):
        check_simulator(port)
    elif port.startswith(TCP_SCHEMES):
        parse_address(port, tcp_port)
    elif not port.strip():
        raise ConfigError("it is empty: name a serial device, tcp://HOST:PORT or sim://NAME")
    elif _BARE.fullmatch(port):
        address = port if ":" in port or tcp_port else f"{port}:PORT"
        raise ConfigError(f"{port!r} is no serial device: write tcp://{address}")
    elif "://" in port and not is_visa(port):
        _check_scheme(port)


def _check_scheme(port: str) -> None:
    scheme = port.partition("://")[0].lower()
    if scheme != "usb" and not any(
        scheme.isidentifier() and importlib.util.find_spec(f"{package}.protocol_{scheme}")
        for package in serial.protocol_handler_packages
    ):
        raise ConfigError(f"{port!r} is none: write the name of a serial device, {KINDS}")

r"""Gamma Vacuum's ion pump controllers SPCe, MPCe (Digitel), LPCe: ASCII with a checksum.

    ~ 01 0B 1A\r                      pressure, please, of the controller with address 01
    01 OK 00 1.3E-09 TORR 5D\r        or: 01 ER 06 4C\r

The checksum is the sum of all characters after `~` up to and with the space before it, modulo 256,
in hexadecimal. Over Ethernet (telnet, port 23) it is `spc 0B` instead, without checksum. Manual:
Gamma Vacuum "SPCe user manual", chapter on serial communication. The trap: less than 120 ms between
two commands, and the controller loses one.
"""

from __future__ import annotations

import re
from typing import Final

from labmon.device import InstrumentError
from labmon_drivers.protocols.lines import NUMBER

END: Final = b"\r"
MODEL, VERSION, CURRENT, PRESSURE, VOLTAGE, STATUS = 0x01, 0x02, 0x0A, 0x0B, 0x0C, 0x0D
START, STOP, IS_ON = 0x37, 0x38, 0x61
UNIT_WORDS: Final = {
    "T": "Torr",
    "TORR": "Torr",
    "M": "mbar",
    "MBR": "mbar",
    "MBAR": "mbar",
    "P": "Pa",
    "PA": "Pa",
    "PASCAL": "Pa",
}

_REPLY: Final = re.compile(r"([0-9A-F]{2}) (OK|ER) ([0-9A-F]{2})(?: (.*))? ([0-9A-F]{2})")
_BARE: Final = re.compile(r"(?:.*?\b(OK|ER) ([0-9A-F]{2})\b)?\s*(.*)")
_QUANTITY: Final = re.compile(rf"({NUMBER})\s*([A-Za-z]*)")


def checksum(text: str) -> str:
    """Two hexadecimal digits."""
    return f"{sum(text.encode('latin-1')) % 256:02X}"


def encode(address: int, command: int, data: str = "") -> bytes:
    """A command as it goes over the serial line."""
    body = f" {address:02X} {command:02X} " + (f"{data} " if data else "")
    return f"~{body}{checksum(body)}".encode("latin-1") + END


def decode(line: str, address: int, *, is_checked: bool = True) -> str:
    """The data of a reply over the serial line.

    Raises:
        InstrumentError: it is damaged, another's, or an error.
    """
    match = _REPLY.fullmatch(line)
    if match is None:
        raise InstrumentError(f"{line[:60]!r} is no reply")
    if is_checked and checksum(line[:-2]) != match[5]:
        raise InstrumentError(f"the checksum of {line[:60]!r} is wrong")
    if int(match[1], 16) != address:
        raise InstrumentError(f"address {match[1]} answered, not {address:02X}")
    if match[2] == "ER":
        raise InstrumentError(f"the controller refused: error {match[3]}")
    return (match[4] or "").strip()


def decode_bare(line: str) -> str:
    """The data of a reply over Ethernet, where there is no checksum.

    Raises:
        InstrumentError: it is an error.
    """
    match = _BARE.fullmatch(line.strip(" >"))
    if match is None or match[1] == "ER" or (match[1] is None and not match[3]):
        raise InstrumentError(f"the controller refused: {line[:60]!r}")
    return match[3].strip()


def parse_quantity(text: str) -> tuple[float, str]:
    """A number and the unit that stands behind it: `1.3E-09 TORR`.

    Raises:
        InstrumentError: it is none.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise InstrumentError(f"{text[:40]!r} is no number")
    return float(match[1]), match[2].upper()

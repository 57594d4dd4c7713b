"""What an instrument says where something else was hoped for: refusals, another's answers, noise.

By the name of the case; a text in place of a function is the reason why there is no such answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from labmon_drivers.protocols import agilent_window, gamma, pfeiffer_telegram, pfeiffer_tpg
from labmon_drivers.simulators.modbus import crc

Spoil = Callable[[bytes], bytes]
"""From the answer that the instrument would give to the one that it gives."""

SILENT = "it does not answer what it refuses: that is silence"
NO_ADDRESS = "its protocol has no addresses"
ASKS_ANYBODY = "its answers do not say who gives them"


def _always(answer: bytes) -> Spoil:
    return lambda _: answer


def _tpg(answer: bytes) -> bytes:
    nak = pfeiffer_tpg.NAK + pfeiffer_tpg.END
    return nak if answer.startswith(pfeiffer_tpg.ACK) else b"0001" + pfeiffer_tpg.END


def _telegram(answer: bytes, **changes: object) -> bytes:
    told = pfeiffer_telegram.decode(answer.removesuffix(pfeiffer_telegram.END))
    return replace(told, **changes).encode()


def _gamma(body: str) -> bytes:
    return f"{body}{gamma.checksum(body)}".encode() + gamma.END


def _window(answer: bytes, address: int) -> bytes:
    (message,) = agilent_window.Messages().feed(answer)
    return replace(message, address=address).encode()


def _rtu(frame: bytes) -> bytes:
    return frame + crc(frame).to_bytes(2, "little")


def _refused_by_rtu(answer: bytes) -> bytes:
    return _rtu(bytes([answer[0], answer[1] | 0x80, 4]))


def _another_unit(answer: bytes) -> bytes:
    return _rtu(bytes([2]) + answer[1:-2])


def _refused_by_tcp(answer: bytes) -> bytes:
    return answer[:4] + bytes([0, 3, answer[6], answer[7] | 0x80, 4])


REFUSALS: Mapping[str, Spoil | str] = {
    "serial_line": _always(b"ERROR\r\n"),
    "serial_line printing": "nobody asks it for anything",
    "pfeiffer": _tpg,
    "pfeiffer MaxiGauge": _tpg,
    "pfeiffer_rs485": lambda answer: _telegram(answer, data="NO_DEF"),
    "scpi": SILENT,
    "lakeshore": SILENT,
    "toptica": _always(b"Error: -3 unknown parameter\n> "),
    "gamma": _always(_gamma("01 ER 05 ")),
    "agilent_pump": _always(agilent_window.Message(0, None, False, "", 0x32).encode()),
    "mks": _always(b"@001NAK160;FF"),
    "mks 937A": _always(b"SYNTAX ERROR\r"),
    "agilent_xgs600": _always(b"?FF\r"),
    "omega": _always(b"?43\r"),
    "omega RS-485": _always(b"01?43\r"),
    "omega_cn7800": _refused_by_rtu,
    "srs": SILENT,
    "leoni": SILENT,
    "modbus": _refused_by_rtu,
    "modbus TCP": _refused_by_tcp,
    "keithley": SILENT,
    "thorlabs": SILENT,
    "thorlabs TSP01": SILENT,
}
"""NAK, or whatever the protocol has in its place."""

STRANGERS: Mapping[str, Spoil | str] = {
    "serial_line": NO_ADDRESS,
    "serial_line printing": NO_ADDRESS,
    "pfeiffer": NO_ADDRESS,
    "pfeiffer MaxiGauge": NO_ADDRESS,
    "pfeiffer_rs485": lambda answer: _telegram(answer, address=2),
    "scpi": NO_ADDRESS,
    "lakeshore": NO_ADDRESS,
    "toptica": NO_ADDRESS,
    "gamma": lambda answer: _gamma(f"02{answer[2:-3].decode()}"),
    "agilent_pump": lambda answer: _window(answer, 1),
    "mks": lambda answer: answer.replace(b"@001", b"@002"),
    "mks 937A": NO_ADDRESS,
    "agilent_xgs600": ASKS_ANYBODY,
    "omega": NO_ADDRESS,
    "omega RS-485": lambda answer: b"02" + answer[2:],
    "omega_cn7800": _another_unit,
    "srs": NO_ADDRESS,
    "leoni": NO_ADDRESS,
    "modbus": _another_unit,
    "modbus TCP": lambda answer: answer[:6] + bytes([2]) + answer[7:],
    "keithley": NO_ADDRESS,
    "thorlabs": NO_ADDRESS,
    "thorlabs TSP01": NO_ADDRESS,
}
"""The answer that another controller on the same line would give."""

CHATTER: Mapping[str, bytes] = defaultdict(
    lambda: b"\x00\xf8\x80",  # what a line driver sends when it gets its power
    {
        "serial_line": b"rst:0x1 (POWERON_RESET),boot:0x13\r\nready\r\n",
        "serial_line printing": b"rst:0x1 (POWERON_RESET),boot:0x13\r\nready\r\n",
        "pfeiffer": b"",  # its simulator chatters by itself
        "pfeiffer MaxiGauge": b"",
        "toptica": b"Welcome to DLC pro!\r\n\r\nDeCoF Command Line\r\n> ",
        "scpi": b"\x00SELFTEST OK\n",
    },
)
"""What it says by itself after it was switched on."""

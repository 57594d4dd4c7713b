r"""Pfeiffer's telegrams on RS-485: turbo pumps (TC 110, TC 400, TM 700), DCU, DPG 202, RPT gauges.

    123 00 309 02 =? 112 \r       ask address 123 for parameter 309
    123 10 309 06 000633 037 \r   the answer
    address, action, parameter, length, data, and the sum of all characters modulo 256

Without the spaces. Manual: Pfeiffer PM 0250 (Pfeiffer Vacuum Protocol for RS-485). The trap: every
answer has six characters whatever it means; the parameter's number decides how to read them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from labmon.device import InstrumentError

if TYPE_CHECKING:
    from collections.abc import Callable

END: Final = b"\r"
QUERY: Final = "=?"
ERRORS: Final = {
    "NO_DEF": "does not know this parameter",
    "_RANGE": "says that the value is out of range",
    "_LOGIC": "says that this cannot be done now",
}
Kind = Literal[
    "boolean_old", "u_integer", "u_real", "string", "boolean_new", "u_short_int", "u_expo_new"
]
_TELEGRAM: Final = re.compile(rb"(\d{3})(00|10)(\d{3})(\d\d)([ -~]{0,99})(\d{3})")


@dataclass(frozen=True, slots=True)
class Telegram:
    """One telegram; `is_command` also stands in every answer."""

    address: int
    is_command: bool
    parameter: int
    data: str

    def encode(self) -> bytes:
        """As it goes over the line."""
        action = 10 if self.is_command else 0
        text = f"{self.address:03d}{action:02d}{self.parameter:03d}{len(self.data):02d}{self.data}"
        body = text.encode("ascii")
        return body + f"{sum(body) % 256:03d}".encode() + END


def decode(line: bytes) -> Telegram:
    """A telegram from a line without its end.

    Raises:
        InstrumentError: it is damaged.
    """
    match = _TELEGRAM.fullmatch(line)
    if match is None or len(match[5]) != int(match[4]):
        raise InstrumentError(f"{line[:60]!r} is no telegram")
    if sum(line[:-3]) % 256 != int(match[6]):
        raise InstrumentError(f"the checksum of {line[:60]!r} is wrong")
    return Telegram(int(match[1]), match[2] == b"10", int(match[3]), match[5].decode("ascii"))


def query(address: int, parameter: int) -> Telegram:
    """Ask for a parameter."""
    return Telegram(address, False, parameter, QUERY)


def checked(answer: Telegram, request: Telegram) -> str:
    """The data of an answer.

    Raises:
        InstrumentError: it answers something else, or refuses.
    """
    if (answer.address, answer.parameter) != (request.address, request.parameter):
        raise InstrumentError(
            f"address {answer.address} answered for parameter {answer.parameter},"
            f" not {request.address} for {request.parameter}"
        )
    if answer.data in ERRORS:
        raise InstrumentError(f"parameter {request.parameter}: it {ERRORS[answer.data]}")
    return answer.data


def _digits(text: str, count: int) -> int:
    if len(text) != count or not text.isdecimal() or not text.isascii():
        raise InstrumentError(f"{text[:20]!r} is no number of {count} digits")
    return int(text)


def _boolean(text: str) -> float:
    if text not in {"000000", "111111", "0", "1"}:
        raise InstrumentError(f"{text[:20]!r} is neither yes nor no")
    return float(text[0])


def _expo(text: str) -> float:
    number = _digits(text, 6)
    # as text, so that 2.31E-09 is the nearest float and not its neighbour
    return float(f"{number // 100}e{number % 100 - 23}")


READERS: Final[dict[str, Callable[[str], float | str]]] = {
    "boolean_old": _boolean,
    "boolean_new": _boolean,
    "u_integer": lambda text: float(_digits(text, 6)),
    "u_real": lambda text: _digits(text, 6) / 100,
    "u_short_int": lambda text: float(_digits(text, 3)),
    "u_expo_new": _expo,
    "string": lambda text: text.strip(),
}
"""How to read the data of each kind of parameter."""

"""SCPI, the common language of bench instruments: numbers, error queues, compound answers.

Standard: SCPI-1999 volume 1. The trap: infinity and not-a-number are ordinary looking numbers,
9.9E37 and 9.91E37, and go into means and graphs unless they are caught here.
"""

from __future__ import annotations

import re
from typing import Any, Final

from labmon.device import InstrumentError, Quality, Value
from labmon_drivers.protocols.lines import NUMBER

INFINITY: Final = 9.9e37
NOT_A_NUMBER: Final = 9.91e37
TOLERANCE: Final = 1e34
MAX_ERRORS: Final = 20
POWER_ON: Final = 128
"""Of the event register that IEEE 488.2 prescribes; `*CLS` and `*ESR?` clear it."""

_NUMBER: Final = re.compile(rf"({NUMBER})\s*(?![eE][+-]?\d*\s*$)[A-Za-z%]*", re.ASCII)
_ERROR: Final = re.compile(r"([+-]?\d{1,6})(?:\s*,\s*(.*))?", re.ASCII)
_WORD: Final = re.compile(r"^[A-Z]+")
_VALUE: Final = re.compile(r"\{value(?::([^{}]*))?\}")


def parse_number(text: str) -> Value:
    """A number as SCPI writes it, perhaps with a unit behind: `+1.234567E-03VDC`.

    Raises:
        InstrumentError: it is none.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise InstrumentError(f"{text[:40]!r} is no number")
    number = float(match[1])
    if abs(number - NOT_A_NUMBER) < TOLERANCE:
        return Value(None, Quality.NO_SIGNAL)
    if abs(number) >= INFINITY - TOLERANCE:
        return Value(None, Quality.OVER_RANGE if number > 0 else Quality.UNDER_RANGE)
    return Value(number)


def parse_error(text: str) -> str:
    """What an error queue says: `-113,"Undefined header"`; empty where there is none.

    Raises:
        InstrumentError: it is no answer of an error queue.
    """
    match = _ERROR.fullmatch(text.strip())
    if match is None:
        raise InstrumentError(f"{text[:60]!r} is no entry of an error queue")
    if int(match[1]) == 0:
        return ""
    return f"{int(match[1])} {(match[2] or '').strip().strip(chr(34))}".strip()


def short_form(header: str) -> str:
    """A command's words in their short form: `:SENSe:CORRection:WAV?` is `SENS:CORR:WAV?`."""
    return ":".join(_WORD.sub(_shortened, word) for word in header.lstrip(":").upper().split(":"))


def _shortened(match: re.Match[str]) -> str:
    word = match[0]
    if len(word) <= 4:
        return word
    return word[:3] if word[3] in "AEIOU" else word[:4]


def filled(template: str, value: Any) -> str:
    """A command with its value: `VOLT {value}`, `VOLT {value:.3f}`.

    Raises:
        ValueError: the format does not fit the value, or the value would end the line.
    """
    text = _VALUE.sub(lambda match: format(value, match[1] or ""), template)
    if not text.isprintable():
        raise ValueError(f"{text[:60]!r} contains what would end the line")
    return text

r"""The mnemonics protocol of Pfeiffer's gauge controllers: TPG 26x, TPG 36x, MaxiGauge TPG 256 A.

    host      PR1\r\n
    gauge     \x06\r\n              ACK; or \x15\r\n, NAK
    host      \x05                  ENQ: now say it
    gauge     0,+2.3100E-09\r\n     status and pressure; after a NAK the error word

Manuals: Pfeiffer BG 5105 (TPG 261/262), PT 0401 (TPG 361/362/366), BG 805 186 (TPG 256 A). The
trap: after power-up the controller prints a line a second until it hears the first character.
"""

from __future__ import annotations

import re
from typing import Final

from labmon.device import InstrumentError, Quality, Value

ETX: Final = b"\x03"
ENQ: Final = b"\x05"
ACK: Final = b"\x06"
NAK: Final = b"\x15"
END: Final = b"\r\n"

STATUS: Final = {
    "0": Quality.OK,
    "1": Quality.UNDER_RANGE,
    "2": Quality.OVER_RANGE,
    "3": Quality.FAULT,  # the gauge is broken
    "4": Quality.NO_SIGNAL,  # switched off
    "5": Quality.NO_SIGNAL,  # no gauge is plugged in; the number beside it means nothing
    "6": Quality.FAULT,  # the controller does not know this gauge
}
TO_MBAR: Final = {"0": 1.0, "1": 1.333223684, "2": 0.01, "3": 1.333223684e-3, "4": 1.0}
"""By number of the unit: mbar, Torr, Pa, micron, hPa. 5 is volts, no pressure."""
UNITS: Final = {"mbar": 1.0, "hPa": 1.0, "Torr": 1.333223684, "Pa": 0.01, "micron": 1.333223684e-3}
ERROR_WORDS: Final = ("the controller has an error", "no hardware", "bad parameter", "bad syntax")
NO_GAUGE: Final = {"NOSEN", "NOSENSOR", "NOID", "NOIDENT", "NOIDENTIFIER"}

_PAIR: Final = re.compile(r"([0-6]),\s*([+-]?\d\.\d{1,4}E[+-]\d\d)")


def parse_pressures(text: str) -> list[Value]:
    """The answer to `PR1`, or to `PRX`: one value or several, in the controller's unit.

    Raises:
        InstrumentError: it is something else.
    """
    values: list[Value] = []
    at = 0
    while match := _PAIR.match(text, at):
        quality = STATUS[match[1]]
        values.append(Value(float(match[2]) if quality == Quality.OK else None, quality))
        at = match.end()
        if at == len(text):
            return values
        if text[at] != ",":
            break
        at += 1
    raise InstrumentError(f"{text[:60]!r} is no status and pressure")


def parse_unit(text: str) -> float:
    """How many mbar the controller's unit is, from the answer to `UNI`.

    Raises:
        InstrumentError: it is no pressure.
    """
    if text.strip() not in TO_MBAR:
        raise InstrumentError(f"the controller shows no pressure but unit {text[:20]!r} (5: volts)")
    return TO_MBAR[text.strip()]


def parse_identities(text: str) -> list[str]:
    """What `TID` says is plugged in: a name for each input, empty where there is nothing."""
    names = [name.strip() for name in text.split(",")]
    return ["" if re.sub(r"[\s\-]", "", name).upper() in NO_GAUGE else name for name in names]


def explain_error(word: str) -> str:
    """What the error word after a NAK says: `0010` is a bad parameter."""
    bits = word.strip()[:4]
    said = [text for text, bit in zip(ERROR_WORDS, bits, strict=False) if bit == "1"]
    return ", ".join(said) or f"error {word[:20]!r}"

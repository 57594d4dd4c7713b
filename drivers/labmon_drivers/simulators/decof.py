"""`sim://toptica`: the command line of a DLC pro with one laser."""

from __future__ import annotations

import random
import re
from typing import Any, Final

from labmon_drivers.protocols.decof import written
from labmon_drivers.protocols.lines import LineSplitter

GREETING: Final = b"Welcome to DLC pro!\r\n\r\nDeCoF Command Line\r\n> "
NOISY: Final = {"laser1:dl:cc:current-act", "laser1:dl:tc:temp-act", "laser1:dl:pc:voltage-act"}
READ_ONLY: Final = re.compile(r".*-act|uptime|system-type|serial-number|system-health")
_REF: Final = re.compile(r",?\(param-ref '([\w:\-]+)\)")
_SET: Final = re.compile(r"\(param-set! '([\w:\-]+) (#t|#f|\"[^\"]*\"|[^\s()]+)\)")


class Decof:
    """A TOPTICA DLC pro with one laser.

    Args:
        has_wavelength: whether the laser has a motor that knows its wavelength.
        noise: of the readings, relative.
    """

    def __init__(self, has_wavelength: bool = True, noise: float = 1e-5, seed: int = 1) -> None:
        self.parameters: dict[str, Any] = {
            "uptime": 123456,
            "system-type": "DLCpro",
            "serial-number": "DLC PRO_012345",
            "system-health": 0,
            "laser1:dl:cc:current-act": 120.5,
            "laser1:dl:cc:current-set": 120.5,
            "laser1:dl:tc:temp-act": 21.347,
            "laser1:dl:pc:voltage-act": 55.1,
            "laser1:dl:pc:voltage-set": 55.1,
            "laser1:emission": True,
            "laser1:label": "Rb cooling",
        }
        if has_wavelength:
            self.parameters["laser1:ctl:wavelength-act"] = 780.2412
        self._noise = noise
        self._random = random.Random(seed)
        self._lines = LineSplitter(b"\n")
        self._has_greeted = False

    def feed(self, data: bytes) -> bytes:
        """Evaluate each line."""
        lines = [line.decode(errors="replace").strip() for line in self._lines.feed(data)]
        answers = [self._evaluate(line) for line in lines]
        return b"".join(f"{answer}\n> ".encode() for answer in answers)

    def tick(self, now_s: float) -> bytes:
        """Greet once."""
        del now_s
        if self._has_greeted:
            return b""
        self._has_greeted = True
        return GREETING

    def _evaluate(self, line: str) -> str:
        if line.startswith("`("):
            names = _REF.findall(line)
            if missing := [name for name in names if name not in self.parameters]:
                return _unknown(missing[0])
            return "(" + " ".join(self._shown(name) for name in names) + ")"
        if match := _REF.fullmatch(line):
            return self._shown(match[1]) if match[1] in self.parameters else _unknown(match[1])
        if match := _SET.fullmatch(line):
            return self._set(match[1], match[2])
        return "" if not line else f"Error: -1 evaluating {line[:40]!r}: syntax error"

    def _shown(self, name: str) -> str:
        value = self.parameters[name]
        if name in NOISY:
            value *= 1 + self._random.gauss(0, self._noise)
        return written(value)

    def _set(self, name: str, text: str) -> str:
        if name not in self.parameters:
            return _unknown(name)
        if READ_ONLY.fullmatch(name):
            return f"Error: -5 parameter {name} is read-only"
        old = self.parameters[name]
        if isinstance(old, bool):
            self.parameters[name] = text == "#t"
        elif isinstance(old, str):
            self.parameters[name] = text.strip('"')
        else:
            try:
                self.parameters[name] = float(text)
            except ValueError:
                return f"Error: -4 {text[:40]!r} is no number"
            if name.endswith("-set"):
                self.parameters[name.removesuffix("set") + "act"] = float(text)
        return "0"


def _unknown(name: str) -> str:
    return f"Error: -3 unknown parameter {name}"

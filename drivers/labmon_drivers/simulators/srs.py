"""`sim://srs`: a PTC10 with three inputs and a heater."""

from __future__ import annotations

import re
from typing import Final

from labmon_drivers.protocols.lines import NUMBER, LineSplitter

_SETPOINT: Final = re.compile(rf'"([^"]+)\.PID\.setpoint"\s*=\s*({NUMBER})')
_QUERY: Final = re.compile(r'"([^"]+)\.PID\.setpoint\?"')


class Srs:
    """A temperature controller PTC10 by SRS, with three inputs and a heater."""

    def __init__(self) -> None:
        self.values = {"Heater": "12.500", "In 3A": "25.013", "In 3B": "NaN", "Shield": "77.4"}
        self.setpoints = {"Heater": 25.0}
        self._lines = LineSplitter(b"\n")

    def feed(self, data: bytes) -> bytes:
        """Answer the queries, carry out the rest in silence."""
        answers = [self._do(line.decode("latin-1").strip()) for line in self._lines.feed(data)]
        return b"".join(f"{answer}\r\n".encode() for answer in answers if answer)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _do(self, line: str) -> str:
        if line == "*IDN?":
            return "Stanford Research Systems, PTC10, s/n 105300, ver 1.16"
        if line == "getOutputNames?":
            return ", ".join(self.values)
        if line == "getOutput?":
            return ", ".join(self.values.values())
        if line == "kill all":
            self.values["Heater"] = "0.000"
        if match := _QUERY.fullmatch(line):
            return f"{self.setpoints.get(match[1], 0.0):.6g}"
        if match := _SETPOINT.fullmatch(line):
            self.setpoints[match[1]] = float(match[2])
        return ""

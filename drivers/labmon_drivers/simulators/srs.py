"""`sim://srs`: a PTC10 with three inputs and a heater."""

from __future__ import annotations

import re
from typing import Final

from labmon_drivers.protocols.lines import NUMBER, LineSplitter

_SETPOINT: Final = re.compile(rf'"([^"]+)\.PID\.setpoint"\s*=\s*({NUMBER})')
_QUERY: Final = re.compile(r'"([^"]+)\.PID\.setpoint\?"')


class Srs:
    """A temperature controller PTC10 by SRS, with three inputs and a heater.

    Args:
        tells_units: whether it knows `getOutput.units?`; older ones do not.
        has_dots: whether it knows `getOutput.names?`, as a CTC100, and not `getOutputNames?`.
    """

    def __init__(self, tells_units: bool = True, has_dots: bool = False) -> None:
        self.values = {"Heater": "12.500", "In 3A": "25.013", "In 3B": "NaN", "Shield": "77.4"}
        self.units = {"Heater": "W", "In 3A": "°C", "In 3B": "Ω", "Shield": "K"}
        self._tells_units = tells_units
        self._names_query = "getOutput.names?" if has_dots else "getOutputNames?"
        self.setpoints = {"Heater": 25.0}
        self._lines = LineSplitter(b"\n")

    def feed(self, data: bytes) -> bytes:
        """Answer the queries, carry out the rest in silence."""
        answers = [self._do(line.decode("latin-1").strip()) for line in self._lines.feed(data)]
        return b"".join(f"{answer}\r\n".encode("cp437") for answer in answers if answer)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _do(self, line: str) -> str:
        if line == "*IDN?":
            return "Stanford Research Systems, PTC10, s/n 105300, ver 1.16"
        if line == self._names_query:
            return ", ".join(self.values)
        if line == "getOutput.units?" and self._tells_units:
            return ", ".join(self.units[name] for name in self.values)
        if line == "getOutput?":
            return ", ".join(self.values.values())
        if line == "kill all":
            self.values["Heater"] = "0.000"
        if match := _QUERY.fullmatch(line):
            return f"{self.setpoints.get(match[1], 0.0):.6g}"
        if match := _SETPOINT.fullmatch(line):
            self.setpoints[match[1]] = float(match[2])
        return ""

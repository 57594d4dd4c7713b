"""`sim://mks`: a gauge controller MKS 937B, or a 937A with `?model=937A`."""

from __future__ import annotations

import re
from typing import Final

from labmon_drivers.protocols.lines import LineSplitter

INPUTS: Final = 6
_REQUEST: Final = re.compile(r"@(\d{3})([A-Z]+)(\d?)([?!])(.*)")


class Mks:
    """A gauge controller 937A or 937B by MKS.

    Args:
        address: to which it listens, besides 254.
        readings: of its gauges, in the unit, or words; with commas between.
        unit: `Torr`, `mBAR` or `Pascal`.
    """

    def __init__(
        self,
        model: str = "937B",
        address: int = 1,
        readings: str = "2.3E-09,4.7E-03,ATM",
        unit: str = "mBAR",
    ) -> None:
        self.readings = readings.split(",")
        self.unit = unit
        self.off: set[int] = set()
        self._is_old = model == "937A"
        self._address = address
        self._lines = LineSplitter(b"\r" if self._is_old else b";FF")

    def feed(self, data: bytes) -> bytes:
        """Answer each request."""
        lines = [line.decode("latin-1").strip() for line in self._lines.feed(data)]
        return b"".join(self._old(line) if self._is_old else self._new(line) for line in lines)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _old(self, line: str) -> bytes:
        known = line[:1] == "P" and line[1:].isdigit() and 0 < int(line[1:]) <= len(self.readings)
        return (self.readings[int(line[1:]) - 1] if known else "SYNTAX ERROR").encode() + b"\r"

    def _new(self, line: str) -> bytes:
        match = _REQUEST.fullmatch(line)
        if match is None or int(match[1]) not in {self._address, 254}:
            return b""
        return f"@{self._address:03d}{self._do(match)};FF".encode()

    def _do(self, match: re.Match[str]) -> str:
        name, number, action, value = match[2], int(match[3] or 0), match[4], match[5]
        if name == "PRZ" and action == "?":
            gauges = [*self.readings, *["NOGAUGE"] * INPUTS][:INPUTS]
            return "ACK" + " ".join(gauges)
        if name == "U" and action == "?":
            return f"ACK{self.unit}"
        if not 1 <= number <= len(self.readings):
            return "NAK172"
        if name == "PR" and action == "?":
            return "ACK" + ("OFF" if number in self.off else self.readings[number - 1])
        if name == "CP" and action == "!" and value in {"ON", "OFF"}:
            (self.off.discard if value == "ON" else self.off.add)(number)
            return f"ACK{value}"
        if name == "CP" and action == "?":
            return "ACK" + ("OFF" if number in self.off else "ON")
        return "NAK160"

"""`sim://gamma`: an ion pump controller SPCe, or an MPCe with `?supplies=2`."""

from __future__ import annotations

import re
from typing import Final

from labmon_drivers.protocols import gamma as protocol
from labmon_drivers.protocols.lines import LineSplitter

_SERIAL: Final = re.compile(r"~( ([0-9A-F]{2}) ([0-9A-F]{2}) (?:(\d) )?)([0-9A-F]{2})")
_ETHERNET: Final = re.compile(r"spc ([0-9A-F]{2}) ?(\d)?\s*")
PRESSURE_TORR: Final = 1.3e-9
IN_TORR: Final = {"TORR": 1.0, "MBR": 1 / 1.333223684, "PA": 0.01 / 1.333223684}
CURRENT_A: Final = 2.6e-7


class Gamma:
    """An ion pump controller SPCe or MPCe by Gamma Vacuum.

    Args:
        address: to which it listens.
        supplies: how many outputs it has.
        is_on: whether the high voltage is on.
        unit: of the pressure: `TORR`, `MBR` or `PA`.
    """

    def __init__(
        self, address: int = 1, supplies: int = 1, is_on: bool = True, unit: str = "TORR"
    ) -> None:
        self.address = address
        self.unit = unit
        self.on = [is_on] * supplies
        self.answers: dict[int, str] = {}
        self._lines = LineSplitter(b"\r")

    def feed(self, data: bytes) -> bytes:
        """Answer what is for us and undamaged; nothing else."""
        lines = [line.decode("latin-1").strip("\n") for line in self._lines.feed(data)]
        return b"".join(self._answer(line) for line in lines)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _answer(self, line: str) -> bytes:
        if match := _ETHERNET.fullmatch(line):
            words = self._do(int(match[1], 16), match[2])
            return f"{words}\r\n".encode()
        match = _SERIAL.fullmatch(line)
        if (
            not match
            or protocol.checksum(match[1]) != match[5]
            or int(match[2], 16) != self.address
        ):
            return b""
        body = f"{self.address:02X} {self._do(int(match[3], 16), match[4])} "
        return f"{body}{protocol.checksum(body)}\r".encode()

    def _do(self, code: int, supply: str | None) -> str:
        index = int(supply) - 1 if supply else 0
        if not 0 <= index < len(self.on):
            return "ER 06"
        if code in {protocol.START, protocol.STOP}:
            self.on[index] = code == protocol.START
            return "OK 00"
        is_on = self.on[index]
        pressure = (PRESSURE_TORR if is_on else 1e-11) / IN_TORR[self.unit]
        answers = {
            protocol.MODEL: "DIGITEL SPCe",
            protocol.VERSION: "FIRMWARE: 2.05",
            protocol.CURRENT: f"{CURRENT_A:.1E} AMPS" if is_on else "0.1E-09 AMPS",
            protocol.PRESSURE: f"{pressure:.4E} {self.unit}",
            protocol.VOLTAGE: "6950" if is_on else "0",
            protocol.STATUS: "RUNNING" if is_on else "STANDBY",
            protocol.IS_ON: "YES" if is_on else "NO",
            **self.answers,
        }
        return f"OK 00 {answers[code]}" if code in answers else "ER 05"

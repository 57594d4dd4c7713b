"""`sim://scpi`: a bench supply with a meter, for `driver: scpi`.

    *IDN?   MEAS:VOLT?   MEAS:CURR?   MEAS:ALL? (voltage,current,power)   SYST:ERR?
    TRAC? (32 voltages of the last second as a block of float32)   TRAC:ASC? (the same as text)
    VOLT 5.0   VOLT?   CURR 0.5   CURR?   OUTP ON   OUTP?   *RST   *CLS   *ESR?

The trap: it says nothing when it does not understand, but remembers it in the error queue.
"""

from __future__ import annotations

import math
import random
import struct
from typing import Final

from labmon_drivers.protocols.lines import LineSplitter
from labmon_drivers.protocols.scpi import short_form

IDENTITY: Final = "LABMON,SIMULATED SUPPLY,12345,1.0"
LIMITS: Final = {"VOLT": 30.0, "CURR": 3.0}
LOAD_OHM: Final = 12.5
MAX_ERRORS: Final = 20
TRACE_POINTS: Final = 32
COMMAND_ERROR: Final = 32
EXECUTION_ERROR: Final = 16


class Scpi:
    """A bench supply that measures its output, and speaks SCPI.

    Args:
        is_on: whether its output is on.
        noise: of a measurement, relative.
    """

    def __init__(self, is_on: bool = True, noise: float = 1e-4, seed: int = 1) -> None:
        self.is_on = is_on
        self.settings = {"VOLT": 5.0, "CURR": 1.0}
        self.errors: list[str] = []
        self.event_status = 0
        self._noise = noise
        self._random = random.Random(seed)
        self._lines = LineSplitter(b"\n")

    def feed(self, data: bytes) -> bytes:
        """Carry out the commands, answer the queries."""
        answers = [
            answer
            for line in self._lines.feed(data)
            for part in line.decode("latin-1").strip().split(";")
            if (answer := self._do(part.strip().upper()))
        ]
        return b";".join(answers) + b"\n" if answers else b""

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _do(self, text: str) -> bytes:
        header, _, argument = text.partition(" ")
        header = short_form(header)
        if header == "TRAC?":
            block = struct.pack(f">{TRACE_POINTS}f", *self._trace())
            return f"#{len(str(len(block)))}{len(block)}".encode() + block
        if header.endswith("?"):
            return self._answer(header).encode()
        if header in LIMITS:
            self._set(header, argument)
        elif header == "OUTP" and argument in {"ON", "OFF", "1", "0"}:
            self.is_on = argument in {"ON", "1"}
        elif header == "*RST":
            self.is_on, self.settings = False, {"VOLT": 0.0, "CURR": 0.0}
        elif header == "*CLS":
            self.errors.clear()
        elif header:
            self._fail('-113,"Undefined header"', COMMAND_ERROR)
        return b""

    def _answer(self, header: str) -> str:
        volts, amperes = self._output()
        answers = {
            "*IDN?": IDENTITY,
            "MEAS:VOLT?": f"{volts:+.6E}",
            "MEAS:CURR?": f"{amperes:+.6E}",
            "MEAS:ALL?": f"{volts:.4f},{amperes:.4f},{volts * amperes:.3f}",
            "TRAC:ASC?": ",".join(f"{each:.5f}" for each in self._trace()),
            "VOLT?": f"{self.settings['VOLT']:.3f}",
            "CURR?": f"{self.settings['CURR']:.3f}",
            "OUTP?": "1" if self.is_on else "0",
        }
        if header == "SYST:ERR?":
            return self.errors.pop(0) if self.errors else '+0,"No error"'
        if header == "*ESR?":
            status, self.event_status = self.event_status, 0
            return str(status)
        if header not in answers:
            self._fail('-113,"Undefined header"', COMMAND_ERROR)
            return ""
        return answers[header]

    def _set(self, header: str, argument: str) -> None:
        try:
            value = float(argument)
        except ValueError:
            self._fail('-120,"Numeric data error"', COMMAND_ERROR)
            return
        if 0 <= value <= LIMITS[header]:
            self.settings[header] = value
        else:
            self._fail('-222,"Data out of range"', EXECUTION_ERROR)

    def _fail(self, error: str, bit: int) -> None:
        self.event_status |= bit
        self.errors = [*self.errors, error][-MAX_ERRORS:]

    def _trace(self) -> list[float]:
        volts, _ = self._output()
        ripple = 1e-3 * volts
        return [volts + ripple * math.sin(2 * math.pi * i / 8) for i in range(TRACE_POINTS)]

    def _output(self) -> tuple[float, float]:
        if not self.is_on:
            return 0.0, 0.0
        volts = min(self.settings["VOLT"], self.settings["CURR"] * LOAD_OHM)
        volts *= 1 + self._random.gauss(0, self._noise)
        return volts, volts / LOAD_OHM

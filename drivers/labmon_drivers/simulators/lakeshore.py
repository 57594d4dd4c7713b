"""`sim://lakeshore`: a Lake Shore monitor or controller; silent when it does not understand."""

from __future__ import annotations

import math
import random
from typing import Final

from labmon_drivers.protocols.lines import LineSplitter

POWER_ON: Final = 128
COMMAND_ERROR: Final = 32
EXECUTION_ERROR: Final = 16
TEMPERATURES_K: Final = (4.213, 77.352, 293.41, 301.2, 295.1, 295.3, 296.0, 294.8)
INPUTS: Final = {
    "218": "12345678",
    "331": "AB",
    "340": "AB",
    "335": "AB",
    "336": "ABCD",
    "350": "ABCD",
}

CHAINS: Final = {"335", "336", "350"}
"""Those that answer all queries of a line."""


class LakeShore:
    """A Lake Shore monitor or controller; silent when it does not understand.

    Args:
        model: `218` or `331` to `350`.
        status: reading status of each input, with commas between.
        noise: of a reading, in K.
        units: that its loops regulate in: 1 kelvin, 2 degrees Celsius, 3 what the sensor reads.
        heater: its error: 0 none, 1 open load, 2 short circuit.
    """

    def __init__(
        self,
        model: str = "336",
        status: str = "",
        noise: float = 0.001,
        units: int = 1,
        heater: int = 0,
        seed: int = 1,
    ) -> None:
        self.model = model
        self.inputs = INPUTS[model]
        self.status = dict.fromkeys(self.inputs, 0)
        self.status |= {
            name: int(text)
            for name, text in zip(self.inputs, status.split(","), strict=False)
            if text
        }
        self.temperatures_k = dict(zip(self.inputs, TEMPERATURES_K, strict=False))
        self.names = {name: f"Stage {name}" for name in self.inputs}
        self.setpoints = {"1": 4.2, "2": 77.0}
        self.ranges = {"1": 2, "2": 0}
        self.pids = {"1": (50.0, 20.0, 0.0), "2": (50.0, 20.0, 0.0)}
        self.units = units
        self.heater = heater
        self.regulates_on = {"1": 1, "2": 2}
        """By output, the number of its input; 0: none."""
        self.event_status = POWER_ON
        self._noise = noise
        self._random = random.Random(seed)
        self._lines = LineSplitter(b"\n")

    def feed(self, data: bytes) -> bytes:
        """Answer the queries, carry out the commands."""
        lines = [line.decode("latin-1").strip().upper() for line in self._lines.feed(data)]
        return b"".join(self._carry_out(line) for line in lines)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _carry_out(self, line: str) -> bytes:
        """Several may stand in a line, as may their answers: `KRDG? A;*ESR?`.

        The older models answer one query of a line, the last.
        """
        answers: list[str] = []
        for each in (part.strip(" :") for part in line.split(";")):
            if "?" in each:
                answers.append(self._do(each))
            elif each:
                self._set(each)
        told = answers if self.model in CHAINS else answers[-1:]
        return ";".join(told).encode() + b"\r\n" if told else b""

    def _do(self, line: str) -> str:
        query, _, argument = line.partition("?")
        argument = argument.strip()
        if query == "*IDN":
            return f"LSCI,MODEL{self.model},LSA22AB/#######,1.3"
        if query == "*OPC":
            return "1"
        if query == "*ESR":
            status, self.event_status = self.event_status, 0
            return str(status)
        names = self.inputs if argument == "0" else argument
        if query in {"KRDG", "CRDG"}:
            return ",".join(f"{self._temperature(name, query):+.4f}" for name in names)
        answers = {
            "RDGST": lambda: f"{self.status[argument]:03d}",
            "INNAME": lambda: self.names[argument].ljust(15),
            "SETP": lambda: f"{self.setpoints[argument]:+.4f}",
            "RANGE": lambda: str(self.ranges[argument or "1"]),
            "HTR": lambda: f"{12.5 * self.ranges[argument or '1']:+06.1f}",
            "HTRST": lambda: f"{self.heater}",
            "CSET": lambda: f"A,{self.units},1,1",
            "OUTMODE": lambda: f"1,{self.regulates_on[argument]},0",
            "INTYPE": lambda: f"1,1,0,0,{self.units}",
            "SRDG": lambda: ",".join(f"{self._sensor(name):+.5f}" for name in names),
            "PID": lambda: ",".join(f"{each:+07.1f}" for each in self.pids[argument]),
        }
        try:
            return answers[query]()
        except KeyError:
            self.event_status |= COMMAND_ERROR
            return ""

    def _set(self, line: str) -> None:
        command, _, argument = line.partition(" ")
        output, comma, value = argument.partition(",")
        if not comma:
            output, value = "1", output
        try:
            if command == "SETP" and output in self.setpoints and 0 <= float(value) <= 400:
                self.setpoints[output] = float(value)
            elif command == "PID" and output in self.pids:
                proportional, integral, derivative = map(float, value.split(","))
                self.pids[output] = (proportional, integral, derivative)
            elif command == "*CLS":
                self.event_status = 0
            elif command == "RANGE" and output in self.ranges and 0 <= int(value) <= 3:
                self.ranges[output] = int(value)
            else:
                known = command in {"SETP", "RANGE"}
                self.event_status |= EXECUTION_ERROR if known else COMMAND_ERROR
        except ValueError:
            self.event_status |= COMMAND_ERROR

    def _sensor(self, name: str) -> float:
        return 1.6 - self._temperature(name, "KRDG") / 400

    def _temperature(self, name: str, query: str) -> float:
        if name not in self.inputs or self.status[name] & 1:
            return 0.0
        kelvin = self.temperatures_k[name] + self._random.gauss(0, 1) * self._noise
        return kelvin - (273.15 if query == "CRDG" else 0.0) if math.isfinite(kelvin) else 0.0

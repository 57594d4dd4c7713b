"""`sim://keithley` and `sim://thorlabs`: a multimeter and a power meter that speak SCPI."""

from __future__ import annotations

import random

from labmon_drivers.protocols.lines import LineSplitter
from labmon_drivers.protocols.scpi import short_form

POWER_ON = 128


class ScpiMeter:
    """What both have: an identity, an error queue, settings in memory."""

    def __init__(self, answers: dict[str, str], settings: dict[str, str]) -> None:
        self.answers = answers
        self.settings = settings
        self.errors: list[str] = []
        self.event_status = POWER_ON
        self._lines = LineSplitter(b"\n")

    def feed(self, data: bytes) -> bytes:
        """Answer the queries, take the settings."""
        lines = [line.decode("latin-1").strip().lstrip(":") for line in self._lines.feed(data)]
        answers = [self.do(line) for line in lines if line]
        return b"".join(f"{answer}\n".encode() for answer in answers if answer is not None)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def do(self, line: str) -> str | None:
        """Carry out one line; None where it has no answer."""
        header, _, argument = line.upper().partition(" ")
        header = short_form(header)
        if header == "SYST:ERR?":
            return self.errors.pop(0) if self.errors else '+0,"No error"'
        if header == "*ESR?":
            status, self.event_status = self.event_status, 0
            return str(status)
        if header in self.answers:
            return self.answers[header]
        if header.endswith("?") and header[:-1] in self.settings:
            return self.settings[header[:-1]]
        if header in self.settings:
            self.settings[header] = argument
        elif header == "*CLS":
            self.errors.clear()
            self.event_status = 0
        elif header != "*RST":
            self.errors = [*self.errors[-8:], '-113,"Undefined header"']
        return None


class Multimeter(ScpiMeter):
    """A multimeter Keithley 2000.

    Args:
        value: what it measures; 9.9E37 is an overflow.
        noise: absolute.
    """

    def __init__(self, value: float = 1.234567, noise: float = 1e-6, seed: int = 1) -> None:
        functions = ("VOLT:DC", "VOLT:AC", "CURR:DC", "RES", "FRES", "TEMP", "FREQ")
        settings = {f"CONF:{word}": "" for word in functions}
        settings |= {f"SENS:{word}:{key}": "1" for word in functions for key in ("NPLC", "RANG")}
        identity = "KEITHLEY INSTRUMENTS INC.,MODEL 2000,0601234,A19  /A02"
        super().__init__({"*IDN?": identity}, settings)
        self.value = value
        self.function = "VOLT:DC"
        self._noise = noise
        self._random = random.Random(seed)

    def do(self, line: str) -> str | None:
        """Measure, or anything else."""
        if short_form(line) == "FUNC?":
            return f'"{self.function}"'
        if short_form(line).startswith("CONF:"):
            self.function = short_form(line.split(" ")[0]).removeprefix("CONF:")
        if short_form(line) == "READ?":
            return f"{self.value + self._random.gauss(0, self._noise):+.8E}"
        return super().do(line)


class PowerMeter(ScpiMeter):
    """A power meter PM100D by Thorlabs with a silicon sensor, and a logger TSP01 in one.

    Args:
        power: in W.
        flags: of the sensor: 1 power, 2 energy, 32 wavelength can be set, 256 has a thermometer.
    """

    def __init__(self, power: float = 1.824e-3, flags: int = 289) -> None:
        answers = {
            "*IDN?": "Thorlabs,PM100D,P0001234,2.4.0",
            "SYST:SENS:IDN?": f'"S120C","220101","01-Jan-2026",1,0,{flags}',
            "MEAS:POW?": f"{power:.6E}",
            "MEAS:ENER?": "4.210000E-06",
            "MEAS:TEMP?": "2.350E+01",
            "MEAS:TEMP1?": "2.213E+01",
            "MEAS:TEMP2?": "2.081E+01",
            "MEAS:TEMP3?": "9.91E+37",
            "MEAS:HUM?": "4.120E+01",
        }
        settings = {"SENS:CORR:WAV": "635", "SENS:POW:RANG:AUTO": "1", "SENS:AVER:COUN": "1"}
        settings["SENS:POW:UNIT"] = "W"
        super().__init__(answers, settings)

    def do(self, line: str) -> str | None:
        """Refuse a wavelength outside of the sensor's range."""
        header, _, argument = line.upper().partition(" ")
        header = short_form(header)
        if header == "SENS:CORR:WAV?" and argument in {"MIN", "MAX"}:
            return {"MIN": "400", "MAX": "1100"}[argument]
        if header == "SENS:CORR:WAV" and (error := _refused(argument)):
            self.errors = [*self.errors[-8:], error]
            return None
        return super().do(line)


def _refused(wavelength: str) -> str:
    """Why the sensor does not take a wavelength; empty where it does."""
    try:
        is_known = 400 <= float(wavelength) <= 1100
    except ValueError:
        return '-120,"Numeric data error"'
    return "" if is_known else '-222,"Data out of range"'

"""`keithley`: multimeters 2000, 2001, 2010, 2110, DMM6500, and others that speak SCPI.

The meter is set up after each connect, so that it measures the same after a power cut, also after
one between two polls. The trap: an overflow is answered with 9.9E37, which is no voltage.

## Wiring

RS-232 (9600 baud, no handshake, as the meter is set), USB (`/dev/usbtmc0`), LAN (port 5025), GPIB
by VISA (`GPIB0::16::INSTR`).

## Configuration

```yaml
devices:
  dmm:
    driver: keithley
    title: Multimeter
    port: /dev/ttyUSB0
    function: voltage_dc
    nplc: 10
    period_s: 1
```

## Channels

One, of the name of its `function`.

## Quirks

- A meter that was switched off and on measures DC volts, whatever it measured before, and answers
  as if nothing had happened: each poll asks `*ESR?` whether it was, and if so, sets it up anew.
- One that was switched to another function at its front panel is noticed with the next poll, and
  set up anew: who wants to use it otherwise for a while disables the device.
- 9.9E37 is *over range*, 9.91E37 (not a number) *no signal*.
- Temperatures are in °C after a reset; with `reset: false` in the unit that somebody chose.
- One measurement with `nplc: 10` takes 0.2 s, and as long again for its automatic zero.
- `reset: false` leaves everything else as somebody set it.

## Without hardware

```yaml
devices:
  dmm:
    driver: keithley
    port: sim://keithley
```

## Manual

Keithley, "Model 2000 Multimeter User's Manual", 2000-900-01, chapter 5. Agrees with pymeasure
against its simulator; not yet tested with a meter.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Unpack

from labmon.device import (
    Channel,
    InstrumentError,
    Limits,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Port,
    Value,
    command,
)
from labmon_drivers.protocols.scpi import (
    MAX_ERRORS,
    POWER_ON,
    parse_error,
    parse_number,
    short_form,
)

FunctionName = Literal[
    "voltage_dc",
    "voltage_ac",
    "current_dc",
    "current_ac",
    "resistance",
    "resistance_4w",
    "frequency",
    "temperature",
]
FUNCTIONS: Final[dict[str, tuple[str, str, str, int]]] = {
    "voltage_dc": ("VOLT:DC", "V", "DC voltage", 6),
    "voltage_ac": ("VOLT:AC", "V", "AC voltage", 5),
    "current_dc": ("CURR:DC", "A", "DC current", 7),
    "current_ac": ("CURR:AC", "A", "AC current", 6),
    "resistance": ("RES", "Ω", "Resistance", 3),
    "resistance_4w": ("FRES", "Ω", "Resistance", 3),
    "frequency": ("FREQ", "Hz", "Frequency", 3),
    "temperature": ("TEMP", "°C", "Temperature", 3),
}
HAS_NPLC: Final = {
    "VOLT:DC",
    "CURR:DC",
    "RES",
    "FRES",
    "TEMP",
}


class Keithley(LinkDriver):
    """A multimeter by Keithley, or another that speaks SCPI.

    Args:
        function: what it measures.
        nplc: integration time in periods of the mains.
        range: in the unit of the function; 0: it chooses.
        reset: whether it is reset when connecting, so that nothing else is set otherwise.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\n", reply_timeout_s=5.0, tcp_port=5025
    )
    model = "SCPI multimeter"

    def __init__(
        self,
        port: Port,
        function: FunctionName = "voltage_dc",
        nplc: Annotated[float, Limits(0.01, 100)] = 10.0,
        range: Annotated[float, Limits(0, None)] = 0.0,
        reset: bool = True,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._word, unit, label, digits = FUNCTIONS[function]
        self._nplc = nplc
        self._range = range
        self._reset = reset
        self.channels = {function: Channel(unit, f"{label} at the input", label, digits)}
        self._name = function

    def prepare(self) -> None:
        """Set the meter up, and ask whether it understood."""
        if self._reset:
            self.link.write_line("*RST")
        self.link.write_line("*CLS")
        self.link.write_line(f":CONF:{self._word}")
        if self._word in HAS_NPLC:
            self.link.write_line(f":SENS:{self._word}:NPLC {self._nplc:g}")
        if self._range and self._word != "TEMP":
            self.link.write_line(f":SENS:{self._word}:RANG {self._range:g}")
        if said := self.errors():
            raise InstrumentError(f"it refused its settings: {'; '.join(said)}")

    def identify(self) -> str:
        """Maker and model."""
        fields = self.link.query("*IDN?").split(",")
        return " ".join(field.strip() for field in fields[:2])[:80]

    def poll(self) -> dict[str, Value]:
        """One measurement.

        Raises:
            InstrumentError: the meter was switched off meanwhile, or to another function: this is
                another measurement.
        """
        value = parse_number(self.link.query(":READ?").split(",")[0])
        if int(self.link.query_number("*ESR?")) & POWER_ON:
            raise InstrumentError("it was switched off and on, and has forgotten its settings")
        if plain_function(now := self.link.query(":FUNC?")) != plain_function(self._word):
            raise InstrumentError(f"it was switched to {now[:20]} at its front panel")
        return {self._name: value}

    @command
    def errors(self) -> list[str]:
        """Take what is in the error queue.

        Returns:
            the errors, the oldest first.
        """
        said: list[str] = []
        while len(said) < MAX_ERRORS and (error := parse_error(self.link.query(":SYST:ERR?"))):
            said.append(error)
        return said


def plain_function(text: str) -> str:
    """A function as all meters call it: `"VOLTage:DC"` and `"VOLT"` are `VOLT`."""
    return short_form(text.strip("\"' ")).removesuffix(":DC")

"""`srs`: temperature controllers PTC10 and CTC100 by Stanford Research Systems.

The trap: its network socket serves a single client; a second one is refused until the first is
gone.

## Wiring

LAN (port 23), RS-232 (9600 baud, no parity), or USB, which is a serial port.

## Configuration

```yaml
devices:
  baseplate:
    driver: srs
    title: Base plate
    port: tcp://192.168.1.35
    unit: °C
    outputs:
      Heater: {unit: W, label: Heater, digits: 2}
```

## Channels

One for each output that the controller names, in lower case: `In 3A` is `in_3a`. Of the simulator:

## Quirks

- `NaN` is *no signal*: a sensor that is missing or out of range.
- Each channel has the unit that the controller tells, but for those of `outputs`; where it does not
  tell, `unit`. Where one is changed at the front panel the channel is shown in the new one, and not
  recorded until it is changed back, as a history keeps its unit; the log says so.

## Without hardware

```yaml
devices:
  baseplate:
    driver: srs
    port: sim://srs
    outputs:
      Heater: {unit: W}
```

## Manual

SRS, "PTC10 Programmable Temperature Controller, Operation Manual" and "CTC100", chapter "Remote
programming". Tested against its simulator; not yet with a controller.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import ClassVar, Final, Unpack

from labmon.device import (
    Channel,
    InstrumentError,
    InstrumentTimeoutError,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Port,
    Quality,
    Value,
    as_number,
    command,
)
from labmon.device.transport import NUMBER
from labmon_drivers._channels import ChannelSettings

MAX_OUTPUTS: Final = 64
LETTERS: Final = {0xB0: "°", 0xF8: "°", 0xEA: "Ω"}
"""As its screen has them, and as others write the degree."""
UNIT: Final = re.compile(r"[°ΩA-Za-zµ%/]{0,6}")


class Srs(LinkDriver):
    """A temperature controller PTC10 or CTC100 by Stanford Research Systems.

    Args:
        unit: of the channels that `outputs` does not name, where the controller does not tell it.
        outputs: by the name in the instrument: `unit`, `label`, `digits` and so on.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\n", reply_timeout_s=1.0, tcp_port=23
    )
    model = "SRS temperature controller"

    def __init__(
        self,
        port: Port,
        unit: str = "°C",
        outputs: dict[str, ChannelSettings] | None = None,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._unit = unit
        self._described = outputs or {}
        self._names: list[str] = []
        self._units: list[str] = []

    def prepare(self) -> None:
        """Ask for the names of all channels, and for their units."""
        names = [name.strip() for name in self._asked_names().split(",")]
        is_late = any(NUMBER.fullmatch(name) for name in names)  # the values, asked for before
        is_list = all(names) and len(set(names)) == len(names) <= MAX_OUTPUTS
        if is_late or not is_list:
            raise InstrumentError(f"{','.join(names)[:60]!r} are no names of channels")
        self._names = names
        self._units = self._told_units()
        units = self._units or [self._unit] * len(names)
        self.channels = {
            channel_name(name): self._channel(name, unit)
            for name, unit in zip(names, units, strict=True)
        }

    def identify(self) -> str:
        """Model and serial number."""
        fields = self.link.query("*IDN?").split(",")
        return " ".join(field.strip() for field in fields[:2])[:80]

    def poll(self) -> dict[str, Value]:
        """All channels, in one answer."""
        cells = self.link.query("getOutput?").split(",")
        if len(cells) != len(self._names):
            raise InstrumentError(f"{len(cells)} values came, not {len(self._names)}")
        if self._units and self._asked_units() != self._units:
            raise InstrumentError("its units were changed")
        pairs = zip(self._names, cells, strict=True)
        return {channel_name(name): self._value(name, cell) for name, cell in pairs}

    @command
    def set_setpoint(self, output: str, value: float) -> float:
        """Set the temperature that a control loop holds.

        Args:
            output: name of the output in the instrument.
            value: in the unit of its input.

        Returns:
            the setpoint as read back.
        """
        if output not in self._names:
            raise InstrumentError(
                f"there is no {output[:40]!r}; there are: {', '.join(self._names)}"
            )
        self.link.write_line(f'"{output}.PID.setpoint"={value:.6g}')
        return as_number(self.link.query(f'"{output}.PID.setpoint?"'))

    @command(confirm="Switch all outputs off?")
    def kill_all(self) -> None:
        """Switch all outputs off at once."""
        self.link.write_line("kill all")

    def _asked_names(self) -> str:
        """What a PTC10 calls so; or a CTC100, which does not know the first question."""
        try:
            answer = self.link.query("getOutputNames?")
        except InstrumentTimeoutError:
            answer = ""
        if not answer or answer.lower().startswith("error"):
            answer = self.link.query("getOutput.names?")
        return answer

    def _told_units(self) -> list[str]:
        """The unit of each channel; none where it does not know the question.

        One answer that was lost does not say so: all channels would be in the unit of the
        configuration.
        """
        for _ in range(2):
            with suppress(InstrumentTimeoutError):
                return self._asked_units()
        return []

    def _asked_units(self) -> list[str]:
        """The unit of each channel; none at all where the answer is something else."""
        with self.link.turn:
            self.link.drop_input()
            self.link.write_line("getOutput.units?")
            line = self.link.read_line()
        text = "".join(LETTERS.get(byte, chr(byte)) for byte in line.strip())
        units = [unit.strip() for unit in text.split(",")]
        is_list = len(units) == len(self._names)
        return units if is_list and all(UNIT.fullmatch(unit) for unit in units) else []

    def _value(self, name: str, cell: str) -> Value:
        number = as_number(cell)
        if math.isnan(number):
            return Value(None, Quality.NO_SIGNAL)
        return self._described[name].value(number) if name in self._described else Value(number)

    def _channel(self, name: str, unit: str) -> Channel:
        if name in self._described:
            settings = self._described[name]
            return settings.channel().described(
                label=settings.label or name, unit=settings.unit or unit
            )
        return Channel(unit=unit, label=name, digits=3)


def channel_name(name: str) -> str:
    """A channel's name from the one in the instrument: `In 3A` is `in_3a`."""
    return "".join(c if c.isalnum() else "_" for c in name.lower()).strip("_") or "_"

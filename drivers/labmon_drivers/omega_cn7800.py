"""`omega_cn7800`: temperature controllers CN7800 by Omega, over Modbus RTU.

Needs the extra `modbus`: `pip install labmon-server[modbus]`. The trap: without a sensor it still
sends a number, from a range of its own.

## Wiring

RS-485, 9600 baud, even parity as delivered; or behind a converter that passes the bytes on.

## Configuration

```yaml
devices:
  oven:
    driver: omega_cn7800
    title: Oven
    port: usb://A50285BI
    highest: 180
    period_s: 2
```

## Quirks

- Holding register 0x1000 is the temperature, 0x1001 the setpoint, both in tenths of a degree; in
  place of a temperature 0x8002 to 0x8007 mean that there is none.
- Where it shows another unit than `temperature_unit` it is offline, and says so: its setpoint
  would be wrong too.
- Writing must be allowed at the front panel.

## Without hardware

```yaml
devices:
  oven:
    driver: omega_cn7800
    port: sim://omega_cn7800
```

## Manual

Omega, M4439 "CN7800 Series", chapter on communication. Tested against its simulator; not yet with a
controller.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Unpack

from labmon.device import InstrumentError, Limits, LinkKeys, LinkSettings, Port, Value
from labmon_drivers._registers import RegisterChannel
from labmon_drivers.modbus import Modbus
from labmon_drivers.protocols.modbus import RefusedError

TEMPERATURE, SETPOINT = 0x1000, 0x1001
UNIT_BIT: Final = 0x0811
READ_BITS: Final = 2
UNITS: Final = ("°F", "°C")
TENTH: Final = 0.1
NO_SENSOR: Final = [code - 0x10000 for code in (0x8002, 0x8003, 0x8004, 0x8006, 0x8007)]
"""In place of a temperature: starting, no sensor, sensor broken, converter or memory broken."""


class OmegaCn7800(Modbus):
    """A temperature controller CN7800 by Omega.

    Args:
        address: its number on the line.
        temperature_unit: that it is set to.
        lowest: no setpoint below this can be asked for.
        highest: no setpoint above this can be asked for.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, parity="even", tcp_port=502, reply_timeout_s=1.0
    )
    model = "Omega CN7800"

    def __init__(
        self,
        port: Port,
        address: Annotated[int, Limits(1, 247)] = 1,
        temperature_unit: Literal["°C", "°F"] = "°C",
        lowest: Annotated[float, Limits(-999, 999)] = 0.0,
        highest: Annotated[float, Limits(-999, 999)] = 100.0,
        **link: Unpack[LinkKeys],
    ) -> None:
        if lowest > highest:
            raise ValueError(f"lowest {lowest:g} is more than highest {highest:g}")
        temperature = RegisterChannel(
            address=TEMPERATURE,
            type="int16",
            scale=TENTH,
            unit=temperature_unit,
            label="Temperature",
            description="temperature at its sensor",
            digits=1,
            no_signal=NO_SENSOR,
        )
        target = RegisterChannel(
            address=SETPOINT,
            type="int16",
            scale=TENTH,
            unit=temperature_unit,
            label="Target",
            description="temperature that it holds",
            digits=1,
            limits=(lowest, highest),
            writable=True,
            every_s=5.0,
        )
        self._temperature_unit = temperature_unit
        self._tells_unit = True
        channels = {"temperature": temperature, "target": target}
        super().__init__(port, channels, unit=address, framing="rtu", model=self.model, **link)

    def prepare(self) -> None:
        """Ask whether it is one: other instruments have no such registers."""
        super().prepare()
        if not isinstance(self.read_back("target"), float):
            raise InstrumentError("it has no setpoint in tenths of a degree")
        self._tells_unit = True
        try:
            self._check_unit()
        except RefusedError:
            self._tells_unit = False

    def poll(self) -> dict[str, Value]:
        """The temperature, if it is in the unit that it is said to be in."""
        readings = super().poll()
        if self._tells_unit:
            self._check_unit()
        return readings

    def _check_unit(self) -> None:
        shown = UNITS[self._read(READ_BITS, UNIT_BIT, 1)[0]]
        if shown != self._temperature_unit:
            raise InstrumentError(
                f"it shows {shown}, and its temperature_unit is said to be {self._temperature_unit}"
            )

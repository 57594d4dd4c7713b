"""Control loops of Lake Shore's controllers: setpoints in the unit of the channel, heater ranges.

The trap: a setpoint is a number in the unit that somebody chose for the loop at the instrument;
300 means 27 °C to one that regulates in kelvin, and 573 K to one in °C. So the unit is asked for
each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from labmon.device import Channel, InstrumentError, Parameter, as_number

if TYPE_CHECKING:
    from labmon_drivers._lakeshore_models import Model

LOWEST: Final = {"K": 0.0, "°C": -273.15}
ZERO_CELSIUS_K: Final = 273.15
UNITS: Final = {"1": "K", "2": "°C", "3": ""}
"""What a loop may regulate in; 3: what its sensor reads, in V or Ω."""


class Controller(Protocol):
    """What is asked of the driver."""

    def send(self, text: str) -> None:
        """Send a command, and ask whether it was understood."""
        ...

    def loop(self, output: int) -> tuple[float, str]:
        """The setpoint of a loop, and its unit; empty where it is no temperature."""
        ...

    def heater_range(self, output: int) -> str:
        """The range of a heater."""
        ...

    def set_range(self, output: int, value: int) -> None:
        """Choose the range of a heater."""
        ...


def parse_unit(answer: str, column: int) -> str:
    """The unit of a setpoint, at a place of the answer to `INTYPE?` or `CSET?`; empty for sensors'.

    Raises:
        InstrumentError: it is not there.
    """
    cells = [cell.strip().lstrip("+0") for cell in answer.split(",")]
    if len(cells) <= column or cells[column] not in UNITS:
        raise InstrumentError(f"{answer[:40]!r} does not say the unit of a setpoint")
    return UNITS[cells[column]]


def converted(temperature: float, unit: str, wanted: str) -> float:
    """A temperature in another unit, with no digits that the change made up."""
    if unit == wanted:
        return temperature
    return round(temperature + (ZERO_CELSIUS_K if wanted == "K" else -ZERO_CELSIUS_K), 6)


def setpoint(output: int, unit: str, highest: float) -> Parameter[Any]:
    """The temperature that a loop holds, in the unit of the channel."""

    def read(driver: Controller) -> float | None:
        number, loop = driver.loop(output)
        return converted(number, loop, unit) if loop else None

    def write(driver: Controller, value: float) -> None:
        _, loop = driver.loop(output)
        if not loop:
            raise InstrumentError(f"loop {output} does not regulate a temperature; see its setup")
        driver.send(f"SETP {output},{converted(value, unit, loop):.4f}")

    channel = Channel(
        label=f"Setpoint {output}",
        description=f"temperature that loop {output} holds",
        digits=3,
        tile=False,
    )
    return Parameter(
        unit=unit,
        limits=(LOWEST[unit], highest),
        channel=channel,
        every_s=5.0,
        read=read,
        write=write,
        kind=float,
    )


def heater_range(output: int, model: Model) -> Parameter[Any]:
    """The range of a heater; 0 is off."""

    def read(driver: Controller) -> int:
        return int(as_number(driver.heater_range(output)))

    def write(driver: Controller, value: int) -> None:
        driver.set_range(output, value)

    channel = Channel(
        label=f"Heater range {output}",
        description=f"range of heater {output}; 0 is off",
        digits=0,
        tile=False,
    )
    return Parameter(
        limits=(0, model.ranges),
        channel=channel,
        every_s=10.0,
        confirm="Switch the heater?",
        read=read,
        write=write,
        kind=int,
    )

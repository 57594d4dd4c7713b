"""`sim://omega_cn7800`: a temperature controller over Modbus RTU."""

from __future__ import annotations

from labmon_drivers.simulators.modbus import ILLEGAL_FUNCTION, Modbus, RefusedError

TEMPERATURE, SETPOINT, UNIT_BIT = 0x1000, 0x1001, 0x0811
NO_SENSOR = 0x8003


class OmegaCn7800(Modbus):
    """A temperature controller CN7800 by Omega, over Modbus RTU.

    Args:
        unit: its number on the line.
        temperature: in the unit that it shows.
        has_sensor: whether one is connected.
        is_celsius: whether it shows °C, not °F.
    """

    def __init__(
        self,
        unit: int = 1,
        temperature: float = 23.4,
        has_sensor: bool = True,
        is_celsius: bool = True,
    ) -> None:
        super().__init__("rtu", unit)
        shown = round(temperature * 10) & 0xFFFF if has_sensor else NO_SENSOR
        self.holding = {TEMPERATURE: shown, SETPOINT: 250}
        self.inputs, self.coils = {}, {UNIT_BIT: int(is_celsius)}

    def _do(self, function: int, body: bytes) -> bytes:
        if function not in {2, 3, 6}:
            raise RefusedError(ILLEGAL_FUNCTION)
        return super()._do(function, body)

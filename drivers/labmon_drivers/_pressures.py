"""Units of pressure: what controllers show, and what the channel is to be in."""

from __future__ import annotations

from typing import Final, Literal

from labmon.device import Channel, Value

PressureUnit = Literal["mbar", "hPa", "Torr", "Pa", "micron"]
IN_MBAR: Final = {
    "mbar": 1.0,
    "hPa": 1.0,
    "Torr": 1.333223684,
    "Pa": 0.01,
    "micron": 1.333223684e-3,
}


def converted(value: Value, shown: str, unit: str) -> Value:
    """A pressure in the channel's unit, with no more digits than the controller gave."""
    if not isinstance(value.value, float) or shown == unit:
        return value
    return Value(float(f"{value.value * IN_MBAR[shown] / IN_MBAR[unit]:.5g}"), value.quality)


def pressure_channel(unit: str, label: str, description: str) -> Channel:
    """A channel for a pressure."""
    return Channel(unit=unit, label=label, description=description, digits=2, scientific=True)

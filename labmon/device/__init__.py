"""Devices and the interface of their drivers; a driver imports what it needs from here.

    from labmon.device import Channel, Driver, Limits, Quality, Value, command

What runs devices (`labmon.device.device`) is imported by its own name: drivers never need it.
"""

from labmon.device.command import Limits, command
from labmon.device.driver import Driver, Link, Polled, Readings, Samples, Timed, Value
from labmon.device.link_driver import LinkDriver, Port
from labmon.device.parameter import Parameter
from labmon.device.simulator import Simulator, register_simulator
from labmon.device.transport import LinkKeys, LinkSettings, as_number, open_link
from labmon.errors import InstrumentError, InstrumentTimeoutError, OfflineError
from labmon.reading import Channel, Quality

__all__ = [
    "Channel",
    "Driver",
    "InstrumentError",
    "InstrumentTimeoutError",
    "Limits",
    "Link",
    "LinkDriver",
    "LinkKeys",
    "LinkSettings",
    "OfflineError",
    "Parameter",
    "Polled",
    "Port",
    "Quality",
    "Readings",
    "Samples",
    "Simulator",
    "Timed",
    "Value",
    "as_number",
    "command",
    "open_link",
    "register_simulator",
]

"""What a device says about its channels: the check of their names, and their description.

The trap: `_state`, `_commands` and `_health/...` beside a device's channels are labmon's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from labmon import paths
from labmon.reading import Channel

if TYPE_CHECKING:
    from labmon.device.driver import Driver

OWN: Final = {"_state", "_commands", "_health"}


def all_channels(device: str, driver: Driver) -> dict[str, Channel]:
    """What a driver declares now, with the readbacks and setpoints of its parameters.

    Raises:
        ValueError: a name that cannot be one.
        TypeError: something that is no `Channel`.
    """
    channels = dict(driver.channels)
    for name, parameter in driver.parameters.items():
        for made, channel in parameter.channels(name).items():
            channels.setdefault(made, channel)
    for name, channel in channels.items():
        if not isinstance(channel, Channel):
            raise TypeError(f"channel {name!r} is a {type(channel).__name__}, not a Channel")
        if paths.check_name(f"{device}/{name}") != f"{device}/{name}":
            raise ValueError(f"channel {name!r} is not written in composed characters (NFC)")
        if name.split("/")[0] in OWN:
            raise ValueError(f"channel {name!r}: labmon itself uses this name")
    return channels


def described(device: str, name: str, channel: Channel, poll_s: float) -> dict[str, Any]:
    """A channel as plain data."""
    return {
        "name": name,
        "path": f"{device}/{name}",
        "label": channel.label or name,
        "unit": channel.unit,
        "description": channel.description,
        "digits": channel.digits,
        "scientific": channel.scientific,
        "accuracy": channel.accuracy,
        "limits": list(channel.limits),
        "kind": channel.kind,
        "tile": channel.tile,
        "period_s": channel.period_s(poll_s),
    }

"""What a device says about its channels: the check of their names, and their description.

The trap: names that begin with `_` are labmon's own (`_state`, `_commands`, `_health`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labmon import paths
from labmon.reading import Channel

if TYPE_CHECKING:
    from labmon.device.driver import Driver


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
        if name.startswith("_"):
            raise ValueError(f"channel {name!r} begins with '_': such names are labmon's own")
    return channels


def described(device: str, name: str, channel: Channel) -> dict[str, Any]:
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
    }

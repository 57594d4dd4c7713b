"""What the author of a driver implements: `Driver`, its channels, and what `poll()` may return.

A driver is plain blocking code without locks: labmon calls everything but `abort()` on the device's
one worker thread, in turn. The trap: `abort()` comes from another thread, while a call hangs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from labmon import reading
from labmon.device.command import Command, Limits, command
from labmon.device.parameter import Parameter
from labmon.device.samples import Samples
from labmon.reading import Channel, Quality

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = [
    "Channel",
    "Driver",
    "Limits",
    "Link",
    "Parameter",
    "Polled",
    "Quality",
    "Readings",
    "Samples",
    "Timed",
    "Value",
    "command",
]


class Value(NamedTuple):
    """One value of a poll with its quality: `Value(None, Quality.NO_SIGNAL)`."""

    value: reading.Value
    quality: int = Quality.OK


Readings = Mapping[str, "reading.Value | Value | Samples"]
"""Channel name to value. A channel left out was not due; None means that there is no value."""


class Timed(NamedTuple):
    """Readings with the instrument's own time (nanoseconds UTC) in place of labmon's."""

    time_ns: int
    readings: Readings


Polled = Readings | Timed


class Link(Protocol):
    """What connects a driver to its instrument: a serial port, a socket."""

    def close(self) -> None:
        """Close it, from any thread, more than once; a call that waits on it returns or raises."""
        ...


class Driver:
    """Speaks the protocol of one instrument; blocking calls, one at a time, no locks needed.

    Channels stand as class attributes, `pressure = Channel(unit="mbar")`, or are put into
    `self.channels` by `__init__`, or by `connect()` where only the instrument knows them. What can
    be set is a `Parameter`, and every other action a method with `@command`. The
    parameters of `__init__` are the keys of the device in the configuration, checked against their
    type hints. `__init__` must not touch the instrument: it also runs for devices that are switched
    off, and on the event loop.

    Raise `InstrumentError` where the instrument is to blame; the device reconnects. `OSError` is
    treated alike. Anything else counts as a bug of the driver and is logged with its traceback.
    """

    model: str = ""
    """What stands in the head of the card; the driver may make it more precise in `connect()`."""
    simulated: bool = False
    """Whether readings are made up; a device with a `sim://` port is simulated anyway."""
    connect_timeout_s: float = 10.0
    """How long `connect()` may take, if that is more than the device's `timeout_s`."""
    channels: Mapping[str, Channel] = {}
    """Every channel by name: collected from the class, or set by the instance."""
    parameters: Mapping[str, Parameter[Any]] = {}
    """What can be set, by name: collected from the class, or set by `__init__`."""
    commands: Mapping[str, Command] = {}
    """Commands beside the decorated methods, for drivers that the configuration tells them."""
    without_commands: Collection[str] = ()
    """Decorated methods that this kind of instrument has not; set by `__init__`."""
    link: Link | None = None
    """The connection, where there is exactly one: `disconnect()` and `abort()` then close it."""
    class_channels: ClassVar[Mapping[str, Channel]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the channels and parameters that stand as class attributes, in their order.

        Raises:
            TypeError: one has the name of something that a driver has already.
        """
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        channels = {name: each for name, each in own.items() if isinstance(each, Channel)}
        parameters = {name: each for name, each in own.items() if isinstance(each, Parameter)}
        for name in [*channels, *parameters]:
            _check_name(cls, name)
        cls.class_channels = {**cls.class_channels, **channels}
        if "channels" not in own:
            cls.channels = cls.class_channels
        if "parameters" not in own:
            cls.parameters = {**cls.parameters, **parameters}

    def connect(self) -> None:
        """Open the connection and make the instrument ready; called again after each failure."""

    def identify(self) -> str:
        """What the instrument says it is (`*IDN?`): asked after each `connect()`."""
        return ""

    def poll(self) -> Polled:
        """Ask the instrument once.

        Returns:
            name to value, for any subset of the channels. A value is a float, int or None (numeric
            channels) or any JSON value (nominal ones), a `Value` with its quality, or `Samples`:
            many values of a numeric channel with times of their own.
        """
        if self.channels:
            raise NotImplementedError(f"{type(self).__name__} has neither poll() nor stream()")
        return {}

    def stream(self) -> Iterator[Polled | None]:
        """For instruments that push, instead of `poll()`: yield readings as they come.

        Started after each `connect()`. Yield None at least once a second where nothing came, so
        that commands get their turn; ending means that the connection is lost. An outage is over
        with the first readings; yield `{}` where to have a connection is enough.
        """
        raise NotImplementedError

    def disconnect(self) -> None:
        """Close the connection; also called where `connect()` failed half way."""
        if self.link is not None:
            self.link.close()

    def abort(self) -> None:
        """Make a call that hangs return, from *another thread*: by default closes `link`."""
        if self.link is not None:
            self.link.close()


def _check_name(driver_class: type[Driver], name: str) -> None:
    """Refuse a channel that would hide `model`, `link`, `poll` and the like."""
    for base in driver_class.__mro__[1:]:
        if name in vars(base) and not isinstance(vars(base)[name], Channel | Parameter):
            raise TypeError(
                f"{driver_class.__name__}: a channel cannot be called {name!r} as an attribute,"
                f" which every {base.__name__} has; put it into self.channels"
            )

"""`Parameter`: a quantity of an instrument that can be set; setpoint, readback, limits and unit.

It makes two channels, `current` (the readback: what the instrument says) and `current_setpoint`
(what was asked for), and the commands `set_current` and `get_current`. The trap: the setpoint is
what labmon asked for; who turns the knob at the instrument changes the readback only.
"""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass, replace
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NoReturn,
    TypeVar,
    overload,
)

from pydantic_core import to_jsonable_python

from labmon.device.command import Command, Options, Role
from labmon.device.limits import Limits
from labmon.device.signature import summary, type_hints
from labmon.reading import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon import reading

Kind = TypeVar("Kind")
Write = TypeVar("Write", bound="Callable[[Any, Any], object]")
NUMERIC: Final = (float, int, bool)
SETPOINT: Final = "_setpoint"


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be asked for, by whom, and how often the readback is read.

    Attributes:
        limits: (low, high) of what may be asked for, either may be None.
        every_s: least time between two readings of the readback; 0: with each poll.
        role: the least role that may set it.
        confirm: a question that the browser asks before.
    """

    limits: tuple[float | None, float | None] = (None, None)
    every_s: float = 0.0
    role: Role = "operator"
    confirm: str = ""


class Parameter(Generic[Kind]):
    """A quantity that can be set and read back, written much like a property of the driver.

    The method that reads it back is decorated with `@Parameter(unit="mA", limits=(0, 120))`; if it
    is called `current`, the method that sets it is decorated with `@current.setter`, and is best
    called `set_current`.

    The type hint of the value may be float, int, bool, str or a Literal. Drivers that learn their
    parameters from the configuration put them into `self.parameters` with `read` and `write`,
    functions of the driver.

    Args:
        unit: of setpoint, readback and limits.
        limits: what may be asked for.
        channel: how the readback is shown, where the unit alone does not say enough.
        every_s: least time between two readings of the readback; 0: with each poll.
        role: the least role that may set it.
        confirm: a question that the browser asks before.
        read: asks the instrument what it is.
        write: sets it.
        kind: type of the value; else that of the type hints, else float.
    """

    def __init__(
        self,
        *,
        unit: str = "",
        limits: tuple[float | None, float | None] = (None, None),
        channel: Channel | None = None,
        every_s: float = 0.0,
        role: Role = "operator",
        confirm: str = "",
        read: Callable[[Any], Kind] | None = None,
        write: Callable[[Any, Kind], object] | None = None,
        kind: Any = None,
    ) -> None:
        self._channel = replace(channel or Channel(tile=False), unit=unit)
        self.rules = Rules(limits, every_s, role, confirm)
        self.read = read
        self.write = write
        self._kind = kind

    def __call__(self, read: Callable[[Any], Kind]) -> Parameter[Kind]:
        """Decorate the method that reads it back."""
        self.read = read
        return self

    def setter(self, write: Write) -> Write:
        """Decorate the method that sets it; it stays an ordinary method.

        Raises:
            TypeError: it has the name of the parameter, as with a property, and would hide it.
        """
        name = getattr(write, "__name__", "")
        if name and name == getattr(self.read, "__name__", ""):
            raise TypeError(f"call the method that sets it set_{name}: {name} is the parameter")
        self.write = write
        return write

    @overload
    def __get__(self, driver: None, owner: type) -> Parameter[Kind]: ...
    @overload
    def __get__(self, driver: object, owner: type) -> Kind: ...
    def __get__(self, driver: object | None, owner: type) -> Any:
        """Read it back, for the driver's own code."""
        if driver is None:
            return self
        if self.read is None:
            raise AttributeError("this parameter cannot be read back")
        return self.read(driver)

    def __set__(self, driver: object, value: object) -> NoReturn:
        """Refuse what would otherwise hide the parameter: there is a method that sets it."""
        raise AttributeError("call the method that sets this parameter")

    @property
    def kind(self) -> Any:
        """The type of its value.

        Raises:
            TypeError: the type hints cannot be read.
        """
        if self._kind is None:
            self._kind = _kind_of(self.write, "write") or _kind_of(self.read, "return") or float
        return self._kind

    @property
    def doc(self) -> str:
        """What it is, in words."""
        functions = (self.read, self.write)
        docs = (inspect.getdoc(function) for function in functions if function is not None)
        return self._channel.description or next((doc for doc in docs if doc), "")

    def channels(self, name: str) -> dict[str, Channel]:
        """The channels of readback and setpoint, as far as there are such."""
        kind = "numeric" if _is_numeric(self.kind) else "nominal"
        channel = replace(self._channel, kind=kind, description=summary(self.doc))
        readback = replace(channel, every_s=self.rules.every_s or channel.every_s)
        channels = {name: readback} if self.read is not None else {}
        if self.write is not None:
            label = f"{channel.label or name} setpoint"
            channels[name + SETPOINT] = replace(channel, label=label, tile=False, every_s=None)
        return channels


class Parameters:
    """The parameters of one device: what was asked for, and which readbacks are due.

    Everything but `commands` happens on the device's thread.

    Args:
        parameters: by name.
        least_s: least time between two readings of a readback, whatever it says itself.
    """

    def __init__(self, parameters: Mapping[str, Parameter[Any]], least_s: float = 0.0) -> None:
        self._parameters = dict(parameters)
        self._least_s = least_s
        self._asked: dict[str, Any] = {}
        self._unsaid: set[str] = set()
        self._due_s: dict[str, float] = {}

    def commands(self) -> dict[str, Command]:
        """`set_NAME` and `get_NAME` of each parameter that can be set, and read.

        Raises:
            TypeError: a parameter's type is none that plain data can fill.
        """
        commands: dict[str, Command] = {}
        for name, parameter in self._parameters.items():
            if parameter.write is not None:
                options = Options(role=parameter.rules.role, confirm=parameter.rules.confirm)
                function = self._setter(name, parameter, parameter.write)
                commands[f"set_{name}"] = Command(f"set_{name}", function, options)
            if parameter.read is not None:
                function = _getter(name, parameter, parameter.read)
                options = Options(role="viewer", only_reads=True)
                commands[f"get_{name}"] = Command(f"get_{name}", function, options)
        return commands

    def reconnected(self) -> None:
        """Everything is due: the instrument may have been switched off and on."""
        self._due_s.clear()
        self._unsaid = set(self._asked)

    def readings(
        self, driver: object, polled: Mapping[str, Any], now_s: float
    ) -> dict[str, reading.Value]:
        """The readbacks that are due and not in the poll already, and setpoints that changed."""
        readings: dict[str, reading.Value] = {}
        for name, parameter in self._parameters.items():
            read = parameter.read
            if read is None or name in polled or now_s < self._due_s.get(name, now_s):
                continue
            readings[name] = read(driver)
            every_s = max(parameter.rules.every_s, self._least_s)
            # half a millisecond of grace: polls jitter, and a period shall not become two
            self._due_s[name] = now_s + every_s - min(every_s / 2, 5e-4)
        for name in self._unsaid:
            readings[name + SETPOINT] = self._asked[name]
        self._unsaid.clear()
        return readings

    def _setter(
        self, name: str, parameter: Parameter[Any], write: Callable[[Any, Any], object]
    ) -> Callable[..., None]:
        def set_it(driver: object, value: Any) -> None:
            write(driver, value)
            self._asked[name] = to_jsonable_python(value)
            self._unsaid.add(name)
            self._due_s.pop(name, None)

        low, high = parameter.rules.limits
        unit = parameter.channels(name)[name + SETPOINT].unit
        kind = parameter.kind
        if (low, high, unit) != (None, None, ""):
            kind = Annotated[kind, Limits(low, high, unit)]
        return _described(set_it, f"set_{name}", f"Set {_lowered(parameter, name)}.", value=kind)


def _getter(name: str, parameter: Parameter[Any], read: Callable[[Any], Any]) -> Callable[..., Any]:
    def get_it(driver: object) -> Any:
        return read(driver)

    doc = f"Read {_lowered(parameter, name)} from the instrument now."
    return _described(get_it, f"get_{name}", doc, **{"return": parameter.kind})


def _described(
    function: Callable[..., Any], name: str, doc: str, **hints: Any
) -> Callable[..., Any]:
    """Give a function made here the signature that a command is checked and described by."""
    function.__annotations__ = {"return": None, **hints}
    function.__qualname__ = name
    function.__doc__ = doc
    return function


def _lowered(parameter: Parameter[Any], name: str) -> str:
    """The description within a sentence: "Current of the diode." is "current of the diode"."""
    doc = summary(parameter.doc).rstrip(".")
    if not doc:
        return name
    first = doc.split(" ", maxsplit=1)[0]
    return doc if first.isupper() else doc[0].lower() + doc[1:]


def _is_numeric(kind: Any) -> bool:
    if typing.get_origin(kind) is Annotated:
        return _is_numeric(typing.get_args(kind)[0])
    if typing.get_origin(kind) is Literal:
        return all(isinstance(choice, NUMERIC) for choice in typing.get_args(kind))
    return kind in NUMERIC


def _kind_of(function: Callable[..., Any] | None, which: str) -> Any:
    """The type hint of what a function takes ("write": its last argument) or returns."""
    if function is None:
        return None
    hints = type_hints(function)
    if which == "return":
        return hints.get("return")
    names = list(inspect.signature(function).parameters)
    return hints.get(names[-1]) if names else None

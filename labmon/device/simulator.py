"""`Simulator`: an instrument's protocol from the other side, byte by byte; and where to find one.

Drivers register theirs by name, so that `port: sim://NAME?option=value` works for every driver with
a port. The trap: a simulator has no clock and no thread; time comes in with `tick()`.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl

from labmon.device.signature import argument_descriptions, summary
from labmon.device.simulated_fault import FAULT_OPTIONS, Cable, FaultySimulator
from labmon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEME: Final = "sim://"
SHIPPED: Final = "labmon_drivers.simulators"  # imported when first asked for; registers its own

_factories: dict[str, Callable[..., Simulator] | str] = {}
_cables: dict[str, Cable] = {}
"""By address: a fault that comes and goes does so whoever reconnects."""


class Simulator(Protocol):
    """What an instrument does with bytes. Called by one thread at a time."""

    def feed(self, data: bytes) -> bytes:
        """Take what was sent to the instrument, return what it answers at once."""
        ...

    def tick(self, now_s: float) -> bytes:
        """What the instrument says by itself up to this time of a monotonic clock."""
        del now_s
        return b""


@dataclass(frozen=True, slots=True)
class Option:
    """What may stand behind the name of a simulator, `?NAME=VALUE`."""

    name: str
    default: object
    description: str = ""


def register_simulator(name: str, factory: Callable[..., Simulator] | str) -> None:
    """Offer a simulator as `sim://NAME`.

    Args:
        name: letters, digits and `_`.
        factory: takes the options of the URL as keyword arguments, converted to the types of their
            defaults; or where it is, `module:attribute`, to be imported when used.
    """
    _factories[name] = factory


def simulators() -> list[str]:
    """The names of all simulators."""
    importlib.import_module(SHIPPED)
    return sorted(_factories)


def describe_simulator(name: str) -> tuple[str, list[Option]]:
    """What a simulator is, in a sentence, and its options.

    Raises:
        ConfigError: there is none of this name.
    """
    factory = _find(name)
    doc = inspect.getdoc(factory) or ""
    described = argument_descriptions(doc)
    options = [
        Option(each.name, each.default, described.get(each.name, ""))
        for each in inspect.signature(factory).parameters.values()
        if each.default is not each.empty
    ]
    return summary(doc), options


def check_simulator(url: str) -> None:
    """Look whether there is such a simulator with such options, and make none.

    Raises:
        ConfigError: there is not.
    """
    factory, options, faults = _parsed(url)
    _converted(FaultySimulator, faults, url)
    _converted(factory, options, url)


def make_simulator(url: str) -> Simulator:
    """The simulator of `sim://NAME?option=value&...`; each call makes a new one.

    NAME may also be `module:attribute`. Every simulator takes the options of `FaultySimulator`.

    Raises:
        ConfigError: there is no such simulator or option, or a value is not of the right type.
    """
    factory, options, fault_texts = _parsed(url)
    faults = _converted(FaultySimulator, fault_texts, url)
    try:
        simulator = factory(**_converted(factory, options, url))
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{url}: there is no such simulator: {error}") from None
    if not faults:
        return simulator
    faulty = FaultySimulator(simulator, **faults)
    faulty.cable = _cables.setdefault(url, faulty.cable)
    return faulty


def _parsed(url: str) -> tuple[Callable[..., Simulator], dict[str, str], dict[str, str]]:
    """What makes the simulator of a URL, its own options, and those of its faults."""
    name, _, query = url.removeprefix(SCHEME).partition("?")
    factory = _find(name)
    options = dict(parse_qsl(query, keep_blank_values=True))
    faults = {key: options.pop(key) for key in FAULT_OPTIONS if key in options}
    return factory, options, faults


def _find(name: str) -> Callable[..., Simulator]:
    if name not in _factories and ":" not in name:
        importlib.import_module(SHIPPED)
    factory = _factories.get(name, name)
    if isinstance(factory, str):
        module, _, attribute = factory.partition(":")
        try:
            factory = getattr(importlib.import_module(module or "?"), attribute or "?")
        except (ImportError, AttributeError):
            there = ", ".join(simulators())
            raise ConfigError(f"there is no simulator {name!r}; there are: {there}") from None
    return factory


def _converted(factory: Callable[..., Any], options: dict[str, str], url: str) -> dict[str, Any]:
    """The options of a URL, each with the type of its parameter's default."""
    defaults = {
        parameter.name: parameter.default
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.default is not parameter.empty
    }
    converted: dict[str, Any] = {}
    for key, text in options.items():
        if key not in defaults:
            known = ", ".join([*defaults, *FAULT_OPTIONS])
            raise ConfigError(f"{url}: there is no option {key!r}; there are: {known}")
        kind = type(defaults[key])
        try:
            converted[key] = _TRUTH[text.lower()] if kind is bool else kind(text)
        except (ValueError, KeyError):
            raise ConfigError(f"{url}: {key} must be a {kind.__name__}, not {text!r}") from None
    return converted


_TRUTH: Final = {"1": True, "true": True, "0": False, "false": False}

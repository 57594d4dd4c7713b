"""The settings of a driver: what stands beside labmon's own keys of a device, and its check.

They are the parameters of the driver's `__init__`. The trap: a setting may be refused by the
constructor too; where its message begins with the key, `port: ...`, it names the line of that.
"""

from __future__ import annotations

import inspect
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import labmon
from labmon.config import DEVICE_KEYS
from labmon.device.driver import Driver
from labmon.device.signature import Signature, without_null
from labmon.errors import BadRequestError, ConfigError
from labmon.schema_words import did_you_mean, hint
from labmon.yaml_marks import Problem, raise_problems

if TYPE_CHECKING:
    from labmon.config import DeviceConfig
    from labmon.yaml_marks import Mark

OTHERS: Final = {Path(labmon.__file__).parent, Path(inspect.__file__).parent}


@lru_cache(maxsize=1024)
def signature_of(driver_class: type[Driver]) -> Signature:
    """The settings of a class of drivers.

    Raises:
        TypeError: a parameter of its constructor has no type hint, or one that YAML cannot fill,
            or is called like a key of labmon's own, of which it would never hear.
    """
    constructor = driver_class.__init__
    if constructor is object.__init__:
        return Signature(_no_settings)
    docs = [inspect.getdoc(constructor) or "", inspect.getdoc(driver_class) or ""]
    described = next((doc for doc in docs if "\nArgs:\n" in f"\n{doc}"), "")
    signature = Signature(constructor, described)
    for name in signature.arguments:
        if name in DEVICE_KEYS:
            where = f"{name} of {constructor.__qualname__}"
            raise TypeError(f"{where} is a key of labmon's own: give it another name")
    return signature


def create(driver_class: type[Driver], config: DeviceConfig) -> Driver:
    """The driver of a device, its settings checked.

    Raises:
        ConfigError: everything that is wrong with them, a line for each, with file, line and key.
    """
    signature = signature_of(driver_class)
    given, problems = signature.check(config.settings)
    found: list[Problem] = []
    for problem in problems:
        argument = signature.arguments.get(problem.name)
        text = problem.message if argument else _unknown(problem.name, list(signature.arguments))
        if argument and problem.name in config.settings and not problem.place:
            text += hint(without_null(argument.schema), config.settings[problem.name])
        mark = _mark(config, (problem.name, *problem.place))
        found.append(Problem(mark, f"devices.{config.name}.{text}"))
    raise_problems(found)
    return _construct(driver_class, given, config)


def _mark(config: DeviceConfig, place: tuple[int | str, ...]) -> Mark:
    """Where a key stands, or the nearest that contains it."""
    for length in range(len(place), 0, -1):
        if mark := config.marks.get(".".join(map(str, place[:length]))):
            return mark
    return config.mark


def _unknown(key: str, settings: list[str]) -> str:
    """That neither a driver nor labmon has such a key of a device."""
    near = did_you_mean(key, [*settings, *DEVICE_KEYS])
    return (
        f"{key}: unknown{near}; allowed: {', '.join(settings) or 'nothing of the driver'},"
        f" and labmon's own {', '.join(DEVICE_KEYS)}"
    )


def _construct(driver_class: type[Driver], given: dict[str, Any], config: DeviceConfig) -> Driver:
    try:
        return driver_class(**given)
    except (ConfigError, BadRequestError, ValueError) as error:
        key = str(error).partition(": ")[0]  # of the setting that it is about, where it names one
        mark = config.marks.get(key)
        place = f"{config.mark}: devices.{config.name}: "
        if mark is not None:
            place = f"{mark}: devices.{config.name}."
        raise ConfigError(f"{place}{error}") from error
    except Exception as error:
        raise ConfigError(
            f"{config.mark}: devices.{config.name}: its driver failed to start: "
            f"{type(error).__name__}: {error}{place_of(error)};"
            " what needs the instrument belongs into connect()"
        ) from error


def place_of(error: Exception) -> str:
    """Where in the author's own file something went wrong, ` (oven.py, line 7)`; empty if nowhere.

    Frames of labmon and of Python's own library are passed over.
    """
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_file() and not OTHERS & {*Path(frame.filename).parents}
    ]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


def _no_settings(driver: Driver) -> None:
    """What the constructor of a driver without settings takes."""

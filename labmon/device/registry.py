"""From `driver:` in the configuration to a class: `host` is shipped, `my_lab.dlpro:Dlpro` yours.

Drivers are imported by name at run time; labmon itself knows none. The trap: a driver that cannot
be imported (a missing extra, a syntax error) must not keep the others from being listed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from labmon.device.command import commands_of
from labmon.device.driver import Driver
from labmon.device.settings import create, place_of, signature_of
from labmon.device.signature import summary
from labmon.errors import ConfigError
from labmon.schema_words import did_you_mean

if TYPE_CHECKING:
    from types import ModuleType

    from labmon.config import DeviceConfig

SHIPPED: Final = "labmon_drivers"
TRIAL: Final = "\n## Without hardware\n"
EXTRAS: Final = {"caproto": "epics", "paho": "mqtt", "pymodbus": "modbus", "pyvisa": "visa"}
"""Which extra of the distribution brings a module that a driver may need."""
OWN_WORDS: Final = "or your own as package.module:Class"


@dataclass(frozen=True, slots=True)
class Description:
    """A shipped driver, for lists and documents.

    Attributes:
        name: what stands after `driver:`.
        doc: its first sentence, or why it cannot be used here.
        settings: the JSON Schema of its settings.
        is_usable: False where it cannot be imported, such as without an extra package.
        trial: a configuration that runs without hardware, as YAML; empty where it has none.
    """

    name: str
    doc: str
    settings: dict[str, Any]
    is_usable: bool = True
    trial: str = ""


def find(text: str) -> type[Driver]:
    """The class that `driver: text` means.

    Raises:
        ConfigError: there is none, it cannot be imported, or its signatures are wrong.
    """
    module_name, _, class_name = text.partition(":")
    shipped = f"{SHIPPED}.{module_name}"
    if "." not in module_name and module_name in _shipped_modules():
        module = _imported(shipped, text)
    elif class_name:
        module = _imported(module_name, text)
    else:
        names = [description.name for description in available()]
        known = ", ".join(names) if names else f"none of the package {SHIPPED}"
        near = did_you_mean(text, names)
        raise ConfigError(f"there is no driver {text!r}{near}; there is {known}, {OWN_WORDS}")
    driver_class = _class_in(module, class_name, module_name)
    try:
        signature_of(driver_class)
        commands_of(driver_class)
    except TypeError as error:
        raise ConfigError(f"the driver {text!r} cannot be used: {error}") from error
    return driver_class


def build(config: DeviceConfig) -> Driver:
    """The driver of a device, its settings checked; touches no instrument.

    Raises:
        ConfigError: no such driver, or settings that it does not take; file, line and key first.
    """
    _look_beside(config.mark.file)
    try:
        driver_class = find(config.driver)
    except ConfigError as error:
        mark = config.marks.get("driver", config.mark)
        raise ConfigError(f"{mark}: devices.{config.name}.driver: {error}") from error
    return create(driver_class, config)


def _look_beside(file: str) -> None:
    """Own drivers may stand beside the configuration; what is installed goes before them."""
    folder = str(Path(file).absolute().parent)
    if file and folder not in sys.path:
        sys.path.append(folder)


def available() -> list[Description]:
    """The shipped drivers by name, those that cannot be imported with the reason."""
    descriptions: list[Description] = []
    for module_name in _shipped_modules():
        try:
            module = importlib.import_module(f"{SHIPPED}.{module_name}")
        except Exception as error:  # noqa: BLE001  whatever one driver does, the others are listed
            descriptions.append(Description(module_name, _why(error), {}, is_usable=False))
            continue
        classes = _drivers_in(module)
        for each in classes:
            name = module_name if len(classes) == 1 else f"{module_name}:{each.__name__}"
            descriptions.append(_description(name, each, _trial(module)))
    return descriptions


def _description(name: str, driver_class: type[Driver], trial: str) -> Description:
    try:
        schema = signature_of(driver_class).schema()
    except TypeError as error:
        return Description(name, _why(error), {}, is_usable=False)
    return Description(name, summary(inspect.getdoc(driver_class) or ""), schema, trial=trial)


def _trial(module: ModuleType) -> str:
    """The first YAML under "Without hardware" in the docstring of a driver's module."""
    _, _, section = (inspect.getdoc(module) or "").partition(TRIAL)
    block = re.search(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return block[1] if block else ""


def _shipped_modules() -> list[str]:
    try:
        package = importlib.import_module(SHIPPED)
    except ModuleNotFoundError:
        return []
    found = pkgutil.iter_modules(package.__path__)
    return sorted(each.name for each in found if not each.ispkg and not each.name.startswith("_"))


def _imported(module_name: str, text: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        is_itself = isinstance(error, ModuleNotFoundError) and error.name == module_name
        why = f"{error}; {_where(module_name)}" if is_itself else _why(error)
        raise ConfigError(f"the driver {text!r} cannot be imported: {why}") from error


def _class_in(module: ModuleType, class_name: str, module_name: str) -> type[Driver]:
    classes = {each.__name__: each for each in _drivers_in(module)}
    if class_name:
        found = getattr(module, class_name, None)
        if isinstance(found, type) and issubclass(found, Driver):
            return found
    elif len(classes) == 1:
        return next(iter(classes.values()))
    names = [f"{module_name}:{name}" for name in classes]
    wanted = f"no driver {class_name!r}" if class_name else "no single driver"
    near = did_you_mean(f"{module_name}:{class_name}", names) if class_name else ""
    raise ConfigError(
        f"{module.__name__} has {wanted}{near}; there is {', '.join(names) or 'none'}"
    )


def _drivers_in(module: ModuleType) -> list[type[Driver]]:
    """The public drivers that a module defines, not those that it imports."""
    return [
        each
        for name, each in vars(module).items()
        if isinstance(each, type)
        and issubclass(each, Driver)
        and each.__module__ == module.__name__
        and not name.startswith("_")
    ]


def _where(module_name: str) -> str:
    file = f"{module_name.replace('.', '/')}.py"
    return f"put {file} beside the configuration, or install what has it"


def _why(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        wanted = f"pip install 'labmon-server[{extra}]'" if extra else "install what it needs"
        return f"{error}; {wanted}"
    return f"{type(error).__name__}: {error}{place_of(error)}"

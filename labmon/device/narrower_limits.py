"""`narrowed`: the commands of a device within the limits that its configuration sets.

Under `limits` stands the name of a parameter with `[lowest, highest]`, or that of a command with a
range for each argument. The trap: the driver's own limits protect the instrument, so a range may
lie inside them only; one that is wider is a mistake of whoever wrote it, and said so at the start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from labmon.device.limits import Limits
from labmon.schema_words import did_you_mean, shown
from labmon.yaml_marks import Problem, raise_problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labmon.config import DeviceConfig
    from labmon.device.command import Command

RANGE = "[lowest, highest], with null for none"


def narrowed(commands: Mapping[str, Command], config: DeviceConfig) -> dict[str, Command]:
    """The same commands, some with narrower limits.

    Raises:
        ConfigError: a range that is none, is wider than the driver's, or belongs to nothing; a line
            for each, with file, line and key.
    """
    narrower = dict(commands)
    problems: list[Problem] = []
    for name, given in config.limits.items():
        is_command = isinstance(given, dict)
        key, ranges = (name, given) if is_command else (f"set_{name}", {"value": given})
        for argument, each in ranges.items():
            place = f"limits.{name}.{argument}" if is_command else f"limits.{name}"
            try:
                narrower[key] = _found(narrower, name, key).narrowed(str(argument), _limits(each))
            except ValueError as error:
                mark = config.marks.get(place, config.marks.get("limits", config.mark))
                problems.append(Problem(mark, f"devices.{config.name}.{place}: {error}"))
    raise_problems(problems)
    return narrower


def _found(commands: Mapping[str, Command], name: str, key: str) -> Command:
    if key in commands:
        return commands[key]
    if key == name:
        raise ValueError(f"there is no command {name!r}{did_you_mean(name, commands)}")
    if name in commands:
        raise ValueError("a command takes a range for each argument, such as seconds: [0, 5]")
    settable = [each.removeprefix("set_") for each in commands if each.startswith("set_")]
    known = ", ".join(settable) or "none"
    near = did_you_mean(name, settable)
    raise ValueError(f"there is no parameter {name!r} that can be set{near}; there is {known}")


def _limits(given: Any) -> Limits:
    is_range = isinstance(given, list) and len(given) == 2 and all(map(_is_bound, given))
    if not is_range:
        raise ValueError(f"found {shown(given)}, allowed: {RANGE}")
    return Limits(*given)


def _is_bound(given: Any) -> bool:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return given is None or (is_number and math.isfinite(given))

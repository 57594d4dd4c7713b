"""What operators are told in `derive_args`, checked: each argument a number with its limits.

The trap: an argument that is not known is refused, so that a slip of the pen does not become a
stream that computes something else for a year.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, Literal

from labmon.datastream.exceptions import InvalidOperatorArguments

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operator.

    Attributes:
        name: its key in `derive_args`.
        kind: `number`; or `hold`, an object `{"hold_s": number}`.
        required: whether it must be there.
        default: what it is where it is not there.
        above: it must be greater.
        least: it must not be less.
        below: it must be less.
    """

    name: str
    kind: Literal["number", "hold"] = "number"
    required: bool = False
    default: float | None = None
    above: float = -math.inf
    least: float = -math.inf
    below: float = math.inf


def checked(operator: str, known: Sequence[Argument], given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every argument that an operator knows: a float, or None.

    Raises:
        InvalidOperatorArguments: one is missing, unknown, no number, or outside its limits.
    """
    if not isinstance(given, Mapping):
        raise InvalidOperatorArguments(f"arguments of {operator} are a dict, not {given!r}")
    names = [argument.name for argument in known]
    for name in given:
        if name not in names:
            allowed = f"it takes {', '.join(names)}" if names else "it takes none"
            raise InvalidOperatorArguments(f"{operator} has no argument {name!r}: {allowed}")
    values: dict[str, Any] = {}
    for argument in known:
        value = given.get(argument.name)
        if value is None:
            if argument.required:
                raise InvalidOperatorArguments(f"{operator} needs the argument {argument.name!r}")
            values[argument.name] = argument.default
        elif argument.kind == "hold":
            values[argument.name] = _hold_s(operator, argument, value)
        else:
            values[argument.name] = _number(operator, argument, value)
    return values


def _hold_s(operator: str, argument: Argument, value: Any) -> float:
    if not isinstance(value, dict) or value.keys() != {"hold_s"}:
        raise InvalidOperatorArguments(
            f'{argument.name!r} of {operator} is {{"hold_s": seconds}}, not {value!r}'
        )
    return _number(operator, Argument("hold_s", above=0.0, below=1e9), value["hold_s"])


def _number(operator: str, argument: Argument, value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        number = math.inf
    if isinstance(value, bool) or not math.isfinite(number):
        raise InvalidOperatorArguments(
            f"{argument.name!r} of {operator} is a number, not {shortened(value)}"
        )
    if not (argument.above < number < argument.below and number >= argument.least):
        raise InvalidOperatorArguments(
            f"{argument.name!r} of {operator} cannot be {number:g}: {_limits(argument)}"
        )
    return number


def _limits(argument: Argument) -> str:
    limits: list[str] = []
    if argument.above > -math.inf:
        limits.append(f"it must be more than {argument.above:g}")
    if argument.least > -math.inf:
        limits.append(f"it must be at least {argument.least:g}")
    if argument.below < math.inf:
        limits.append(f"it must be less than {argument.below:g}")
    return " and ".join(limits)

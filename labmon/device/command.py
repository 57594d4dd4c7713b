"""`@command`: a method of a driver that people and scripts may call, with a typed signature.

`Command` describes it as JSON Schema and checks parameters. The trap: it is built when first asked
for, not when decorated, because type hints can be read only once the driver's module is complete.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from labmon.device.limits import Limits
from labmon.device.signature import Signature, in_words, summary
from labmon.errors import BadRequestError, OutOfLimitsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Command", "Limits", "command", "commands_of"]

Method = TypeVar("Method", bound="Callable[..., Any]")
Role = Literal["viewer", "operator", "admin"]
_MARK: Final = "__labmon_command__"


@dataclass(frozen=True, slots=True)
class Options:
    """What `@command(...)` says beside the signature.

    Attributes:
        role: the least role that may call it.
        confirm: a question that the browser asks before; empty: it just does it.
        timeout_s: how long it may take; None: what the caller or the server says.
        offline: whether it may be called while the device is not online.
        only_reads: it changes nothing, so that it leaves a record only where it fails.
    """

    role: Role = "operator"
    confirm: str = ""
    timeout_s: float | None = None
    offline: bool = False
    only_reads: bool = False


@overload
def command(method: Method, /) -> Method: ...
@overload
def command(
    *,
    role: Role = ...,
    confirm: str = ...,
    timeout_s: float | None = ...,
    offline: bool = ...,
    only_reads: bool = ...,
) -> Callable[[Method], Method]: ...
def command(method: Any = None, /, **options: Any) -> Any:
    """Offer a method of a driver as a command: `@command`, or `@command(confirm="Sure?")`.

    Its parameters need type hints, `Annotated[float, Limits(0, 60, unit="s")]` for a number with a
    range; the section `Args:` of its docstring describes them in the browser's form.
    """

    def mark(function: Any) -> Any:
        setattr(function, _MARK, Options(**options))
        return function

    return mark if method is None else mark(method)


class Command:
    """A named action of a device: description, check of parameters, and the call itself.

    Args:
        name: how it is called.
        function: takes the driver and the checked parameters; on the device's thread.
        options: see `Options`.
        signature: if it is not that of the function.

    Raises:
        TypeError: a parameter has no type hint, or one that plain data cannot fill.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        options: Options,
        signature: Signature | None = None,
    ) -> None:
        self.name = name
        self.options = options
        self.doc = summary(inspect.getdoc(function) or "")
        self._function = function
        self._signature = signature or Signature(function)

    def narrowed(self, argument: str, limits: Limits) -> Command:
        """The same command with narrower limits of one argument.

        Raises:
            ValueError: there is no such argument, it is no number, or its own limits are narrower.
        """
        signature = self._signature.narrowed(argument, limits)
        return Command(self.name, self._function, self.options, signature)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the parameters; a number with a unit has the key `unit`."""
        return self._signature.schema()

    def description(self) -> dict[str, Any]:
        """Everything a form needs: name, doc, params, result, role, confirm, offline."""
        return {
            "name": self.name,
            "doc": self.doc,
            "params": self.schema(),
            "result": self._signature.result_schema(),
            "role": self.options.role,
            "confirm": self.options.confirm,
            "offline": self.options.offline,
        }

    def validate(self, params: list[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters by name, as the method takes them.

        Raises:
            BadRequestError: unknown, missing or of a wrong type; the message says what is allowed.
            OutOfLimitsError: only limits are exceeded.
        """
        checked, problems = self._signature.check(self._by_name(params))
        if problems:
            kind = OutOfLimitsError if all(p.is_limit for p in problems) else BadRequestError
            message = f"{self.name}: " + "; ".join(p.message for p in problems)
            raise kind(message, {"params": {p.name: p.message for p in problems}})
        return checked

    def run(self, driver: object, kwargs: Mapping[str, Any]) -> Any:
        """Call it: blocks, on the device's thread only."""
        return self._function(driver, **kwargs)

    def _by_name(self, params: list[Any] | Mapping[str, Any] | None) -> Mapping[str, Any]:
        if params is None:
            return {}
        if not isinstance(params, list):
            return params
        parameters = [p for p in self._signature.arguments.values() if p.by_position]
        if len(params) > len(parameters):
            names = ", ".join(f"{p.name} ({in_words(p.schema)})" for p in parameters) or "none"
            raise BadRequestError(
                f"{self.name}: takes {len(parameters)} parameters, not {len(params)}: {names}"
            )
        return {p.name: value for p, value in zip(parameters, params, strict=False)}


@lru_cache(maxsize=1024)
def commands_of(driver_class: type) -> dict[str, Command]:
    """The commands of a class of drivers by name, those of its bases first.

    A method that overrides a command stays one, with its own signature.
    """
    marked: dict[str, Options] = {}
    for base in reversed(driver_class.__mro__):
        for name, value in vars(base).items():
            if (options := getattr(value, _MARK, None)) is not None:
                marked[name] = options
    return {
        name: Command(name, getattr(driver_class, name), options)
        for name, options in marked.items()
    }

"""`Signature`: what a command or a driver's constructor takes, checked strictly and described.

Values arrive as plain data (JSON, YAML). The trap: pydantic would turn "yes" into true and "3" into
3 if it were let; here a value has the type that was asked for, or is refused with what is allowed.
"""

from __future__ import annotations

import copy
import inspect
import json
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from labmon.device import inside
from labmon.device.limits import OUT_OF_LIMITS, Limits
from labmon.schema_words import allowed, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False)
LIMIT_ERRORS: Final = {
    OUT_OF_LIMITS,
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "multiple_of",
    "string_too_long",
    "string_too_short",
    "too_long",
    "too_short",
}
NUMBERS: Final = {int, float}
LEFT_OUT: Final = object()
"""Default of what need not be given, and has no default to tell."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a value was refused, and what is allowed.

    Attributes:
        name: of the argument.
        is_limit: its type was right.
        place: of what is wrong inside the value.
    """

    name: str
    message: str
    is_limit: bool = False
    place: tuple[int | str, ...] = ()


class Argument:
    """One argument of a function: its type, default and description.

    Args:
        name: how it is called.
        annotation: its type hint, with `Limits` and the like.
        default: `inspect.Parameter.empty` where there is none.
        description: one sentence, or empty.
        is_required: whether it must be given.
        by_position: whether it may be given without its name.
    """

    def __init__(
        self,
        name: str,
        annotation: Any,
        *,
        default: Any = inspect.Parameter.empty,
        description: str = "",
        is_required: bool = True,
        by_position: bool = True,
    ) -> None:
        self.name = name
        self.is_required = is_required
        self.by_position = by_position
        self._annotation = annotation
        self._default = default
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=STRICT)
        self.schema = _schema(self._adapter)
        if default is not inspect.Parameter.empty:
            self.schema["default"] = to_jsonable_python(default, fallback=str)
        if description:
            self.schema["description"] = description

    def check(self, value: Any) -> tuple[Any, Problem | None]:
        """The value as the function takes it, or what is wrong with it."""
        try:
            # a number is written as JSON has it, or, if it is not finite, as no JSON at all
            text = repr(value) if type(value) in NUMBERS else json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            return None, self._refusal(value)
        if "enum" in self.schema and not _is_among(value, self.schema["enum"]):
            return None, self._refusal(value)
        try:
            return self._adapter.validate_json(text), None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return None, self._refusal(value, first["loc"], first["type"])

    def narrowed(self, limits: Limits) -> Argument:
        """The same argument within a range inside its own; must be given if its default is not.

        Raises:
            ValueError: it is no number, or the range is wider than its own.
        """
        kind = without_null(self.schema)
        if kind.get("type") not in {"number", "integer"} or "enum" in kind:
            raise ValueError(f"{self.name} is {in_words(self.schema)}, which has no limits")
        low = kind.get("minimum", kind.get("exclusiveMinimum"))
        high = kind.get("maximum", kind.get("exclusiveMaximum"))
        if not all(each is None or each in Limits(low, high) for each in (limits.low, limits.high)):
            given = [limits.low, limits.high]
            raise ValueError(f"found {shown(given)}, allowed: within {in_words(self.schema)}")
        default = self._default
        if isinstance(default, int | float) and default not in limits:
            default = inspect.Parameter.empty
        is_lost = default is not self._default
        return Argument(
            self.name,
            Annotated[self._annotation, limits],
            default=default,
            description=self.schema.get("description", ""),
            is_required=self.is_required or is_lost,
            by_position=self.by_position,
        )

    def _refusal(self, value: Any, place: tuple[int | str, ...] = (), kind: str = "") -> Problem:
        text = f"{self.name}: found {shown(value)}, allowed: {in_words(self.schema)}"
        is_inside = place and without_null(self.schema).get("type") in {"array", "object"}
        if is_inside and (said := inside.refusal(self.schema, value, place, kind)):
            text = f"{'.'.join(map(str, (self.name, *place[:-1])))}.{said}"
        elif is_inside:
            text += f" (look at {'.'.join(map(str, place))})"
        return Problem(self.name, text, is_limit=kind in LIMIT_ERRORS, place=place)


class Signature:
    """The parameters of a method or constructor, without `self`.

    Args:
        function: the method, unbound.
        doc: where its arguments are described, if not in its own docstring.

    Raises:
        TypeError: a parameter has no type hint, or one that plain data cannot fill.
    """

    def __init__(self, function: Callable[..., Any], doc: str = "") -> None:
        described = argument_descriptions(doc or inspect.getdoc(function) or "")
        hints = type_hints(function)
        self.arguments: dict[str, Argument] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            for argument in _arguments(function, parameter, hints, described):
                self.arguments[argument.name] = argument
        self.result_type = hints.get("return", inspect.Signature.empty)

    def narrowed(self, name: str, limits: Limits) -> Signature:
        """The same with narrower limits of one argument.

        Raises:
            ValueError: there is no such argument, it is no number, or its own limits are narrower.
        """
        if name not in self.arguments:
            raise ValueError(self._unknown(name).message)
        narrower = copy.copy(self)
        narrower.arguments = {**self.arguments, name: self.arguments[name].narrowed(limits)}
        return narrower

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of all parameters as one object; numbers carry `unit`."""
        return {
            "type": "object",
            "properties": {name: p.schema for name, p in self.arguments.items()},
            "required": [name for name, p in self.arguments.items() if p.is_required],
            "additionalProperties": False,
        }

    def result_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of what is returned; None where that is nothing, or not said."""
        if self.result_type in {None, type(None), inspect.Signature.empty}:
            return None
        return _schema(TypeAdapter(self.result_type))

    def check(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """The values as the function takes them, and everything that is wrong."""
        checked: dict[str, Any] = {}
        problems = [self._unknown(str(name)) for name in given if name not in self.arguments]
        for name, parameter in self.arguments.items():
            if name in given:
                checked[name], problem = parameter.check(given[name])
                if problem:
                    problems.append(problem)
            elif parameter.is_required:
                text = f"{name} is missing; allowed: {in_words(parameter.schema)}"
                problems.append(Problem(name, text))
        return checked, problems

    def _unknown(self, name: str) -> Problem:
        known = ", ".join(self.arguments) or "nothing"
        near = did_you_mean(name[:60], self.arguments)
        return Problem(name, f"{name[:60]}: unknown{near}; allowed: {known}")


def in_words(schema: dict[str, Any]) -> str:
    """What a schema allows: `a number from 0 to 60 s`, `text or nothing`."""
    if isinstance(schema.get("type"), list):
        return f"{in_words(without_null(schema))} or nothing"
    unit = schema.get("unit")
    return allowed(schema) + (f" {unit}" if unit else "")


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of `X` for that of `X or None`; any other as it is."""
    if not isinstance(schema.get("type"), list):
        return schema
    schema = {**schema, "type": schema["type"][0]}
    if "enum" in schema:
        schema["enum"] = [choice for choice in schema["enum"] if choice is not None]
    return schema


def argument_descriptions(doc: str) -> dict[str, str]:
    """What the section `Args:` of a Google docstring says of each argument.

    `doc` as `inspect.getdoc` gives it; continued lines are joined.
    """
    described: dict[str, str] = {}
    _, _, section = f"\n{doc}".partition("\nArgs:\n")
    name = ""
    for line in section.splitlines():
        if not line.strip() or not line.startswith(" "):
            break
        head, colon, text = line.strip().partition(":")
        if colon and len(line) - len(line.lstrip()) <= 4:
            name = head.split(" (")[0].strip()
            described[name] = text.strip()
        elif name:
            described[name] = f"{described[name]} {line.strip()}"
    return described


def summary(doc: str) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(doc.split("\n\n")[0].split())


def type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The type hints of a method but for `self`, and `return`.

    Raises:
        TypeError: one of them names what its module has not.
    """
    # of `self` nothing is asked, and its hint may name a class that is not made yet
    names = list(inspect.signature(function).parameters)[:1]
    hints = {name: hint for name, hint in function.__annotations__.items() if name not in names}
    holder = types.SimpleNamespace(__annotations__=hints)
    try:
        return typing.get_type_hints(holder, function.__globals__, include_extras=True)
    except NameError as error:
        name = function.__qualname__
        raise TypeError(f"a type hint of {name} cannot be read at run time: {error}") from None


def _unpacked(
    parameter: inspect.Parameter, hints: dict[str, Any]
) -> list[tuple[inspect.Parameter, Any]]:
    """A parameter with its hint; `**keys: Unpack[SomeTypedDict]` stands for each of its keys."""
    hint = hints.get(parameter.name)
    if parameter.kind is not parameter.VAR_KEYWORD or typing.get_origin(hint) is not typing.Unpack:
        return [(parameter, hint)]
    keys = typing.get_args(hint)[0]
    return [
        # without a default: what is not given is left to the function
        (inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=LEFT_OUT), single)
        for name, single in typing.get_type_hints(keys, include_extras=True).items()
    ]


def _arguments(
    function: Callable[..., Any],
    parameter: inspect.Parameter,
    hints: dict[str, Any],
    described: dict[str, str],
) -> list[Argument]:
    """The argument that a parameter stands for; for `**keys: Unpack[Keys]` all of `Keys`."""
    name, hint = parameter.name, hints.get(parameter.name)
    where = f"{name} of {function.__qualname__}"
    try:
        if parameter.kind is parameter.VAR_KEYWORD and typing.get_origin(hint) is typing.Unpack:
            return _keys(typing.get_args(hint)[0])
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise TypeError(f"{where} must be a named parameter, without stars or slash")
        if hint is None:
            raise TypeError(f"{where} has no type hint")
        return [
            Argument(
                name,
                hint,
                default=parameter.default,
                description=described.get(name, ""),
                is_required=parameter.default is parameter.empty,
                by_position=parameter.kind is parameter.POSITIONAL_OR_KEYWORD,
            )
        ]
    except PydanticSchemaGenerationError:
        raise TypeError(f"{where} has a type that plain data cannot fill") from None


def _keys(keys: Any) -> list[Argument]:
    """The keys of a TypedDict as arguments by name; what is not given is not passed on."""
    required: frozenset[str] = keys.__required_keys__
    return [
        Argument(name, hint, is_required=name in required, by_position=False)
        for name, hint in typing.get_type_hints(keys, include_extras=True).items()
    ]


def _schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """The JSON Schema without titles; `X or None` written as one type where that can be."""
    schema = adapter.json_schema()
    schema.pop("title", None)
    choices = schema.get("anyOf", [])
    if len(choices) == 2 and choices[1] == {"type": "null"} and "type" in choices[0]:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**choices[0], **rest, "type": [choices[0]["type"], "null"]}
        schema.pop("title", None)
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _is_among(value: Any, choices: list[Any]) -> bool:
    # True == 1 == 1.0 in Python; as an answer to "1 or 2" only 1 will do
    return any(type(value) is type(choice) and value == choice for choice in choices)

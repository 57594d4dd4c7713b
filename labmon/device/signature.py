"""`Signature`: what a command or a driver's constructor takes, checked strictly and described.

Values arrive as plain data (JSON, YAML). The trap: pydantic would turn "yes" into true and "3" into
3 if it were let; here a value has the type that was asked for, or is refused with what is allowed.
"""

from __future__ import annotations

import inspect
import json
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from labmon.device.limits import OUT_OF_LIMITS, words

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
TYPE_WORDS: Final = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a value was refused: `message` is a sentence; `is_limit` tells range from type."""

    name: str
    message: str
    is_limit: bool = False


class Argument:
    """One argument of a function: its type, default and description."""

    def __init__(self, parameter: inspect.Parameter, annotation: Any, description: str) -> None:
        self.name = parameter.name
        self.is_required = parameter.default is parameter.empty
        self.by_position = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=STRICT)
        self.schema = _schema(self._adapter)
        if not self.is_required:
            self.schema["default"] = to_jsonable_python(parameter.default, fallback=str)
        if description:
            self.schema["description"] = description

    def check(self, value: Any) -> tuple[Any, Problem | None]:
        """The value as the function takes it, or what is wrong with it."""
        try:
            text = json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            return None, Problem(self.name, f"{self.name} is no plain value: {shown(value)}")
        if "enum" in self.schema and not _is_among(value, self.schema["enum"]):
            return None, self._refusal(value)
        try:
            return self._adapter.validate_json(text), None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return None, self._refusal(value, first["loc"], first["msg"], first["type"])

    def _refusal(
        self, value: Any, place: tuple[int | str, ...] = (), message: str = "", kind: str = ""
    ) -> Problem:
        text = f"{self.name} must be {allowed(self.schema)}, not {shown(value)}"
        if place and self.schema.get("type") in {"array", "object"}:
            text += f" (at {'.'.join(map(str, place))}: {message})"
        return Problem(self.name, text, is_limit=kind in LIMIT_ERRORS)


class Signature:
    """The parameters of a method or constructor, without `self`.

    Raises:
        TypeError: a parameter has no type hint, or one that plain data cannot fill.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        described = argument_descriptions(inspect.getdoc(function) or "")
        hints = _hints(function)
        self.arguments: dict[str, Argument] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            self.arguments[parameter.name] = _argument(function, parameter, hints, described)
        self.result_type = hints.get("return", inspect.Signature.empty)

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
        problems = [self._unknown(name) for name in given if name not in self.arguments]
        for name, parameter in self.arguments.items():
            if name in given:
                checked[name], problem = parameter.check(given[name])
                if problem:
                    problems.append(problem)
            elif parameter.is_required:
                text = f"{name} is missing: {allowed(parameter.schema)}"
                problems.append(Problem(name, text))
        return checked, problems

    def _unknown(self, name: str) -> Problem:
        known = ", ".join(self.arguments) or "none"
        return Problem(str(name), f"{str(name)[:60]!r} is unknown: there is {known}")


def allowed(schema: dict[str, Any]) -> str:
    """In words what a schema allows: `a number from 0 to 60 s`, `one of 'on', 'off'`."""
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(choice) for choice in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(allowed(choice) for choice in schema["anyOf"])
    types = schema.get("type", "any value")
    text = " or ".join(TYPE_WORDS.get(t, t) for t in ([types] if isinstance(types, str) else types))
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    bounds = words(low, high, schema.get("unit", ""))
    between = " from " if low is not None and high is not None else " "
    return text + (between + bounds if bounds else "")


def shown(value: Any) -> str:
    """A refused value as it is quoted in messages: as JSON, and never long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


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


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        name = function.__qualname__
        raise TypeError(f"a type hint of {name} cannot be read at run time: {error}") from None


def _argument(
    function: Callable[..., Any],
    parameter: inspect.Parameter,
    hints: dict[str, Any],
    described: dict[str, str],
) -> Argument:
    where = f"{parameter.name} of {function.__qualname__}"
    if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
        raise TypeError(f"{where} must be a named parameter, without stars or slash")
    if parameter.name not in hints:
        raise TypeError(f"{where} has no type hint")
    try:
        description = described.get(parameter.name, "")
        return Argument(parameter, hints[parameter.name], description)
    except PydanticSchemaGenerationError:
        raise TypeError(f"{where} has a type that plain data cannot fill") from None


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

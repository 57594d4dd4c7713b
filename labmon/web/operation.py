"""What one call takes: the definitions that check a request and from which openapi.json is made.

The trap: a parameter that is not listed here does not exist; a request that names one is refused
with the list of those that do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from labmon import timestamps
from labmon.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Role = Literal["viewer", "operator", "admin"]

PRINTABLE: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""What no address may contain is refused before its parameters are looked at."""
TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": PRINTABLE}
TIME: Final = {
    "type": "string",
    "format": "labmon-time",
    "description": "Unix seconds, ISO 8601, or relative to now.",
    "examples": ["now", "-6h", "1764244800.5", "2026-11-22T08:00:00Z"],
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter.

    Attributes:
        name: as in the URL; one that ends in a dot stands for all that begin so (`tag.unit=THz`).
        doc: one sentence.
        schema: JSON Schema of one value; it is what is checked.
        default: if absent.
        is_list: several, repeated or separated by commas.
        is_required: whether it must be there.
    """

    name: str
    doc: str
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    default: Any = None
    is_list: bool = False
    is_required: bool = False

    def read(self, texts: Sequence[str], now_ns: int) -> Any:
        """The value of the texts given for this parameter.

        Raises:
            BadRequestError: says what is allowed.
        """
        if self.is_list:
            pieces = [piece.strip() for text in texts for piece in text.split(",")]
            return tuple(self._one(piece, now_ns) for piece in pieces)
        if len(texts) > 1:
            raise BadRequestError(f"{self.name} is given {len(texts)} times: give it once")
        return self._one(texts[0], now_ns)

    def covers(self, name: str) -> bool:
        """Whether a name in a query means this parameter."""
        if self.name.endswith("."):
            return name.startswith(self.name) and name != self.name
        return name == self.name

    def _one(self, text: str, now_ns: int) -> Any:
        if self.schema.get("format") == TIME["format"]:
            return self._time(text, now_ns)
        match self.schema["type"]:
            case "integer":
                return self._number(text, int, "a whole number")
            case "number":
                return self._number(text, float, "a number")
        self._check_text(text)
        return text

    def _time(self, text: str, now_ns: int) -> int:
        # a '+' of a zone arrives as a space where the sender did not escape it
        try:
            return timestamps.parse(text.replace(" ", "+") if "T" in text else text, now_ns)
        except ValueError as error:
            raise BadRequestError(f"{self.name}: {error}") from None

    def _number(self, text: str, kind: Callable[[str], float], words: str) -> float:
        low, high = self.schema.get("minimum"), self.schema.get("maximum")
        try:
            number = kind(text) if len(text) < 40 and "_" not in text else float("nan")
        except ValueError:
            number = float("nan")
        if number != number:
            raise BadRequestError(f"{self.name} is {words}, not {text[:40]!r}")
        if (low is not None and number < low) or (high is not None and number > high):
            raise BadRequestError(f"{self.name} lies between {low} and {high}, not {text[:40]}")
        return number

    def _check_text(self, text: str) -> None:
        choices = self.schema.get("enum")
        if choices is not None and text not in choices:
            raise BadRequestError(f"{self.name} is one of {', '.join(choices)}, not {text[:60]!r}")
        low, high = self.schema.get("minLength", 0), self.schema.get("maxLength", 255)
        if not low <= len(text) <= high:
            raise BadRequestError(f"{self.name} has {low} to {high} characters, not {len(text)}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address.

    Attributes:
        summary: one sentence.
        parameters: of the query; anything else is refused.
        headers: of the request, by name: one sentence each.
        body: JSON Schema of the body; None where it has none.
        answers: status -> what it means, of those that have this answer.
        errors: status -> what it means, beside the errors that everything may give.
        answer_type: of the good answer.
        answer: JSON Schema of the good answer; None: it is no JSON, or has no one form.
        also: further types of the good answer, if asked for.
        role: who may.
    """

    summary: str
    parameters: tuple[Parameter, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, Any] | None = None
    answers: Mapping[int, str] = field(default_factory=lambda: {200: "as asked"})
    errors: Mapping[int, str] = field(default_factory=dict)
    answer_type: str = "application/json"
    answer: Mapping[str, Any] | None = None
    also: tuple[str, ...] = ()
    role: Role = "viewer"

    def read_query(self, query: Mapping[str, Sequence[bytes]], now_ns: int) -> dict[str, Any]:
        """The checked values of a query, defaults included.

        A parameter whose name ends in a dot gives a dictionary of what followed the dot.

        Raises:
            BadRequestError: unknown, malformed or out of range; says what is allowed.
        """
        values: dict[str, Any] = {
            parameter.name: {} if parameter.name.endswith(".") else parameter.default
            for parameter in self.parameters
        }
        for name, raw in query.items():
            parameter = self._named(name)
            value = parameter.read([_decoded(name, text) for text in raw], now_ns)
            if parameter.name == name:
                values[name] = value
            else:
                values[parameter.name][name.removeprefix(parameter.name)] = value
        for parameter in self.parameters:
            if parameter.is_required and not values[parameter.name]:
                raise BadRequestError(f"{parameter.name} is missing: {parameter.doc}")
        return values

    def _named(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.covers(name):
                return parameter
        allowed = ", ".join(
            f"{p.name}KEY" if p.name.endswith(".") else p.name for p in self.parameters
        )
        raise BadRequestError(
            f"unknown parameter {name[:60]!r}: "
            + (f"use {allowed}" if allowed else "none is taken")
        )


def _decoded(name: str, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadRequestError(f"{name[:60]} is not UTF-8") from None
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise BadRequestError(f"{name[:60]} contains control characters")
    return text

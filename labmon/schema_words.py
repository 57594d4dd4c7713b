"""A JSON Schema in words, and what did not fit it: `found "fast", allowed: a number above 0`.

Knows only what the schemas of settings use. The trap: pydantic's own messages name its types, not
ours, so they are never shown; only its place and kind of error are used.
"""

from __future__ import annotations

import difflib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

YES_NO: Final = {"yes", "no", "on", "off", "y", "n"}
TYPE_WORDS: Final = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys and values",
    "null": "nothing",
}


def allowed(schema: dict[str, Any]) -> str:
    """What a schema allows: `` `full` or `relaxed` ``, `a whole number of at least 1`."""
    if "enum" in schema:
        return " or ".join(json.dumps(choice) for choice in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(allowed(choice) for choice in schema["anyOf"])
    kind = schema.get("type", "")
    if kind == "array" and "items" in schema:
        return f"a list, each element {allowed(schema['items'])}"
    return TYPE_WORDS.get(kind, "any value") + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:.12g} to {high:.12g}"
    bounds = {
        "of at least": low,
        "above": schema.get("exclusiveMinimum"),
        "up to": high,
        "below": schema.get("exclusiveMaximum"),
    }
    return "".join(f" {words} {bound:.12g}" for words, bound in bounds.items() if bound is not None)


def shown(value: Any) -> str:
    """A refused value as it is quoted in messages: as JSON, and never long."""
    if value is None:
        return "nothing"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """` (did you mean 'period_s'?)` where a known word is near, else nothing."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def explained(kind: type[BaseModel], error: ErrorDetails, name: str) -> str:
    """What pydantic found, as: key, what was found, what is allowed."""
    for step in error["loc"][:-1]:
        inner = kind.model_fields[str(step)].annotation if step in kind.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return _refused(kind, str(step), error["input"], name)
        kind = inner
    key = error["loc"][-1]
    if key not in kind.model_fields:
        return unknown(key, kind, name)
    if error["type"] == "missing":
        given = [*error["input"], *error["input"].get("settings", ())]
        near = difflib.get_close_matches(str(key), map(str, given), n=1, cutoff=0.8)
        meant = f" (is {near[0]!r} meant to be it?)" if near else ""
        return f"{name} is missing{meant}; allowed: {allowed(_schemas(kind)[str(key)])}"
    return _refused(kind, str(key), error["input"], name)


def _refused(kind: type[BaseModel], key: str, value: Any, name: str) -> str:
    schema = _schemas(kind)[key]
    if "$ref" in schema:
        return f"{name}: found {shown(value)}, allowed: keys and values"
    return f"{name}: found {shown(value)}, allowed: {allowed(schema)}{hint(schema, value)}"


def hint(schema: dict[str, Any], value: Any) -> str:
    """What the writer probably meant."""
    if not isinstance(value, str):
        return "; put it in quotes" if schema.get("type") == "string" and value is not None else ""
    if schema.get("type") == "boolean":
        return f"; write true or false: {value} is text here" if value.lower() in YES_NO else ""
    if schema.get("type") in {"number", "integer"}:
        return "; a plain number without quotes or unit (the key names the unit)"
    return did_you_mean(value, schema.get("enum", ()))


def unknown(key: object, kind: type[BaseModel], name: str = "") -> str:
    """That a section has no such key; which there are, and which may have been meant."""
    known = [each for each in kind.model_fields if each != "path"]
    return f"{name or key}: unknown key{did_you_mean(key, known)}; allowed: {', '.join(known)}"


@lru_cache
def _schemas(kind: type[BaseModel]) -> dict[str, Any]:
    return kind.model_json_schema()["properties"]

"""What is wrong inside a value: where, what was found there and what is allowed, from its schema.

The place is pydantic's. The trap: within a union its steps also name types, which are no keys, so a
way that the schema does not know ends the search, and the caller tells the place alone.
"""

from __future__ import annotations

from typing import Any

from labmon.schema_words import allowed, did_you_mean, shown

Place = tuple[int | str, ...]


def refusal(schema: dict[str, Any], value: Any, place: Place, kind: str) -> str | None:
    """`digits: found "many", allowed: a whole number`, the last step of a place; None: unknown."""
    definitions = schema.get("$defs", {})
    inner: dict[str, Any] | None = schema
    for step in place[:-1]:
        inner = _step(inner, step, definitions)
        value = _value(value, step)
        if inner is None or value is None:
            return None
    holder = _resolved(inner, definitions)
    last = place[-1]
    if kind == "extra_forbidden":
        known = list(holder.get("properties", {}))
        return f"{last}: unknown{did_you_mean(last, known)}; allowed: {', '.join(known)}"
    found = _step(inner, last, definitions)
    if found is None:
        return None
    words = allowed(_resolved(found, definitions))
    if kind == "missing":
        return f"{last} is missing; allowed: {words}"
    return f"{last}: found {shown(_value(value, last))}, allowed: {words}"


def _step(
    schema: dict[str, Any], step: int | str, definitions: dict[str, Any]
) -> dict[str, Any] | None:
    """The schema of one key, or element, of what a schema describes."""
    schema = _resolved(schema, definitions)
    if isinstance(step, int):
        found = schema.get("items")
    else:
        found = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    return found if isinstance(found, dict) else None


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to; of `X or None`, X."""
    if "$ref" in schema:
        return definitions.get(schema["$ref"].rpartition("/")[2], {})
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return _resolved(choices[0], definitions) if len(choices) == 1 else schema


def _value(value: Any, step: int | str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None

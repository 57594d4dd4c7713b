"""Tags that a client wants to change: which it may, and what labmon's own must be.

The pages and the graphs rely on what these say. The trap: a stream may have been made by another
program, with any tags; so whoever reads them is not spared from looking.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.tags import check_tags
from labmon.errors import BadRequestError
from labmon.web.curves import LONGEST_PERIOD_S

if TYPE_CHECKING:
    from collections.abc import Callable

FIXED: Final = frozenset({"path", "device", "channel"})
"""Tags that say which stream it is; the rest may be changed."""
MOST: Final = 100
MAX_NAME: Final = 255
MAX_DIGITS: Final = 20


def checked(body: Any) -> dict[str, Any]:
    """The tags of a body `{"tags": {...}}`; null takes one away.

    Raises:
        BadRequestError: says which tag is wrong, and what is allowed.
        ReservedTagNameError: a name is reserved.
    """
    if not isinstance(body, dict) or set(body) != {"tags"} or not isinstance(body["tags"], dict):
        raise BadRequestError('send {"tags": {"KEY": value}}; null takes a tag away')
    tags = body["tags"]
    if len(tags) > MOST:
        raise BadRequestError(f"at most {MOST} tags at once, not {len(tags)}")
    for tag, value in tags.items():
        if tag in FIXED:
            raise BadRequestError(f"the tag {tag} says which stream it is and cannot be changed")
        if not isinstance(tag, str) or not 1 <= len(tag) <= MAX_NAME:
            raise BadRequestError(f"a tag's name has 1 to {MAX_NAME} characters")
        if tag in _OWN and value is not None:
            words, is_good = _OWN[tag]
            if not is_good(value):
                raise BadRequestError(f"the tag {tag} is {words}, not {str(value)[:60]!r}")
    try:
        return check_tags(tags)
    except TypeError as error:  # bytes, which msgpack has and JSON does not
        raise BadRequestError(f"the tags are no plain data: {error}") from None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_digits(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int) and 0 <= value <= MAX_DIGITS


def _are_limits(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(edge is None or _is_number(edge) for edge in value)
    )


_OWN: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "label": ("text", _is_text),
    "unit": ("text", _is_text),
    "description": ("text", _is_text),
    "digits": (f"a whole number from 0 to {MAX_DIGITS}", _is_digits),
    "scientific": ("true or false", lambda value: isinstance(value, bool)),
    "accuracy": ("a number over 0", lambda value: _is_number(value) and value > 0),
    "limits": ("[low, high], numbers or null", _are_limits),
    "period_s": (
        "a number of seconds over 0",
        lambda value: _is_number(value) and 0 < value <= LONGEST_PERIOD_S,
    ),
}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "maxProperties": MOST,
    "properties": {tag: {"description": f"{words}; or null"} for tag, (words, _) in _OWN.items()},
}
"""What openapi.json says of the tags."""

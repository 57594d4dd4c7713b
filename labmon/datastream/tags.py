"""Tags of streams: which names are allowed, and the queries that find streams by them.

A query names tags and what they must be: `{"device": "gauge", "title": {"iexact": "x"}}`. The
trap: a dict in a query whose keys are operators is a condition, any other dict is a nested query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from labmon.datastream.exceptions import ReservedTagNameError

if TYPE_CHECKING:
    from collections.abc import Callable

Tags = dict[str, Any]

RESERVED: Final = frozenset(
    {
        "stream_id",
        "value_downsamplers",
        "time_downsamplers",
        "highest_granularity",
        "derived_from",
        "contributes_to",
        "pending_backprocess",
        "latest_datapoint",
        "earliest_datapoint",
        "downsampled_until",
        "removed_until",
        "value_type",
        "value_type_options",
        "derive_op",
        "derive_args",
        "count",
    }
)
"""What a stream's descriptor says beside its tags."""


def check_tags(tags: Mapping[str, Any]) -> Tags:
    """A copy of the tags as plain JSON data.

    Raises:
        ReservedTagNameError: a name is reserved, or contains `__`, at whatever depth.
        TypeError: they are no dict, a name is no text, or a value is nothing that JSON knows.
    """
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags are a dict, not {tags!r}")
    _check_names(dict(tags), is_top=True)
    return orjson.loads(orjson.dumps(dict(tags)))


def _check_names(value: Any, *, is_top: bool = False) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            check_name(name, is_top=is_top)
            _check_names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_names(inner)


def check_name(name: str, *, is_top: bool = True) -> None:
    """Refuse names that the library keeps for itself.

    Raises:
        ReservedTagNameError: it contains `__`, or is reserved.
        TypeError: it is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a tag is text, not {name!r}")
    if "__" in name:
        raise ReservedTagNameError(f"tag {name!r}: names with '__' are reserved")
    if name in RESERVED:
        where = "" if is_top else " (nested)"
        raise ReservedTagNameError(f"tag {name!r}{where} is reserved for the stream's descriptor")


def merge(old: Tags, new: Mapping[str, Any]) -> Tags:
    """Tags with others merged in: dicts by name, everything else replaced."""
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = merge(before, value)
        else:
            merged[name] = value
    return merged


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, wanted: Any) -> bool:
        try:
            return compare(value, wanted)
        except TypeError:  # values of different types have no order
            return False

    return test


def _contains(value: Any, wanted: Any) -> bool:
    """Equal, or a list that has it."""
    return value == wanted or (isinstance(value, list) and wanted in value)


def _text(value: Any) -> str:
    return value.casefold() if isinstance(value, str) else "\0"


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "iexact": lambda value, wanted: isinstance(value, str) and _text(value) == _text(wanted),
    "icontains": lambda value, wanted: isinstance(value, str) and _text(wanted) in _text(value),
    "gt": _ordered(lambda value, wanted: value > wanted),
    "gte": _ordered(lambda value, wanted: value >= wanted),
    "lt": _ordered(lambda value, wanted: value < wanted),
    "lte": _ordered(lambda value, wanted: value <= wanted),
    "in": lambda value, wanted: any(_contains(value, one) for one in wanted),
    "nin": lambda value, wanted: not any(_contains(value, one) for one in wanted),
    "all": lambda value, wanted: isinstance(value, list) and all(one in value for one in wanted),
}
_TAKES_LIST: Final = frozenset({"in", "nin", "all"})


def check_query(query: Mapping[str, Any]) -> None:
    """Look at a query before it is put to any stream.

    Raises:
        TypeError: it is no dict, or an operator that takes a list was given something else.
    """
    if not isinstance(query, Mapping):
        raise TypeError(f"a tag query is a dict, not {query!r}")
    for wanted in query.values():
        if _is_condition(wanted):
            for operator, operand in wanted.items():
                _check_operand(operator, operand)
        elif isinstance(wanted, dict):
            check_query(wanted)


def _is_condition(wanted: Any) -> bool:
    return isinstance(wanted, dict) and bool(wanted) and wanted.keys() <= _OPERATORS.keys()


def _check_operand(operator: str, operand: Any) -> None:
    if operator in _TAKES_LIST and not isinstance(operand, list | tuple | set | frozenset):
        raise TypeError(f"the operator {operator!r} takes a list, not {operand!r}")


def matches(tags: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """Whether tags are what a query asks for."""
    return all(_matches_one(tags.get(name, _MISSING), wanted) for name, wanted in query.items())


_MISSING: Final = object()


def _matches_one(value: Any, wanted: Any) -> bool:
    if _is_condition(wanted):
        return all(_test(name, value, operand) for name, operand in wanted.items())
    if value is _MISSING:
        return False
    if isinstance(wanted, dict) and isinstance(value, dict):
        return value == wanted or matches(value, wanted)
    return _contains(value, wanted)


def _test(operator: str, value: Any, operand: Any) -> bool:
    if value is _MISSING:
        return operator == "nin"
    return _OPERATORS[operator](value, operand)


def plain_equalities(query: Mapping[str, Any]) -> Tags:
    """The part of a query that a new stream takes over as tags: what is no condition."""
    return {name: wanted for name, wanted in query.items() if not _is_condition(wanted)}

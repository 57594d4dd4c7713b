"""Which values a stream takes: numbers, JSON values or graphs, checked before anything is stored.

A checker returns the value as it is stored, or raises `UnsupportedValueType` or ValueError with a
reason for the one who sent it. The trap: a bool is an int to Python, and no number to a physicist.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from labmon.datastream.exceptions import UnsupportedValueType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
VALUE_TYPES: Final = ("numeric", "nominal", "graph")
VALUE_KEYS: Final = {
    "mean": "m",
    "sum": "s",
    "min": "l",
    "max": "u",
    "sum_squares": "q",
    "std_dev": "d",
    "count": "c",
    "most_often": "o",
    "least_often": "r",
    "frequencies": "f",
    "last": "z",
}
"""The downsamplers of values, and their keys in datapoints."""
VALUE_NAMES: Final = {key: name for name, key in VALUE_KEYS.items()}


def checker(
    value_type: str, options: Mapping[str, Any], downsamplers: Collection[str] = ()
) -> Callable[[Any], Any]:
    """The function that checks values of a type.

    A numeric stream that is downsampled also takes datapoints that are downsampled already:
    dicts with exactly the names of its `downsamplers`, or their keys.

    Raises:
        UnsupportedValueType: there is no such type, or it has no such option.
    """
    if value_type not in VALUE_TYPES:
        raise UnsupportedValueType(
            f"{value_type!r} is no value type: use one of {', '.join(VALUE_TYPES)}"
        )
    check_options(value_type, options)
    if value_type == "nominal":
        return check_json
    if value_type == "graph":
        return check_graph
    plain = check_decimal if options.get("high_accuracy") else check_number

    def check(value: Any) -> Any:
        return check_given(value, downsamplers) if isinstance(value, dict) else plain(value)

    return check if downsamplers else plain


def check_options(value_type: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a type of values, without those that say nothing.

    Raises:
        UnsupportedValueType: the type has no such option, or the option no such value.
    """
    if not isinstance(options, Mapping):
        raise UnsupportedValueType(
            f'options are a dict, {{"high_accuracy": True}}, not {options!r}'
        )
    known = {"high_accuracy"} if value_type == "numeric" else set[str]()
    if unknown := options.keys() - known:
        raise UnsupportedValueType(
            f"values of type {value_type} have no option {', '.join(sorted(map(str, unknown)))}"
        )
    for name, option in options.items():
        if not isinstance(option, bool):
            raise UnsupportedValueType(f"the option {name} is True or False, not {option!r}")
    return {name: True for name, option in options.items() if option}


def check_number(value: Any) -> float | int | None:
    """A float, an integer of 64 bits, or None (also for NaN)."""
    if value is None or type(value) is float:
        return None if value is None or value != value else value
    if isinstance(value, bool | np.bool_):
        raise UnsupportedValueType(f"{value!r} is no number: this stream is numeric")
    if isinstance(value, int | np.integer):
        number = int(value)
        if not INT_MIN <= number <= INT_MAX:
            raise ValueError("integers are stored in 64 bits with sign: this one is larger")
        return number
    if isinstance(value, float | np.floating):
        number = float(value)
        return None if number != number else number
    if isinstance(value, Decimal):
        raise UnsupportedValueType(
            f'Decimal {str(value)[:60]!r} needs a stream of value_type_options={{"high_accuracy":'
            " True}: as a float, the number would be another one"
        )
    raise UnsupportedValueType(f"{str(value)[:60]!r} is no number: this stream is numeric")


def check_given(value: dict[str, Any], downsamplers: Collection[str]) -> dict[str, Any]:
    """A datapoint that is downsampled already, by the names of the downsamplers."""
    given = {VALUE_NAMES.get(name, name): number for name, number in value.items()}
    if given.keys() != set(downsamplers) or len(given) != len(value):
        raise UnsupportedValueType(
            f"a downsampled value has exactly {', '.join(sorted(downsamplers))},"
            f" not {', '.join(map(str, value))}"
        )
    checked = {name: check_number(number) for name, number in given.items()}
    count = checked.get("count")
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"the count of a downsampled value is a whole number, not {count!r}")
    if (checked.get("std_dev") or 0) < 0:
        raise ValueError(f"a standard deviation is not negative: {checked['std_dev']!r}")
    return checked


def check_decimal(value: Any) -> str | None:
    """A decimal as the text that is stored: exact, whatever its number of digits."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        raise UnsupportedValueType(f"{value!r} is no number: this stream is numeric")
    if isinstance(value, float | np.floating):
        value = repr(float(value))
    elif isinstance(value, np.integer):
        value = int(value)
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise UnsupportedValueType(f"{str(value)[:60]!r} is no exact decimal") from None
    return None if number.is_nan() else str(number)


def check_quality(quality: Any) -> int:
    """A quality as the byte that is stored.

    Raises:
        ValueError: it is none.
    """
    if isinstance(quality, int | np.integer) and type(quality) is not bool and 0 <= quality <= 255:
        return int(quality)
    raise ValueError(f"a quality is one byte, see labmon.reading.Quality, not {quality!r}")


def quality_column(qualities: Any) -> NDArray[np.uint8]:
    """Qualities as a column.

    Raises:
        ValueError: one is none.
    """
    column = np.asarray(qualities)
    is_bytes = column.dtype == np.uint8 or not column.size
    if not is_bytes and (column.dtype.kind not in "iu" or column.min() < 0 or column.max() > 255):
        raise ValueError("qualities are bytes, see labmon.reading.Quality")
    return column.astype(np.uint8)


def check_json(value: Any) -> Any:
    """Anything that JSON knows; what it contains is frozen as of now.

    JSON has no NaN and no infinities: inside of lists and objects these become null.
    """
    if value is None or type(value) is str or type(value) is bool:
        return value
    if type(value) is float:
        return None if value != value else value
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
    except TypeError as error:
        raise UnsupportedValueType(f"{shortened(value)} is no JSON value: {error}") from None


def check_graph(value: Any) -> Any:
    """`{"v": [{"i": id}], "e": [{"f": id, "t": id}]}`: ids unique, edges between vertices."""
    if value is None:
        return None
    graph = check_json(value)
    if not isinstance(graph, dict) or not {"v", "e"} >= graph.keys():
        raise UnsupportedValueType('a graph is {"v": [{"i": id}, ...], "e": [{"f": id, "t": id}]}')
    seen: set[bytes] = set()
    for vertex in _records(graph, "v", {"i"}):
        key = orjson.dumps(vertex["i"])
        if key in seen:
            raise ValueError(f"vertex {vertex['i']!r} is there twice")
        seen.add(key)
    for edge in _records(graph, "e", {"f", "t"}):
        for end in ("f", "t"):
            if orjson.dumps(edge[end]) not in seen:
                raise ValueError(f"an edge refers to the unknown vertex {edge[end]!r}")
    return graph


def _records(graph: dict[str, Any], name: str, needed: set[str]) -> list[dict[str, Any]]:
    records = graph.get(name, [])
    if not isinstance(records, list):
        raise UnsupportedValueType(f"{name!r} of a graph is a list")
    for record in records:
        if not isinstance(record, dict) or not needed <= record.keys():
            raise UnsupportedValueType(f"each of {name!r} of a graph has {sorted(needed)}")
    return records


def apart(value: Any) -> Any:
    """A value as it is handed out: whoever changes what it contains changes nothing stored."""
    if type(value) is dict:
        return {name: apart(part) for name, part in value.items()}
    if type(value) is list:
        return [apart(part) for part in value]
    return value


def weight(value: Any) -> int:
    """Bytes that a value takes while it waits, roughly."""
    if value is None or type(value) is float or type(value) is int:
        return 0
    return len(value) if isinstance(value, str) else len(orjson.dumps(value))

"""A reading pushed from outside: checked one by one, so that one bad reading spoils no other.

The trap: what is refused here is refused with its reason and place; what passes must be taken by
the engine too, because the answer says that it is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from labmon import timestamps
from labmon.paths import check_name
from labmon.reading import Batch, Quality, Receipt, Value, quality_from_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AT_ONCE: Final = 250
"""Readings of one batch: of ten thousand, each subscription would look at every path in one go."""
MAX_UNIT: Final = 255
READING_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["stream", "value"],
    "additionalProperties": False,
    "properties": {
        "stream": {"type": "string", "description": "path of the stream, `device/channel`"},
        "time": {
            "type": ["number", "string", "integer"],
            "description": "Unix seconds, ISO 8601 or relative; in msgpack an integer is"
            " nanoseconds; now if absent",
        },
        "value": {"description": "a number, null for a gap, or any JSON value"},
        "quality": {
            "description": "one word or several, or the quality byte; ok if absent",
            "type": ["string", "array", "integer"],
        },
        "unit": {
            "description": "a stream that does not exist is made with it; of one that does, its"
            " own: another one is refused",
            "type": ["string", "null"],
            "maxLength": MAX_UNIT,
        },
    },
}
_KEYS: Final = frozenset(READING_SCHEMA["properties"])


class Pushed(NamedTuple):
    """One reading that is fit to be recorded.

    Attributes:
        unit: as it was said; None: nothing was.
    """

    place: int
    path: str
    time_ns: int
    value: Value
    quality: int
    unit: str | None = None


def is_number(value: object) -> bool:
    """Whether a value is a number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read(index: int, item: Any, now_ns: int, ahead_ns: int, *, in_ns: bool) -> Pushed:
    """The reading of one element of the body.

    Args:
        index: its place.
        item: decoded.
        now_ns: the time of the request.
        ahead_ns: how far after it a reading may lie.
        in_ns: whether whole numbers are nanoseconds (msgpack) or seconds (JSON).

    Raises:
        ValueError: it is refused; says why.
    """
    if not isinstance(item, dict):
        raise ValueError("a reading is an object with 'stream' and 'value'")  # noqa: TRY004
    unknown = item.keys() - _KEYS
    if unknown:
        raise ValueError(
            f"unknown {', '.join(sorted(map(str, unknown)))[:80]}: use {', '.join(sorted(_KEYS))}"
        )
    if "value" not in item:
        raise ValueError("'value' is missing; null marks a gap")
    stream = item.get("stream")
    if not isinstance(stream, str):
        raise ValueError("'stream' is missing, or not a string")  # noqa: TRY004
    path = check_name(stream)
    if any(segment.startswith("_") for segment in path.split("/")):
        raise ValueError(f"{path[:60]!r}: names that begin with '_' are labmon's own")
    time_ns = _time(item.get("time"), now_ns, in_ns=in_ns)
    if time_ns > now_ns + ahead_ns:
        raise ValueError(f"{timestamps.to_iso(time_ns)} lies more than {ahead_ns // 10**9} s ahead")
    value, quality = _value(item["value"]), _quality(item.get("quality", 0))
    return Pushed(index, path, time_ns, value, quality, _unit(item.get("unit")))


class Key(NamedTuple):
    """What tells a repeated push: who says so, under which name, and a digest of the body."""

    text: str
    digest: str


def batches(readings: Iterable[Pushed], key: Key | None = None) -> Iterator[Batch]:
    """Batches in the order of the readings: of one time each, no path twice, no place left out.

    None has more than `AT_ONCE`.
    """
    run: list[Pushed] = []
    paths: set[str] = set()
    for reading in readings:
        if run and (
            reading.time_ns != run[0].time_ns
            or reading.path in paths
            or reading.place != run[-1].place + 1
            or len(run) == AT_ONCE
        ):
            yield _batch(run, key)
            run, paths = [], set()
        run.append(reading)
        paths.add(reading.path)
    if run:
        yield _batch(run, key)


def _batch(run: list[Pushed], key: Key | None) -> Batch:
    return Batch(
        "append",
        run[0].time_ns,
        tuple(reading.path for reading in run),
        tuple(reading.value for reading in run),
        bytes(reading.quality for reading in run),
        receipt=None if key is None else Receipt(*key, run[0].place, run[-1].place + 1),
    )


def _time(time: Any, now_ns: int, *, in_ns: bool) -> int:
    if time is None:
        return now_ns
    if isinstance(time, str):
        return timestamps.parse(time[:100], now_ns)
    if isinstance(time, bool) or not isinstance(time, int | float):
        raise ValueError("'time' is a number or a string")  # noqa: TRY004
    if isinstance(time, int) and in_ns:
        return timestamps.check_range(time)
    return timestamps.from_seconds(time)


def _value(value: Any) -> Value:
    if isinstance(value, float) and value != value:
        return None
    if is_number(value) and isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("whole numbers have 64 bits: send a float")
    return value


def _unit(unit: Any) -> str | None:
    if unit is not None and not (isinstance(unit, str) and len(unit) <= MAX_UNIT):
        raise ValueError(f"'unit' is text of up to {MAX_UNIT} characters")
    return unit


def _quality(quality: Any) -> int:
    if isinstance(quality, str | list):
        if not all(isinstance(word, str) for word in quality):
            raise ValueError("'quality' is a word, several, or the quality byte")
        return quality_from_words(quality)
    if isinstance(quality, bool) or not isinstance(quality, int):
        raise ValueError("'quality' is a word, several, or the quality byte")  # noqa: TRY004
    if not 0 <= quality < 256 or quality & Quality.CODE_MASK > Quality.FAULT:
        raise ValueError(f"{quality} is no quality byte")
    return quality

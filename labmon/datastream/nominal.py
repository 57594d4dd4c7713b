"""Rollups of words and JSON values: how often each was there, and which was first and last.

Values are counted by a text. The trap: the word `1` and the number 1 are two values, so a word that
could be read as JSON is counted in its quotes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from labmon.datastream.columns import object_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def frequency_key(value: Any) -> str:
    """The text by which a value is counted: a word as it is, anything else as JSON."""
    if isinstance(value, str) and not _is_json(value):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def value_of_key(key: str) -> Any:
    """The value that a text counts."""
    try:
        return json.loads(key)
    except (ValueError, RecursionError):
        return key


def value_fields(
    values: Sequence[Any], starts: NDArray[np.intp], frequencies: bool
) -> dict[str, NDArray[Any]]:
    """First, last and frequencies of runs of counted values, as columns of objects."""
    ends = [*starts[1:].tolist(), len(values)]
    runs = list(zip(starts.tolist(), ends, strict=True)) if len(starts) else []
    counted = [_counted(values[start:end]) if frequencies else None for start, end in runs]
    return {
        "first": object_column([values[start] for start, _ in runs]),
        "last": object_column([values[end - 1] for _, end in runs]),
        "frequencies": object_column(counted),
    }


def merged_frequencies(frequencies: NDArray[Any], starts: NDArray[np.intp]) -> NDArray[Any]:
    """The frequencies of runs of rows added up; None where no row of a run has any."""
    ends = [*starts[1:].tolist(), len(frequencies)]
    merged: list[dict[str, int] | None] = []
    for start, end in zip(starts.tolist(), ends, strict=True):
        added: dict[str, int] = {}
        for row in frequencies[start:end]:
            for key, count in (row or {}).items():
                added[key] = added.get(key, 0) + count
        merged.append(added or None)
    return object_column(merged)


def extreme(frequencies: NDArray[Any], downsampler: str) -> NDArray[Any]:
    """The value that was there most or least often; of several the one that came first."""
    choose = max if downsampler == "most_often" else min
    return object_column(
        [
            value_of_key(choose(row, key=row.__getitem__)) if row else None
            for row in frequencies.tolist()
        ]
    )


def _counted(values: Sequence[Any]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for value in values:
        key = frequency_key(value)
        counted[key] = counted.get(key, 0) + 1
    return counted


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

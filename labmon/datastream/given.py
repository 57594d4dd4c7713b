"""Datapoints that come already downsampled, `{"mean": 2.5, "count": 4}`, as rows of rollups.

A stream may take them beside plain numbers; each stands for as many values as it counts. The trap:
what a datapoint does not tell cannot be made up, so its minimum stays unknown, and its first and
last value are its mean.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from labmon.datastream.rollups import NUMBER_FIELDS, Rollups
from labmon.reading import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labmon.datastream.columns import Columns


def is_given(columns: Columns) -> bool:
    """Whether any datapoint comes already downsampled."""
    return columns.v.dtype == object and any(isinstance(value, dict) for value in columns.v)


def given_rows(columns: Columns, usable: NDArray[np.bool_]) -> Rollups:
    """One row of rollups for each datapoint, whose `t` is the time of the datapoint.

    Args:
        columns: datapoints, plain numbers and nulls among them.
        usable: where the quality is good enough to be counted.
    """
    rows = [
        _row(value if isinstance(value, dict) else _of_number(value))
        for value in columns.python_values()
    ]
    count = np.array([row["count"] for row in rows], np.int64)
    is_bad = ~usable | np.array([row["bad"] for row in rows], np.bool_)
    counted = np.where(is_bad, 0, count)
    fields: dict[str, NDArray[Any]] = {
        "t_first": columns.t,
        "t_last": columns.t,
        "t_mean": columns.t,
        "count": counted,
        "bad": np.where(is_bad, np.maximum(count, 1), 0),
        "flags": columns.qualities() & Quality.FLAG_MASK,
    }
    for name in NUMBER_FIELDS:
        column = np.array([row[name] for row in rows], np.float64)
        fields[name] = np.where(counted > 0, column, 0.0 if name in ("sum", "m2") else np.nan)
    return Rollups(columns.t, fields)


def _of_number(value: Any) -> dict[str, Any]:
    if value is None:
        return {"count": 0}
    number = float(value)
    return {"count": 1, "mean": number, "min": number, "max": number}


def _row(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one datapoint, from whatever it tells."""
    count = 1 if given.get("count") is None else int(given["count"])
    mean, total = given.get("mean"), given.get("sum")
    if mean is None:
        mean = total / count if total is not None and count else math.nan
    if total is None:
        total = mean * count
    is_known = count > 0 and not math.isnan(mean)
    return {
        "count": count if is_known else 0,
        "bad": math.isinf(mean),
        "sum": total,
        "mean": mean,
        "m2": _m2(given, count, mean),
        "min": _or_nan(given.get("min")),
        "max": _or_nan(given.get("max")),
        "first": mean,
        "last": mean,
    }


def _m2(given: Mapping[str, Any], count: int, mean: float) -> float:
    if given.get("std_dev") is not None:
        return given["std_dev"] * given["std_dev"] * count
    if given.get("sum_squares") is not None:
        return max(0.0, given["sum_squares"] - mean * mean * count)
    return 0.0


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value

"""Rows of rollups merged into one, for many runs of rows at once.

Count, mean and m2 are merged pairwise (Chan, Golub and LeVeque 1979). The trap: rows of one bucket
may overlap in time where late data came, so its first value is not always that of its first row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from labmon.datastream import nominal
from labmon.datastream.buckets import first_in_run, last_in_run, mean_times, run_lengths
from labmon.datastream.rollups import Rollups, quotient

if TYPE_CHECKING:
    from numpy.typing import NDArray

AnyRollups = TypeVar("AnyRollups", bound=Rollups)


def merge_rows(rollups: AnyRollups, t: NDArray[np.int64], starts: NDArray[np.intp]) -> AnyRollups:
    """The rows of each run merged into one."""
    if len(starts) == len(rollups):
        return type(rollups)(t, rollups.columns)
    merged: dict[str, NDArray[Any]] = {}
    weights = rollups["count"]
    merged["count"] = np.add.reduceat(weights, starts)
    if "bad" in rollups.columns:
        merged["bad"] = np.add.reduceat(rollups["bad"], starts)
    if "flags" in rollups.columns:
        merged["flags"] = np.bitwise_or.reduceat(rollups["flags"], starts)
    # where a run has counted rows, only they say where its datapoints lie
    in_run = run_lengths(starts, len(rollups))
    speaks = (weights > 0) | np.repeat(merged["count"] == 0, in_run)
    merged.update(_merged_times(rollups, starts, speaks, merged["count"]))
    merged.update(_merged_ends(rollups, starts, speaks))
    with np.errstate(over="ignore", invalid="ignore"):
        merged.update(_merged_numbers(rollups, starts, merged["count"], in_run))
    if "frequencies" in rollups.columns:
        merged["frequencies"] = nominal.merged_frequencies(rollups["frequencies"], starts)
    return type(rollups)(t, {name: merged[name] for name in rollups.columns})


def _merged_times(
    rollups: Rollups,
    starts: NDArray[np.intp],
    speaks: NDArray[np.bool_],
    count: NDArray[np.int64],
) -> dict[str, NDArray[np.int64]]:
    merged: dict[str, NDArray[np.int64]] = {}
    limits = np.iinfo(np.int64)
    if "t_first" in rollups.columns:
        t_first = np.where(speaks, rollups["t_first"], limits.max)
        merged["t_first"] = np.minimum.reduceat(t_first, starts)
    if "t_last" in rollups.columns:
        t_last = np.where(speaks, rollups["t_last"], limits.min)
        merged["t_last"] = np.maximum.reduceat(t_last, starts)
    if "t_mean" in rollups.columns:
        weights = np.where(speaks, np.maximum(rollups["count"], 1), 0)
        merged["t_mean"] = mean_times(rollups["t_mean"], starts, weights)
        if "t_first" in merged and "t_last" in merged:
            middle = merged["t_first"] + (merged["t_last"] - merged["t_first"]) // 2
            merged["t_mean"] = np.where(count > 0, merged["t_mean"], middle)
    return merged


def _merged_ends(
    rollups: Rollups, starts: NDArray[np.intp], speaks: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """The first and last values: those of the rows with the earliest and the latest datapoint."""
    merged: dict[str, NDArray[Any]] = {}
    in_run = run_lengths(starts, len(rollups))
    if "first" in rollups.columns:
        is_it = speaks
        if "t_first" in rollups.columns:
            t_first = np.where(speaks, rollups["t_first"], np.iinfo(np.int64).max)
            is_it = t_first == np.repeat(np.minimum.reduceat(t_first, starts), in_run)
        merged["first"] = rollups["first"][first_in_run(is_it, starts)]
    if "last" in rollups.columns:
        is_it = speaks
        if "t_last" in rollups.columns:
            t_last = np.where(speaks, rollups["t_last"], np.iinfo(np.int64).min)
            is_it = t_last == np.repeat(np.maximum.reduceat(t_last, starts), in_run)
        merged["last"] = rollups["last"][last_in_run(is_it, starts)]
    return merged


def _merged_numbers(
    rollups: Rollups,
    starts: NDArray[np.intp],
    count: NDArray[np.int64],
    in_run: NDArray[np.intp],
) -> dict[str, NDArray[np.float64]]:
    merged: dict[str, NDArray[np.float64]] = {}
    if "sum" in rollups.columns:
        merged["sum"] = np.add.reduceat(rollups["sum"], starts)
    if "min" in rollups.columns:
        merged["min"] = np.fmin.reduceat(rollups["min"], starts)
    if "max" in rollups.columns:
        merged["max"] = np.fmax.reduceat(rollups["max"], starts)
    if "mean" not in rollups.columns:
        return merged
    means = np.where(rollups["count"] > 0, rollups["mean"], 0.0)
    mean = merged["mean"] = quotient(merged["sum"], count)
    too_large = ~np.isfinite(merged["sum"])
    if too_large.any():
        shares = rollups["count"] / np.repeat(np.maximum(count, 1), in_run)
        np.copyto(mean, np.add.reduceat(means * shares, starts), where=too_large)
    if "m2" in rollups.columns:
        apart = means - np.repeat(np.where(count > 0, mean, 0.0), in_run)
        # 0 * inf: rows that count nothing lie nowhere
        between = np.where(rollups["count"] > 0, rollups["count"] * apart * apart, 0.0)
        merged["m2"] = np.add.reduceat(rollups["m2"] + between, starts)
    return merged

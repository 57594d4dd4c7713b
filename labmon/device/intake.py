"""From what `poll()` returned to a `Batch`: names and types checked, qualities and flags put in.

Runs on the device's thread. The trap: nothing that a driver returns may stop the readings beside
it; what cannot be used is refused, said once, and the rest goes its way.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon import reading
from labmon.device.driver import Value
from labmon.device.samples import Samples, arrays
from labmon.reading import Batch, Channel, Quality
from labmon.schema_words import did_you_mean

if TYPE_CHECKING:
    from labmon.device.driver import Readings
    from labmon.reading import AnyBatch, ArrayBatch

log = logging.getLogger(__name__)

MAX_LAYOUTS: Final = 64
INT64: Final = range(-(2**63), 2**63)


class Intake:
    """Makes the batches of one device.

    Polls of the same channels get the same `paths` tuple, so that receivers may cache by identity.

    Args:
        device: its name.
        channels: what the driver declares.
        flags: quality flags of every reading: `Quality.SIMULATED` or 0.
    """

    def __init__(self, device: str, channels: Mapping[str, Channel], flags: int) -> None:
        self._device = device
        self._channels = channels
        self._flags = flags
        self._layouts: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._said: set[tuple[str, str]] = set()
        self.refused = 0
        """How many readings could not be used."""
        self.refusal = ""
        """What was wrong with the last of them."""

    def batches(self, time_ns: int, readings: Readings, flags: int = 0) -> list[AnyBatch]:
        """The batches of one poll: arrays of the channels that gave samples, one of all others.

        Raises:
            TypeError: the driver returned no mapping.
        """
        if not isinstance(readings, Mapping):
            raise TypeError(f"poll() returned a {type(readings).__name__}, not a mapping")
        batches: list[AnyBatch] = []
        many = {name: each for name, each in readings.items() if isinstance(each, Samples)}
        for name, samples in many.items():
            batches += self._arrays(name, samples, flags | self._flags)
        if many:
            readings = {name: each for name, each in readings.items() if name not in many}
        batch = self.batch(time_ns, readings, flags)
        return batches if batch is None else [*batches, batch]

    def batch(self, time_ns: int, readings: Readings, flags: int = 0) -> Batch | None:
        """The batch of what is no array; None if there is no reading in it."""
        names: list[str] = []
        values: list[reading.Value] = []
        qualities = bytearray()
        for name, given in readings.items():
            value, quality = given if isinstance(given, Value) else (given, Quality.OK)
            try:
                values.append(self._checked(name, value))
                qualities.append(quality | flags | self._flags)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                del values[len(qualities) :]
                self._refuse(name, error)
                continue
            names.append(name)
        if not names:
            return None
        paths = self._paths(tuple(names))
        return Batch(self._device, time_ns, paths, tuple(values), bytes(qualities))

    def gap(self, time_ns: int) -> Batch | None:
        """None for every numeric channel: nothing is known from here on."""
        names = tuple(name for name, each in self._channels.items() if each.kind == "numeric")
        if not names:
            return None
        qualities = bytes([Quality.OK | self._flags]) * len(names)
        return Batch(self._device, time_ns, self._paths(names), (None,) * len(names), qualities)

    def _arrays(self, name: str, samples: Samples, flags: int) -> list[ArrayBatch]:
        try:
            return list(arrays(self._device, self._numeric_path(name), samples, flags))
        except (TypeError, ValueError, OverflowError) as error:
            self._refuse(name, error, max(1, np.size(samples.values)))
            return []

    def _numeric_path(self, name: str) -> tuple[str, ...]:
        if self._channel(name).kind != "numeric":
            raise ValueError("samples are for numeric channels")
        return self._paths((name,))

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            known = ", ".join(self._channels) or "none"
            near = did_you_mean(str(name), self._channels)
            raise ValueError(
                f"there is no such channel{near}; those of the end of connect() are {known}"
            )
        return channel

    def _checked(self, name: str, value: Any) -> reading.Value:
        channel = self._channel(name)
        if isinstance(value, np.generic):
            value = value.item()
        if value is None:
            return None
        return _number(value) if channel.kind == "numeric" else _plain(value)

    def _paths(self, names: tuple[str, ...]) -> tuple[str, ...]:
        paths = self._layouts.get(names)
        if paths is None:
            if len(self._layouts) >= MAX_LAYOUTS:  # a driver that never returns the same twice
                self._layouts.clear()
            paths = self._layouts[names] = tuple(f"{self._device}/{name}" for name in names)
        return paths

    def _refuse(self, name: object, error: Exception, readings: int = 1) -> None:
        self.refused += readings
        self.refusal = f"a reading of {str(name)[:60]!r} is refused: {error}"
        key = (str(name)[:60], type(error).__name__)
        if key not in self._said and len(self._said) < MAX_LAYOUTS:
            self._said.add(key)
            log.warning("%s: %s", self._device, self.refusal)


def _number(value: Any) -> float | int | None:
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, int):  # a bool counts as 0 or 1
        return int(value) if value in INT64 else float(value)
    if isinstance(value, Decimal | Fraction):
        return _number(float(value))
    if isinstance(value, np.ndarray | list | tuple):
        kind = "an array" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise TypeError(f"{kind} needs times: return Samples(values, times_ns)")
    if isinstance(value, str | bytes):
        raise TypeError(f"{str(value)[:40]!r} is text and no number: as_number() makes one of it")
    raise TypeError(f"a {type(value).__name__} is no number")


def _plain(value: Any) -> reading.Value:
    if isinstance(value, dict | list | np.ndarray):
        # a copy: the driver may go on changing its own
        return json.loads(json.dumps(value, default=_inside))
    if isinstance(value, str | int | float | bool):
        return value
    return _inside(value)


def _inside(value: Any) -> Any:
    """What JSON does not know: numpy's numbers and arrays as Python's.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no plain value: use text, numbers, lists, dicts")

"""What a client gives: readings, columns, events, and the errors that it raises.

The trap: live times come as JSON floats, which resolve 238 ns; history and newest readings are
exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


class ClientError(Exception):
    """The root of what a client raises; a server that cannot be reached is an `OSError`."""


class RequestError(ClientError):
    """The server refused a request.

    Attributes:
        status: of HTTP.
        code: a word, such as `not_found`.
        details: plain data, or None.
    """

    def __init__(self, status: int, code: str, message: str, details: Any = None) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code
        self.details = details


class RpcError(ClientError):
    """A command was refused, or failed.

    Attributes:
        code: of JSON-RPC, such as -32006 for out of limits.
        message: in words.
        data: plain data, or None.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class Band:
    """What several readings are together, where one stands for them: an array, or many thinned."""

    minimum: float | None
    maximum: float | None
    count: int
    mean: float | None


class Reading(NamedTuple):
    """One value with its time (nanoseconds UTC) and quality (0 and 16, simulated, are good).

    Where it stands for several, `band` says what they are together, and it is the newest of them.
    """

    path: str
    time_ns: int
    value: Any
    quality: int
    unit: str = ""
    band: Band | None = None

    @property
    def time(self) -> float:
        """Unix seconds."""
        return self.time_ns / 1e9

    @property
    def is_good(self) -> bool:
        """Whether the quality's code is `ok`; its flags say how the value came about."""
        return self.quality & 0x0F == 0


@dataclass(frozen=True, slots=True)
class Columns:
    """The history of one stream, ascending in time; NaN marks gaps.

    Attributes:
        granularity: `raw`, `seconds`, ...
        bucket_s: length of a bucket; 0 for raw.
        columns: `t` (int64 nanoseconds UTC, start of the bucket) and, all as long, `v` and
            `quality` for raw, else `mean`, `min`, `max` and what was asked for.
    """

    path: str
    unit: str
    granularity: str
    bucket_s: float
    columns: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """A column by name."""
        return self.columns[name]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.columns["t"])

    @property
    def times(self) -> np.ndarray:
        """The times as numpy's datetime64, UTC."""
        return np.asarray(self.columns["t"]).view("datetime64[ns]")

    @property
    def values(self) -> Any:
        """The one column that stands for the stream: the values, or the means."""
        return self.columns["v" if "v" in self.columns else "mean"]


class History(dict[str, Columns]):
    """The columns of streams by path.

    Attributes:
        cursor: live readings go on from here without a seam: `client.live(..., cursor=...)`.
    """

    def __init__(self, columns: Mapping[str, Columns], cursor: str) -> None:
        super().__init__(columns)
        self.cursor = cursor


class Event(NamedTuple):
    """Something that came live: `readings`, `device`, `alarm`, `gap`, `lost`, `skipped`, `bye`."""

    kind: str
    data: dict[str, Any]
    cursor: str

    def readings(self) -> list[Reading]:
        """The readings in it; times have the resolution of JSON, 238 ns."""
        rows = self.data.get("readings", ()) if self.kind == "readings" else ()
        return [
            Reading(path, round(t * 1e9), value, quality, band=Band(*band) if band else None)
            for path, t, value, quality, *band in rows
        ]

"""`Rows`: datapoints as a file has them, with the line of each; and how to ask for them.

Readers give rows of one stream at a time and say what they could not read; whether the rest can be
appended is for `importing` to judge. The trap: a file of another program may write 2 and 2.5 in
one column of floats, while in a file of ours 2 is an integer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from labmon.errors import BadRequestError
from labmon.transfer.cells import value_of
from labmon.transfer.description import VERSION, Description
from labmon.transfer.problem import UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from labmon.transfer.problem import Problem

TIME_NAMES: Final = ("time", "timestamp", "t", "unix_s")
_RAW: Final = "raw"


@dataclass(frozen=True, slots=True)
class Rows:
    """Datapoints of one stream as they stand in a file.

    Attributes:
        path: of the stream.
        t: int64 ns, in the order of the file.
        v: float64 with NaN for null, int64, or objects.
        quality: one byte each; None: all ok.
        lines: where each stands.
        column: title of the column of the values.
    """

    path: str
    t: NDArray[np.int64]
    v: NDArray[Any]
    quality: NDArray[np.uint8] | None
    lines: NDArray[np.int64]
    column: str

    def __len__(self) -> int:
        """How many there are."""
        return len(self.t)

    def take(self, which: NDArray[np.bool_]) -> Rows:
        """Those of a mask."""
        quality = None if self.quality is None else self.quality[which]
        return Rows(
            self.path, self.t[which], self.v[which], quality, self.lines[which], self.column
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a file is wanted, where it does not say so itself.

    Attributes:
        stream: path of the one stream that the file is about.
        time_column, value_column: their titles.
        unit: of the streams that are made.
        value_type: of the streams that are made.
        prefix: goes before every path of the file, with a slash.
        known: the streams of the store, by path.
    """

    stream: str | None = None
    time_column: str | None = None
    value_column: str | None = None
    unit: str | None = None
    value_type: str | None = None
    prefix: str = ""
    known: Mapping[str, Description] = field(default_factory=dict[str, Description])

    def stored_path(self, path: str) -> str:
        """The path in the store of a path in the file."""
        return f"{self.prefix}/{path}" if self.prefix else path

    @property
    def is_one_column(self) -> bool:
        """Whether only one column of the file is wanted, whatever the others are."""
        return self.stream is not None and self.value_column is not None


@dataclass(slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        streams: those that it describes, by path.
        is_own: whether labmon wrote it, so that 2 is an integer and 2.0 a float.
        granularity: of its rows.
    """

    streams: dict[str, Description] = field(default_factory=dict[str, Description])
    is_own: bool = False
    granularity: str = _RAW

    def take(self, about: Mapping[str, Any], version: object) -> None:
        """Take over what labmon wrote about a file.

        Raises:
            BadRequestError: a later labmon wrote it.
        """
        if not isinstance(version, int) or version > VERSION:
            raise BadRequestError(f"is of version {version}, this labmon knows {VERSION}")
        self.is_own = True
        self.granularity = str(about.get("granularity", _RAW))

    def describe(self, path: str, wanted: Wanted) -> Description:
        """The stream of a path, as the file, else the store, else the caller describes it."""
        known = self.streams.get(path) or wanted.known.get(wanted.stored_path(path))
        if known is None:
            return Description.plain(path, wanted.value_type or "numeric", wanted.unit)
        return known

    def check_raw(self, file: str, wanted: Wanted) -> None:
        """Refuse rollups, which are no datapoints.

        Raises:
            UnreadableFileError: the file has rollups, and no single column of it is wanted.
        """
        if self.granularity != _RAW and not wanted.is_one_column:
            raise UnreadableFileError.at(
                file,
                1,
                f"holds rollups ({self.granularity}), and only raw datapoints can be put back: take"
                " one column of it with --stream PATH --value-column TITLE",
            )


class Reader(Protocol):
    """Reads one file, from its beginning with every call of `pieces`."""

    header: Header
    size: int
    """Bytes, or rows of Parquet: what `at` goes up to."""
    at: int
    """How far the reading is."""

    def pieces(self, report: Callable[[Problem], None]) -> Generator[Rows]:
        """The rows, and to `report` what is no row.

        Raises:
            UnreadableFileError: the file as a whole cannot be read.
        """
        ...


def time_title(titles: list[str], wanted: Wanted, path: Path, line: int) -> str:
    """The title of the column of times.

    Raises:
        UnreadableFileError: there is none; lists what there is.
    """
    if wanted.time_column is not None:
        return wanted_title(titles, wanted.time_column, path, line)
    for name in TIME_NAMES:
        if name in titles:
            return name
    shown = ", ".join(titles[:12])
    raise UnreadableFileError.at(
        path.name,
        line,
        f"no column is called {', '.join(TIME_NAMES[:-1])} or {TIME_NAMES[-1]}:"
        f" give --time-column; there is {shown}",
    )


def wanted_title(titles: list[str], title: str, path: Path, line: int) -> str:
    """The title itself.

    Raises:
        UnreadableFileError: there is none such.
    """
    if title not in titles:
        shown = ", ".join(titles[:12])
        raise UnreadableFileError.at(path.name, line, f"there is no column {title!r}, but {shown}")
    return title


def column_of(values: list[Any], *, is_numeric: bool) -> NDArray[Any]:
    """A column of Python values: float64 or int64 where all are, else objects."""
    types = set(map(type, values))
    if is_numeric and types <= {float, type(None)}:
        return np.array(values, np.float64)
    if is_numeric and types == {int}:
        return np.array(values, np.int64)
    column = np.empty(len(values), object)
    column[:] = values
    return column


def is_int64(value: Any) -> bool:
    """Whether a value is an integer of 64 bits."""
    return type(value) is int and -(2**63) <= value < 2**63


def checked_value(value: Any, stream: Description) -> Any:
    """A value that JSON or Parquet gave, as the stream takes it.

    Raises:
        ValueError: it is no number, where the stream is numeric.
    """
    if not stream.is_numeric or value is None or stream.is_decimal:
        return value
    if isinstance(value, str):
        value = value_of(value)
    if isinstance(value, dict) or (isinstance(value, int | float) and not isinstance(value, bool)):
        if type(value) is int and not is_int64(value):
            raise ValueError(f"{str(value)[:40]} is beyond 64 bits: write it as a float")
        return value
    raise ValueError(f"{str(value)[:40]!r} is no number: use a number, or null for no value")

"""JSON lines as rows of streams.

Where all lines of a portion look alike, their cells are cut out of the bytes; else every line is
read. The trap: both must give the same rows, and a line that is no JSON spoils only itself.
"""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from labmon import paths
from labmon.errors import BadRequestError
from labmon.transfer import files, json_columns
from labmon.transfer.ahead import ahead
from labmon.transfer.cells import finite
from labmon.transfer.description import Description
from labmon.transfer.json_columns import quality_in
from labmon.transfer.problem import Problem, UnreadableFileError
from labmon.transfer.rows import (
    TIME_NAMES,
    Header,
    Rows,
    Wanted,
    checked_value,
    column_of,
)
from labmon.transfer.time_texts import parse_time, parse_times, windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from labmon.transfer.json_columns import Columns

    Report = Callable[[Problem], None]

PORTION: Final = 2 << 20
LONGEST: Final = 64 << 20
"""Bytes of one line at most."""
_LONG: Final = re.compile(rb"(?<![\d.])\d{19}")
"""What may be an integer beyond 64 bits, of which orjson makes a float without a word."""


class JsonLinesReader:
    """Reads one file of JSON lines; see `Reader`."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        """Read the first line.

        Raises:
            UnreadableFileError: it is of a later version.
        """
        self._path = path
        self._wanted = wanted
        self.header = Header()
        self.size = path.stat().st_size
        self.at = 0
        with files.read(path) as file:
            first = file.readline(LONGEST)
        try:
            self._take_about(_loaded(first))
        except (ValueError, TypeError, BadRequestError) as error:
            raise UnreadableFileError.at(path.name, 1, str(error)) from None
        self.header.check_raw(path.name, wanted)

    def _take_about(self, line: Any) -> bool:
        """Take over what a line says of the file or of a stream; returns whether it did."""
        if not isinstance(line, dict):
            return False
        if "labmon_export" in line:
            self.header.take(line, line["labmon_export"])
            return True
        if "stream" in line and "value" not in line:
            stream = Description.from_dict(line["stream"])
            self.header.streams[stream.path] = stream
            return True
        return False

    def pieces(self, report: Report) -> Generator[Rows]:
        """The rows of the file, those of one stream at a time."""
        with files.read(self._path) as file:
            for (data, first_line), found in ahead(self._cut, self._portions(file)):
                rows = None if found is None else self._uniform(found, first_line)
                if rows is not None:
                    yield rows
                else:
                    yield from self._rows(data.split(b"\n")[:-1], first_line, report)

    def _portions(self, file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
        """Whole lines, about `PORTION` bytes of them, and the number of the first one."""
        line, rest = 1, b""
        while data := file.read(PORTION):
            self.at = files.position(file)
            cut = data.rfind(b"\n") + 1
            if not cut and len(rest) > LONGEST:
                text = "this line does not end: JSON lines have an object in each line"
                raise UnreadableFileError.at(self._path.name, line, text)
            if cut:
                portion = rest + data[:cut]
                yield portion, line
                line += files.line_breaks(portion)
                rest = b""
            rest += data[cut:]
        if rest:
            yield rest + b"\n", line

    def _cut(self, portion: tuple[bytes, int]) -> tuple[tuple[bytes, int], Columns | None]:
        """A portion and its lines as columns, where these look alike; on any thread."""
        data, _ = portion
        try:
            first = orjson.loads(data[: data.index(b"\n")])
        except ValueError:
            return portion, None
        if not isinstance(first, dict):
            return portion, None
        title = self._wanted.value_column or "value"
        return portion, json_columns.columns(data, self._time_name(first), title)

    def _uniform(self, found: Columns, first_line: int) -> Rows | None:
        """The rows of lines that look alike; None: each of them has to be looked at."""
        try:
            path = paths.check_name(self._wanted.stream or found.sample["path"])
        except (KeyError, ValueError, TypeError):  # which line it is, is told when all are read
            return None
        if not self.header.describe(path, self._wanted).takes_floats:
            return None
        lines = np.arange(first_line, first_line + len(found.t))
        title = self._wanted.value_column or "value"
        return Rows(path, found.t, found.v, found.quality, lines, title)

    def _rows(self, lines: list[bytes], first_line: int, report: Report) -> Iterator[Rows]:
        objects = self._objects(lines, first_line, report)
        if (path := self._only_path(objects)) is not None:
            numbers = np.arange(first_line, first_line + len(lines))
            yield from self._of_stream(path, numbers, objects, report)
            return
        yield from self._grouped(objects, first_line, report)

    def _only_path(self, objects: list[Any]) -> str | None:
        """The path that all lines name, where all are datapoints; None: they must be sorted."""
        if self._wanted.stream is not None or set(map(type, objects)) != {dict}:
            return None
        if any("stream" in line for line in objects):
            return None
        path = objects[0].get("path")
        is_one = isinstance(path, str) and all(line.get("path") == path for line in objects)
        return path if is_one else None

    def _grouped(self, lines: list[Any], first_line: int, report: Report) -> Iterator[Rows]:
        groups: dict[str, tuple[list[int], list[dict[str, Any]]]] = {}
        for number, line in enumerate(lines, first_line):
            if line is None:
                continue
            if not isinstance(line, dict):
                self._report(report, number, "", 'is no object: use {"time": ..., "value": ...}')
                continue
            path = self._wanted.stream or line.get("path")
            if path is None or "stream" in line:
                self._about(line, number, report)
                continue
            numbers, objects = groups.setdefault(str(path), ([], []))
            numbers.append(number)
            objects.append(line)
        for path, (numbers, objects) in groups.items():
            yield from self._of_stream(path, np.array(numbers, np.int64), objects, report)

    def _objects(self, lines: list[bytes], first_line: int, report: Report) -> list[Any]:
        """The JSON of each line; None for a blank one, or one that was reported."""
        whole = b"[" + b",".join(lines) + b"]"
        try:
            found = None if _LONG.search(whole) else orjson.loads(whole)
            if found is not None and len(found) == len(lines):
                return found
        except ValueError:
            pass
        found = []
        for number, line in enumerate(lines, first_line):
            try:
                found.append(_loaded(line) if line.strip() else None)
            except (ValueError, RecursionError) as error:
                self._report(report, number, "", f"is no JSON: {error}")
                found.append(None)
        return found

    def _about(self, line: dict[str, Any], number: int, report: Report) -> None:
        try:
            is_about = self._take_about(line)
        except (ValueError, TypeError, BadRequestError) as error:
            self._report(report, number, "", str(error))
            return
        if not is_about:
            self._report(report, number, "path", "is missing: say which stream, or give --stream")

    def _of_stream(
        self, path: str, lines: NDArray[np.int64], objects: list[dict[str, Any]], report: Report
    ) -> Iterator[Rows]:
        title = self._wanted.value_column or "value"
        try:
            path = paths.check_name(path)
        except ValueError as error:
            self._report(report, int(lines[0]), "path", str(error))
            for line in lines[1:].tolist():
                self._report(report, line, "path", "as above")
            return
        stream = self.header.describe(path, self._wanted)
        wrong: dict[int, tuple[str, str]] = {}
        t = self._times(objects, wrong)
        v = self._values(objects, title, stream, wrong)
        quality = self._qualities(objects, wrong)
        for i, (column, text) in sorted(wrong.items()):
            self._report(report, int(lines[i]), column, text)
        found = Rows(path, t, v, quality, lines, title)
        if wrong:
            is_right = np.ones(len(lines), np.bool_)
            is_right[list(wrong)] = False
            found = found.take(is_right)
        yield found

    def _times(
        self, objects: list[dict[str, Any]], wrong: dict[int, tuple[str, str]]
    ) -> NDArray[np.int64]:
        name = self._time_name(objects[0])
        texts = [line.get(name) for line in objects]
        t = parse_times(*windows_of([text if isinstance(text, str) else "" for text in texts]))
        for i in np.flatnonzero(t < 0).tolist():
            try:
                t[i] = parse_time(str(texts[i]))
            except ValueError as error:
                wrong[i] = (name, str(error))
        return t

    def _time_name(self, line: dict[str, Any]) -> str:
        """What the time is called, as the first line of a stream shows."""
        names = [name for name in TIME_NAMES if name in line]
        return self._wanted.time_column or (names or TIME_NAMES)[0]

    def _values(
        self,
        objects: list[dict[str, Any]],
        title: str,
        stream: Description,
        wrong: dict[int, tuple[str, str]],
    ) -> NDArray[Any]:
        values = [line.get(title) for line in objects]
        if stream.takes_floats and set(map(type, values)) <= {float}:
            return np.array(values, np.float64)
        for i, line in enumerate(objects):
            if title not in line:
                wrong.setdefault(i, (title, "is missing: write null for no value"))
            elif values[i] is None and line.get("infinite") in (1, -1):
                values[i] = float("inf") * line["infinite"]
            else:
                try:
                    values[i] = checked_value(values[i], stream)
                except ValueError as error:
                    wrong.setdefault(i, (title, str(error)))
                    values[i] = None
        return column_of(values, is_numeric=stream.takes_floats)

    def _qualities(
        self, objects: list[dict[str, Any]], wrong: dict[int, tuple[str, str]]
    ) -> NDArray[np.uint8] | None:
        quality = np.zeros(len(objects), np.uint8)
        for i, line in enumerate(objects):
            if "quality" in line:
                try:
                    quality[i] = quality_in(line)
                except ValueError as error:
                    wrong.setdefault(i, ("quality", str(error)))
        return quality if quality.any() else None

    def _report(self, report: Report, line: int, column: str, text: str) -> None:
        report(Problem(self._path.name, line, column, text))


def _loaded(line: bytes) -> Any:
    if not _LONG.search(line):
        try:
            return orjson.loads(line)
        except ValueError:  # half a pair of surrogates, which only Python's own JSON reads
            pass
    return json.loads(line, parse_float=finite)

"""CSV as rows of streams: side by side, a row for each datapoint, or one column of any file.

The trap: a cell may contain line breaks within quotes, so a portion of the file ends only where
its quotes are even.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from labmon import paths
from labmon.errors import BadRequestError
from labmon.transfer import csv_values, csv_writer, files
from labmon.transfer.ahead import ahead
from labmon.transfer.cells import unguarded
from labmon.transfer.csv_grid import MAX_CELL, FastGrid, Grid, SlowGrid
from labmon.transfer.csv_writer import MARK, STREAM_MARK
from labmon.transfer.description import Description
from labmon.transfer.problem import Problem, UnreadableFileError
from labmon.transfer.rows import Header, Rows, Wanted, time_title, wanted_title

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Report = Callable[[Problem], None]

PORTION: Final = 2 << 20
"""Bytes that are looked at together."""
_TITLE: Final = re.compile(r"(?P<path>.+?)(?: \((?P<unit>.*)\))?")
_BOM: Final = b"\xef\xbb\xbf"
_OTHER_MARKS: Final = (";", "\t", "|")
"""What other programs put between columns."""


def _titles_of(line: str) -> list[str]:
    """The titles in the line that has them.

    Raises:
        ValueError: they are none; says what to do.
    """
    if "\r" in line.rstrip("\r\n"):
        raise ValueError(
            "ends its lines with CR alone: save it with the line ends of Unix or Windows"
        )
    titles = [unguarded(title.strip()) for title in next(csv.reader([line]), [])]
    if not any(titles):
        raise ValueError(
            "there are no titles: the first line names the columns, such as time,value"
        )
    for mark in _OTHER_MARKS:
        if len(titles) == 1 and mark in line:
            raise ValueError(
                f"has {mark!r} between its columns: save it with commas, and numbers with points"
            )
    return titles


@dataclass(frozen=True, slots=True)
class Lane:
    """Where the cells of a stream stand.

    Attributes:
        path: of the stream; None: it stands in the column `path_at`.
        quality_at: the column of its qualities; None: there is none.
    """

    path: str | None
    value_at: int
    quality_at: int | None = None
    path_at: int = -1


class CsvReader:
    """Reads one CSV file; see `Reader`."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        """Read what stands before the first row.

        Raises:
            UnreadableFileError: the titles make no sense.
        """
        self._path = path
        self._wanted = wanted
        self.header = Header()
        self.size = path.stat().st_size
        self.at = 0
        self._titles: list[str] = []
        self._lines = 0
        with files.read(path) as file:
            self._read_head(file)
        self.header.check_raw(path.name, wanted)
        self._time_at = self._titles.index(time_title(self._titles, wanted, path, self._lines))
        self._lanes = self._find_lanes()

    def _read_head(self, file: IO[bytes]) -> None:
        """Comment lines and titles; the file stands at the first row afterwards."""
        while True:
            line = self._head_line(file)
            if not line.startswith("#"):
                break
            try:
                self._read_comment(line)
            except (ValueError, TypeError, BadRequestError) as error:
                raise UnreadableFileError.at(self._path.name, self._lines, str(error)) from None
        try:
            self._titles = _titles_of(line)
        except ValueError as error:
            raise UnreadableFileError.at(self._path.name, self._lines, str(error)) from None

    def _head_line(self, file: IO[bytes]) -> str:
        data = file.readline(MAX_CELL)
        self._lines += 1
        try:
            return data.removeprefix(_BOM).decode()
        except UnicodeDecodeError:
            text = "is no UTF-8: save the file as UTF-8"
            raise UnreadableFileError.at(self._path.name, self._lines, text) from None

    def _read_comment(self, line: str) -> None:
        if line.startswith(MARK):
            about = json.loads(line[len(MARK) :])
            self.header.take(about, about.get("version"))
        elif line.startswith(STREAM_MARK):
            stream = Description.from_dict(json.loads(line[len(STREAM_MARK) :]))
            self.header.streams[stream.path] = stream

    def _find_lanes(self) -> list[Lane]:
        wanted, titles = self._wanted, self._titles
        if "path" in titles and "value" in titles and not wanted.is_one_column:
            quality_at = titles.index("quality") if "quality" in titles else None
            return [Lane(None, titles.index("value"), quality_at, titles.index("path"))]
        if wanted.value_column is not None or wanted.stream is not None:
            return [self._one_lane()]
        streams = list(self.header.streams.values())
        if titles == csv_writer.wide_titles(streams, [()] * len(streams)):
            return [Lane(one.path, 2 + 2 * i, 3 + 2 * i) for i, one in enumerate(streams)]
        return self._wide_lanes()

    def _one_lane(self) -> Lane:
        """The one column of a file that is wanted."""
        titles, wanted = self._titles, self._wanted
        title = wanted.value_column
        if title is None:
            others = [t for i, t in enumerate(titles) if i != self._time_at and t != "unix_s"]
            if "value" not in titles and len(others) != 1:
                text = f"which column has the values? Give --value-column; there is {titles}"
                raise UnreadableFileError.at(self._path.name, self._lines, text)
            title = "value" if "value" in titles else others[0]
        value_at = titles.index(wanted_title(titles, title, self._path, self._lines))
        quality_at = titles.index("quality") if "quality" in titles else None
        return Lane(self._checked(wanted.stream or title), value_at, quality_at)

    def _wide_lanes(self) -> list[Lane]:
        """A lane for each title that names a stream; `PATH quality` belongs to `PATH`."""
        found: dict[str, list[int]] = {}
        known = {
            stream.path + (f" ({stream.unit})" if stream.unit else ""): stream.path
            for stream in self.header.streams.values()
        }
        of_quality: dict[str, int] = {}
        names = {self._path_of(title, known) for title in self._titles}
        for at, title in enumerate(self._titles):
            if at == self._time_at or title == "unix_s":
                continue
            path = self._path_of(title, known)
            base = path.removesuffix(" quality")
            if base != path and base in names:
                of_quality[base] = at
            else:
                found.setdefault(path, []).append(at)
        twice = [path for path, places in found.items() if len(places) > 1]
        if twice:
            text = f"two columns are called {twice[0]!r}"
            raise UnreadableFileError.at(self._path.name, self._lines, text)
        lanes = [
            Lane(self._checked(path), places[0], of_quality.get(path))
            for path, places in found.items()
        ]
        for lane in lanes:
            self._note_unit(lane)
        return lanes

    def _path_of(self, title: str, known: dict[str, str]) -> str:
        if title in known:
            return known[title]
        match = _TITLE.fullmatch(title)
        return match["path"] if match else title

    def _note_unit(self, lane: Lane) -> None:
        """A title `PATH (UNIT)` of a file that says no more of its streams."""
        match = _TITLE.fullmatch(self._titles[lane.value_at])
        if lane.path and lane.path not in self.header.streams and match and match["unit"]:
            wanted = self._wanted
            self.header.streams[lane.path] = Description.plain(
                lane.path, wanted.value_type or "numeric", wanted.unit or match["unit"]
            )

    def _checked(self, path: str) -> str:
        try:
            return paths.check_name(path)
        except ValueError as error:
            text = f"the title names no stream: {error}. Give --stream PATH --value-column TITLE"
            raise UnreadableFileError.at(self._path.name, self._lines, text) from None

    def pieces(self, report: Report) -> Generator[Rows]:
        """The rows of the file, those of one stream at a time."""
        with files.read(self._path) as file:
            for _ in range(self._lines):
                file.readline(MAX_CELL)
            for found, problems in ahead(self._read, self._portions(file)):
                for problem in problems:
                    report(problem)
                yield from found

    def _read(self, portion: tuple[bytes, int]) -> tuple[list[Rows], list[Problem]]:
        """The rows of a portion, and what is wrong in it; on any thread."""
        problems: list[Problem] = []
        grid = self._grid(*portion, problems.append)
        return list(self._rows(grid, problems.append)), problems

    def _portions(self, file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
        """Whole lines, about `PORTION` bytes of them, and the number of the first one."""
        line = self._lines + 1
        rest = b""
        while True:
            data = file.read(PORTION)
            self.at = files.position(file)
            rest += data
            if not data:
                break
            cut = rest.rfind(b"\n") + 1
            if b'"' in rest and rest.count(b'"', 0, cut) % 2:  # within quotes
                if len(rest) > MAX_CELL:
                    text = "a quotation that begins here or below does not end"
                    raise UnreadableFileError.at(self._path.name, line, text)
                continue
            portion, rest = rest[:cut], rest[cut:]
            if portion:
                yield portion, line
                line += files.line_breaks(portion)
        if rest:
            yield rest + b"\n", line

    def _grid(self, data: bytes, first_line: int, report: Report) -> Grid:
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        fast = FastGrid.of(data, len(self._titles), first_line)
        if fast is not None:
            return fast
        return SlowGrid.of(data, self._titles, first_line, report, self._path.name)

    def _rows(self, grid: Grid, report: Report) -> Iterator[Rows]:
        every = np.arange(len(grid.lines))
        if not len(every):
            return
        t, wrong = csv_values.times(grid, self._time_at, every)
        self._report(report, grid, every, self._time_at, wrong)
        is_timed = t >= 0
        for lane in self._lanes:
            if lane.path is not None:
                rows = np.flatnonzero(grid.is_filled(lane.value_at) & is_timed)
                yield from self._of_stream(grid, lane, lane.path, rows, t, report)
            else:
                for path, rows in self._by_path(grid, lane, np.flatnonzero(is_timed), report):
                    yield from self._of_stream(grid, lane, path, rows, t, report)

    def _by_path(
        self, grid: Grid, lane: Lane, rows: NDArray[np.intp], report: Report
    ) -> Iterator[tuple[str, NDArray[np.intp]]]:
        """The rows of each path, where paths stand in a column."""
        cells = grid.narrow(lane.path_at, rows)
        if cells is not None and len(cells) and (cells == cells[0]).all():
            groups = {grid.texts(lane.path_at, rows[:1])[0]: rows}
        else:
            of_path: dict[str, list[int]] = {}
            for row, text in zip(rows.tolist(), grid.texts(lane.path_at, rows), strict=True):
                of_path.setdefault(text, []).append(row)
            groups = {path: np.array(found) for path, found in of_path.items()}
        for text, found in groups.items():
            try:
                yield paths.check_name(unguarded(text)), found
            except ValueError as error:
                wrong = dict.fromkeys(range(len(found)), str(error))
                self._report(report, grid, found, lane.path_at, wrong)

    def _of_stream(
        self,
        grid: Grid,
        lane: Lane,
        path: str,
        rows: NDArray[np.intp],
        t: NDArray[np.int64],
        report: Report,
    ) -> Iterator[Rows]:
        if not len(rows):
            return
        stream = self.header.describe(path, self._wanted)
        v, wrong = csv_values.values(grid, lane.value_at, rows, stream)
        self._report(report, grid, rows, lane.value_at, wrong)
        quality = None
        if lane.quality_at is not None:
            quality, wrong_too = csv_values.qualities(grid, lane.quality_at, rows)
            self._report(report, grid, rows, lane.quality_at, wrong_too)
            wrong = wrong | wrong_too
        title = self._titles[lane.value_at]
        found = Rows(path, t[rows], v, quality, grid.lines[rows], title)
        if wrong:
            is_right = np.ones(len(rows), np.bool_)
            is_right[list(wrong)] = False
            found = found.take(is_right)
        yield found

    def _report(
        self, report: Report, grid: Grid, rows: NDArray[Any], column: int, wrong: dict[int, str]
    ) -> None:
        for i, text in wrong.items():
            line = int(grid.lines[rows[i]])
            report(Problem(self._path.name, line, self._titles[column], text))

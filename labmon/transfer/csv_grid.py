"""Some lines of CSV as a grid of cells, which are cut out of the bytes only where they are needed.

`FastGrid` finds the cells of plain lines with numpy; `SlowGrid` reads lines with quotes, blank
lines or missing cells as Python's csv does. The trap: both must give the same cells. A `FastGrid`
also takes cells that somebody else has found, as `json_columns` does.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from labmon.transfer.problem import Problem
from labmon.transfer.time_texts import WINDOW, windows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WIDEST: Final = 64
"""Cells up to this many bytes are looked at side by side."""
MAX_CELL: Final = 64 << 20
_COMMA, _LINE = 44, 10


class Grid(Protocol):
    """Cells by column; rows are index arrays.

    Attributes:
        lines: the line of each row in the file.
    """

    lines: NDArray[np.int64]

    def is_filled(self, column: int) -> NDArray[np.bool_]:
        """Where a cell has any text."""
        ...

    def narrow(self, column: int, rows: NDArray[np.intp]) -> NDArray[np.bytes_] | None:
        """Cells as one array of bytes; None where one is too wide, or not ASCII."""
        ...

    def windows(
        self, column: int, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """The first bytes of cells, and their widths, for `time_texts`."""
        ...

    def texts(self, column: int, rows: NDArray[np.intp]) -> list[str]:
        """Cells as texts."""
        ...


class FastGrid:
    """Cells found by their commas; see `Grid`."""

    def __init__(
        self, data: bytes, starts: NDArray[np.intp], ends: NDArray[np.intp], first_line: int
    ) -> None:
        self._data = data
        self._padded = np.frombuffer(data + bytes(WIDEST), np.uint8)
        self._starts = starts
        self._ends = ends
        self.lines = np.arange(first_line, first_line + len(starts))

    @classmethod
    def of(cls, data: bytes, columns: int, first_line: int) -> FastGrid | None:
        """The grid of whole lines; None where they are not plain."""
        if b'"' in data or b"\r" in data or not _is_utf8(data):
            return None
        buffer = np.frombuffer(data, np.uint8)
        is_line = buffer == _LINE
        marks = np.flatnonzero(is_line | (buffer == _COMMA))
        if len(marks) != columns * np.count_nonzero(is_line):
            return None
        ends = marks.reshape(-1, columns)
        if not is_line[ends[:, -1]].all():
            return None
        starts = np.concatenate(([0], marks[:-1] + 1)).reshape(-1, columns)
        if columns == 1 and (ends == starts).any():  # a blank line
            return None
        return cls(data, starts, ends, first_line)

    def is_filled(self, column: int) -> NDArray[np.bool_]:
        """Where a cell has any text."""
        return self._ends[:, column] > self._starts[:, column]

    def narrow(self, column: int, rows: NDArray[np.intp]) -> NDArray[np.bytes_] | None:
        """Cells as one array of bytes."""
        starts = self._starts[rows, column]
        widths = self._ends[rows, column] - starts
        widest = int(widths.max(initial=1))
        if widest > WIDEST:
            return None
        cells = sliding_window_view(self._padded, widest)[starts]
        if int(widths.min(initial=widest)) < widest:
            cells *= np.arange(widest, dtype=np.uint8) < widths.astype(np.uint8)[:, np.newaxis]
        return cells.view(f"S{widest}").reshape(-1)

    def windows(
        self, column: int, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """The first bytes of cells, and their widths."""
        starts = self._starts[rows, column]
        return sliding_window_view(self._padded, WINDOW)[starts], self._ends[rows, column] - starts

    def texts(self, column: int, rows: NDArray[np.intp]) -> list[str]:
        """Cells as texts."""
        data = self._data
        return [
            data[start:end].decode()
            for start, end in zip(
                self._starts[rows, column].tolist(), self._ends[rows, column].tolist(), strict=True
            )
        ]


class SlowGrid:
    """Cells as Python's csv module reads them; see `Grid`."""

    def __init__(self, rows: list[list[str]], lines: list[int]) -> None:
        self._rows = rows
        self.lines = np.array(lines, np.int64)

    @classmethod
    def of(
        cls,
        data: bytes,
        titles: list[str],
        first_line: int,
        report: Callable[[Problem], None],
        file: str,
    ) -> SlowGrid:
        """The grid of whole lines; those with too few or too many cells are reported."""
        csv.field_size_limit(MAX_CELL)
        reader = csv.reader(io.StringIO(_decoded(data, first_line, report, file), newline=""))
        rows: list[list[str]] = []
        lines: list[int] = []
        while True:
            line = first_line + reader.line_num
            try:
                row = next(reader, None)
            except csv.Error as error:
                report(Problem(file, line, "", f"is no CSV: {error}"))
                continue
            if row is None:
                break
            if len(row) == len(titles):
                rows.append(row)
                lines.append(line)
            elif row:
                text = f"has {len(row)} cells, and there are {len(titles)} titles: put a text with"
                report(Problem(file, line, "", text + " commas in double quotes"))
        return cls(rows, lines)

    def is_filled(self, column: int) -> NDArray[np.bool_]:
        """Where a cell has any text."""
        return np.array([row[column] != "" for row in self._rows], np.bool_)

    def narrow(self, column: int, rows: NDArray[np.intp]) -> NDArray[np.bytes_] | None:
        """Cells as one array of bytes."""
        texts = self.texts(column, rows)
        if any(len(text) > WIDEST or not text.isascii() or "\0" in text for text in texts):
            return None
        return np.array([text.encode() for text in texts] or [b""])[: len(texts)]

    def windows(
        self, column: int, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """The first bytes of cells, and their widths."""
        return windows_of(self.texts(column, rows))

    def texts(self, column: int, rows: NDArray[np.intp]) -> list[str]:
        """Cells as texts."""
        return [self._rows[row][column] for row in rows.tolist()]


def _is_utf8(data: bytes) -> bool:
    """Whether it is text; a NUL, which would end a cell too early, is none."""
    if b"\0" in data:
        return False
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, first_line: int, report: Callable[[Problem], None], file: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    lines = data.split(b"\n")
    texts: list[str] = []
    for i, line in enumerate(lines):
        try:
            texts.append(line.decode())
        except UnicodeDecodeError as error:
            why = f"byte {error.start + 1} is no UTF-8: save the file as UTF-8"
            report(Problem(file, first_line + i, "", why))
            texts.append("")
    return "\n".join(texts)

"""`Problem`: what is wrong in a file and where, and `Problems`, which counts and keeps the first.

The trap: a file may be wrong in every one of a million lines; only so many are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from labmon.errors import BadRequestError

KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: its name.
        line: the first is 1; of Parquet the row; 0: the file as a whole.
        column: the title of the column, empty for the whole line.
        text: what is wrong, and what would be right.
    """

    file: str
    line: int
    column: str
    text: str

    def __str__(self) -> str:
        """`readings.csv:17: column 'value': ...`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: " + (f"column {self.column!r}: " if self.column else "") + self.text


class Problems:
    """Takes problems: counts all, keeps the first few for people to read."""

    def __init__(self, keep: int = KEPT) -> None:
        self._keep = keep
        self._told = 0
        self.kept: list[Problem] = []
        self.count = 0

    def add(self, problem: Problem, count: int = 1) -> None:
        """Take one, or one that stands for so many alike."""
        self.count += count
        if len(self.kept) < self._keep:
            self.kept.append(problem)
            self._told += count

    def lines(self) -> list[str]:
        """What is kept, a line for each, and how many more there are."""
        lines = [str(problem) for problem in self.kept]
        if self.count > self._told:
            lines.append(f"... and {self.count - self._told:,} more")
        return lines


class UnreadableFileError(BadRequestError):
    """A file cannot be imported at all; the message names file, line and what would be right."""

    @classmethod
    def at(cls, file: str, line: int, text: str, column: str = "") -> UnreadableFileError:
        """At a place of a file."""
        return cls(str(Problem(file, line, column, text)))

"""YAML with the line of every key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, printed as `config.yaml:12`."""

    file: str
    line: int

    def __str__(self) -> str:
        """The place as editors and people read it."""
        return f"{self.file}:{self.line}"

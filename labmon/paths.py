"""Names of streams, `device/channel`, and the globs that select them.

In a glob `*` stays within a segment and `**` crosses them; a segment that begins with `_` (health,
state, commands) is matched only where the glob names it. Never regular expressions from users.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 255
_ALLOWED: Final = re.compile(r"[\w.\-/ ]+")
_STARS: Final = re.compile(r"\*+|\?")


def check_name(name: str) -> str:
    """The name, NFC-normalised.

    Raises:
        ValueError: it cannot name a stream; says why and what is allowed.
    """
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= MAX_LENGTH:
        raise ValueError(f"a name has 1 to {MAX_LENGTH} characters, not {len(name)}")
    if not _ALLOWED.fullmatch(name):
        wrong = next(c for c in name if not _ALLOWED.fullmatch(c))
        raise ValueError(
            f"{name[:60]!r} contains {wrong!r}:"
            " letters, digits, '_', '.', '-', '/' and space are allowed"
        )
    if name != name.strip(" /"):
        raise ValueError(f"{name[:60]!r} begins or ends with a space or '/'")
    if any(segment in {"", ".", ".."} for segment in name.split("/")):
        raise ValueError(f"{name[:60]!r} has an empty segment, or one of dots only")
    return name


class Selection:
    """Which paths a list of globs selects; equal lists are equal and hash alike."""

    def __init__(self, globs: tuple[str, ...]) -> None:
        """Raises ValueError where a glob has characters that no name has."""
        self.globs = tuple(dict.fromkeys(globs))
        for glob in self.globs:
            if not glob or len(glob) > MAX_LENGTH or not _ALLOWED.fullmatch(_STARS.sub("x", glob)):
                raise ValueError(f"{glob[:60]!r} is no glob of stream names, such as 'wavemeter/*'")
        self._pattern = re.compile("|".join(f"(?:{_translate(glob)})" for glob in self.globs))

    def __contains__(self, path: str) -> bool:
        """Whether a path is selected."""
        return self._pattern.fullmatch(path) is not None

    def __eq__(self, other: object) -> bool:
        """Equal where the globs are."""
        return isinstance(other, Selection) and self.globs == other.globs

    def __hash__(self) -> int:
        """Follows the globs."""
        return hash(self.globs)

    def indexes(self, paths: tuple[str, ...]) -> tuple[int, ...] | None:
        """The positions of the selected paths; None where all of them are selected."""
        return _indexes(self, paths)


@lru_cache(maxsize=4096)
def _indexes(selection: Selection, paths: tuple[str, ...]) -> tuple[int, ...] | None:
    found = tuple(i for i, path in enumerate(paths) if path in selection)
    return None if len(found) == len(paths) else found


def _translate(glob: str) -> str:
    parts: list[str] = []
    segments = glob.split("/")
    for i, segment in enumerate(segments):
        last = i == len(segments) - 1
        if segment == "**":
            # any number of segments, none of them hidden
            parts.append(r"(?!_)[^/]+(?:/(?!_)[^/]+)*" if last else r"(?:(?!_)[^/]+/)*")
            continue
        hidden = "" if segment.startswith("_") else "(?!_)"
        body = "".join(
            "[^/]*" if piece.startswith("*") else "[^/]" if piece == "?" else re.escape(piece)
            for piece in re.split(r"(\*+|\?)", segment)
            if piece
        )
        parts.append(hidden + body + ("" if last else "/"))
    return "".join(parts)

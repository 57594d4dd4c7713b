"""Names of streams, `device/channel`, and the globs that select them.

In a glob `*` stays within a segment and `**` crosses them; a segment that begins with `_` (health,
state, commands) is matched only where the glob names it. Never regular expressions from users.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_LENGTH: Final = 255
KNOWN: Final = 1024
"""So many lists of paths are remembered by a selection: each device has one or a few."""
_ALLOWED: Final = re.compile(r"[\w.\-/ ]+")
_STARS: Final = re.compile(r"\*+|\?")


def normalized(text: str) -> str:
    """Accents as names have them: they can be written in two ways, and look the same."""
    return unicodedata.normalize("NFC", text)


def check_name(name: str) -> str:
    """The name, NFC-normalised.

    Raises:
        ValueError: it cannot name a stream; says why and what is allowed.
    """
    name = normalized(name)
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
        self.globs = tuple(dict.fromkeys(map(normalized, globs)))
        for glob in self.globs:
            if not glob or len(glob) > MAX_LENGTH or not _ALLOWED.fullmatch(_STARS.sub("x", glob)):
                raise ValueError(f"{glob[:60]!r} is no glob of stream names, such as 'wavemeter/*'")
        self._pattern = re.compile("|".join(f"(?:{_translate(glob)})" for glob in self.globs))
        self._known: dict[tuple[str, ...], tuple[int, ...] | None] = {}

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
        try:
            return self._known[paths]
        except KeyError:
            return self._find(paths)

    def _find(self, paths: tuple[str, ...]) -> tuple[int, ...] | None:
        found = tuple(i for i, path in enumerate(paths) if path in self)
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[paths] = known = None if len(found) == len(paths) else found
        return known


def _translate(glob: str) -> str:
    """A regular expression that takes time in proportion to a path, whoever wrote the glob.

    What stands between two stars is matched where it first occurs, and that is not taken back
    (atomic groups): the star behind it takes what is left in any case.
    """
    first, *others = _blocks(glob.split("/"))
    if not others:
        return first
    *between, last = others
    some = r"(?:(?!_)[^/]+/)*"
    parts = [first + "/" if first else ""]
    parts += [f"(?>{some}?{block}/)" for block in between if block]
    parts.append(some + last if last else r"(?!_)[^/]+(?:/(?!_)[^/]+)*")
    return "".join(parts)


def _blocks(segments: list[str]) -> list[str]:
    """What stands before, between and behind each `**`."""
    blocks: list[list[str]] = [[]]
    for segment in segments:
        if segment == "**":
            blocks.append([])
        else:
            blocks[-1].append(_segment(segment))
    return ["/".join(block) for block in blocks]


def _segment(segment: str) -> str:
    """One segment, which may have stars; a hidden one is matched only where the glob says `_`."""
    hidden = "" if segment.startswith("_") else "(?!_)"
    first, *others = map(_letters, re.split(r"\*+", segment))
    if not others:
        return hidden + first
    *between, last = others
    return hidden + first + "".join(f"(?>[^/]*?{piece})" for piece in between) + "[^/]*" + last


def _letters(piece: str) -> str:
    return "[^/]".join(map(re.escape, piece.split("?")))

"""Lines of text: splitting a byte stream into them, and the values that stand in one.

The trap: two lines that run together, `a=1.5a=1.51`, must not give a value; so a line is used as a
whole or not at all.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from labmon.device import InstrumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_LINE_BYTES: Final = 4096
MAX_DEPTH: Final = 8
NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
UNIT: Final = r"(?! [eE] [+-]? \d* (?: \s | $ ) ) (?: [^\W\d_] | [%°µμΩ] ) [%°µμΩ\w/²³]*"
"""After a number; what is left of a cut exponent is none."""

_PAIR: Final = re.compile(
    rf"""
    (?P<name>[^\W\d][\w.\-/]{{0,62}}) \s* [=:] \s*
    (?:
        (?P<number>{NUMBER}) \s* (?: \[ [^\]=:]* \] | {UNIT} )?
      | (?P<word>"[^"]*" | [^\W\d][\w\-]* | [+-]?(?i:inf|nan) | [-?*]+ )
    )
    (?= [\s,;|] | $ )
    """,
    re.VERBOSE,
)
_BETWEEN: Final = re.compile(r"[\s,;|]+|(?:[^\W\d_]|[%°µμΩ#>])+(?=[\s,;|]|$)")
"""Separators, and bare words such as a unit after a space."""


class LineSplitter:
    """Splits bytes into lines; what is too long for one is dropped up to its end.

    Attributes:
        dropped: how many lines were too long.
    """

    def __init__(self, end: bytes = b"\n", max_bytes: int = MAX_LINE_BYTES) -> None:
        self._end = end
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._is_skipping = False
        self.dropped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        self._rest += data
        *lines, rest = bytes(self._rest).split(self._end)
        self._rest[:] = rest
        if self._is_skipping and lines:
            del lines[0]
            self._is_skipping = False
        fitting = [line for line in lines if len(line) <= self._max_bytes]
        self.dropped += len(lines) - len(fitting)
        if len(rest) > self._max_bytes:
            self.dropped += not self._is_skipping
            self._is_skipping = True
        if self._is_skipping:  # keep only what may be the beginning of the end
            del self._rest[: max(0, len(self._rest) - len(self._end) + 1)]
        return fitting

    def skip_to_end(self) -> None:
        """Forget the line that is under way: its beginning was not heard."""
        self._rest.clear()
        self._is_skipping = True


def parse_pairs(line: str) -> dict[str, Any]:
    """Values of `name=value[unit] name: value unit, ...`.

    Raises:
        InstrumentError: something else stands in the line, or a name twice.
    """
    values: dict[str, Any] = {}
    at = 0
    while at < len(line):
        if pair := _PAIR.match(line, at):
            if pair["name"] in values:
                raise InstrumentError(f"{pair['name']} stands twice in {line[:80]!r}")
            values[pair["name"]] = pair["number"] or pair["word"].strip('"')
            at = pair.end()
        elif between := _BETWEEN.match(line, at):
            at = between.end()
        else:
            raise InstrumentError(f"{line[at : at + 40]!r} in {line[:80]!r} is no name=value")
    return values


def pattern_parser(pattern: str) -> Callable[[str], dict[str, Any]]:
    """A parser by a regular expression with named groups.

    The groups `name` and `value` together match repeatedly; otherwise each group is a value.

    Raises:
        ValueError: it is no regular expression, or names no group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern: {pattern!r} is no regular expression: {error}") from None
    groups = set(compiled.groupindex)
    if not groups:
        raise ValueError(f"pattern: {pattern!r} needs named groups: (?P<channel>...)")

    def parse(line: str) -> dict[str, Any]:
        if {"name", "value"} <= groups:
            found = {match["name"]: match["value"] for match in compiled.finditer(line)}
        else:
            match = compiled.search(line)
            found = match.groupdict() if match else {}
        if not found:
            raise InstrumentError(f"{line[:80]!r} does not match the pattern")
        return {name: text for name, text in found.items() if text is not None}

    return parse


def column_parser(columns: Sequence[str], separator: str) -> Callable[[str], dict[str, Any]]:
    """A parser of separated values in a fixed order; a column without name is skipped.

    Raises:
        ValueError: there is no column.
    """
    if not any(columns):
        raise ValueError("columns: name the columns of a line in their order")

    def parse(line: str) -> dict[str, Any]:
        cells = line.split(separator) if separator.strip() else line.split()
        if len(cells) != len(columns):
            raise InstrumentError(f"{line[:80]!r} has {len(cells)} columns, not {len(columns)}")
        pairs = zip(columns, cells, strict=True)
        return {name: cell.strip().strip('"') for name, cell in pairs if name}

    return parse


def parse_json(line: str) -> dict[str, Any]:
    """Values of a JSON object; those inside others get names with dots, `bme280.temperature`.

    Raises:
        InstrumentError: it is no JSON object, or one too deep.
    """
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        raise InstrumentError(f"{line[:80]!r} is no JSON") from None
    if not isinstance(tree, dict):
        raise InstrumentError(f"{line[:80]!r} is no JSON object")
    values: dict[str, Any] = {}
    _flatten(tree, "", values, MAX_DEPTH)
    return values


def _flatten(tree: Any, path: str, values: dict[str, Any], depth: int) -> None:
    if not isinstance(tree, dict | list):
        values[path] = tree
        return
    if not depth:
        raise InstrumentError(f"the JSON is more than {MAX_DEPTH} levels deep")
    branches = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, branch in branches:
        _flatten(branch, f"{path}.{key}" if path else str(key), values, depth - 1)

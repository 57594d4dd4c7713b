"""Lines of JSON that differ in their time and their value alone, cut into cells without being read.

The first of them is read, and says at which bytes its time and its value stand; every line with the
same bytes around them means the same but for these two. The trap: nobody has read such a line, so
whoever takes its cells must refuse all that JSON would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Alike = Callable[[dict[str, Any], dict[str, Any]], bool]

MOST: Final = 16
"""Shapes that are looked for in one portion: times and qualities come in a few widths and words."""
LOOKS: Final = 6
"""How often a line is looked at in the mean, before lines are read one by one instead."""
WIDEST: Final = 32
"""Bytes of a second value; numbers and times take no more."""
_LASTS: Final = np.isin(np.arange(256), list(b"0123456789lZ"))
"""What numbers, times and null end with: a value that ends otherwise has more than itself in it."""
_PAIR: Final = re.compile(
    rb'\s*"([^"\\]*)"\s*:\s*("(?:[^"\\]|\\.)*"|[^\s",:{}\[\]]+)\s*([,}])', re.DOTALL
)
_LINE: Final = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """What lines have in common.

    Attributes:
        sample: the object of one of them.
        fields: the two names whose values differ, in the order of the line.
        head, middle, tail: the bytes before, between and behind the two, line break included.
        width: bytes of the first one; the second one is as wide as it likes.
    """

    sample: dict[str, Any]
    fields: tuple[str, str]
    head: bytes
    width: int
    middle: bytes
    tail: bytes

    @classmethod
    def of(cls, line: bytes, names: tuple[str, str]) -> Shape | None:
        """The shape of a line with its line break; None: it is no flat object that has both names.

        Texts differ within their quotes, which belong to the shape.
        """
        try:
            sample = orjson.loads(line)
        except ValueError:
            return None
        spans = _spans(line) if isinstance(sample, dict) else {}
        wanted = [name for name in spans if name in names]
        # where a name comes twice, in whatever spelling, the spans are not those of the values
        if len(spans) != len(sample) or len(wanted) != 2:
            return None
        (first, end), (second, last) = (spans[name] for name in wanted)
        fields = wanted[0], wanted[1]
        head, middle, tail = line[:first], line[end:second], line[last:]
        return cls(sample, fields, head, end - first, middle, tail)

    def find(
        self, padded: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]
    ) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """(which lines are of this shape, where the second value of each begins).

        Args:
            padded: the bytes, with `reach` more of anything behind them.
            starts: of lines.
            ends: of lines, where the line breaks stand.
        """
        fixed = self.head + bytes(self.width) + self.middle
        counts = np.ones(len(fixed), np.bool_)
        counts[len(self.head) : len(self.head) + self.width] = False
        seconds = starts + len(fixed)
        tails = ends + 1 - len(self.tail)
        is_like = _equal(padded, starts, fixed, counts)
        is_like &= (tails > seconds) & (tails - seconds <= WIDEST) & _LASTS[padded[tails - 1]]
        is_like &= _equal(padded, np.maximum(tails, 0), self.tail, np.ones(len(self.tail), bool))
        return is_like, seconds

    @property
    def reach(self) -> int:
        """How many bytes behind the start of a line are looked at."""
        return _words(len(self.head) + self.width + len(self.middle)) + _words(len(self.tail))


@dataclass(frozen=True, slots=True)
class Cells:
    """Where the two values of each line stand, in the order of the lines.

    Attributes:
        starts, ends: of each line those of (first name, second name), as they were asked for.
        shapes: those that were found.
        of_line: which of them each line has.
    """

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    shapes: list[Shape]
    of_line: NDArray[np.uint8]


def cut(data: bytes, names: tuple[str, str], is_alike: Alike) -> Cells | None:
    """The cells of whole lines, each of which has one of a few shapes; None: look at each line.

    Args:
        data: ends with a line break.
        names: of the values that differ.
        is_alike: whether two samples, the first and another one, belong together.
    """
    buffer = np.frombuffer(data, np.uint8)
    line_ends = np.flatnonzero(buffer == _LINE)
    line_starts = np.concatenate(([0], line_ends[:-1] + 1))
    count = len(line_ends)
    cells = Cells(
        np.empty((count, 2), np.intp), np.empty((count, 2), np.intp), [], np.empty(count, np.uint8)
    )
    rest, looks = np.arange(count), 0
    padded = buffer
    while len(rest):
        looks += len(rest)
        line = data[line_starts[rest[0]] : line_ends[rest[0]] + 1]
        shape = Shape.of(line, names)
        if shape is None or looks > LOOKS * count or len(cells.shapes) == MOST:
            return None
        if not is_alike((cells.shapes or [shape])[0].sample, shape.sample):
            return None
        if len(padded) < len(buffer) + shape.reach:
            padded = np.frombuffer(data + bytes(2 * shape.reach), np.uint8)
        starts, ends = line_starts[rest], line_ends[rest]
        is_like, seconds = shape.find(padded, starts, ends)
        rows = rest[is_like]
        _fill(cells, shape, names, rows, seconds[is_like], ends[is_like])
        rest = rest[~is_like]
    return cells


def _fill(
    cells: Cells,
    shape: Shape,
    names: tuple[str, str],
    rows: NDArray[np.intp],
    seconds: NDArray[np.intp],
    ends: NDArray[np.intp],
) -> None:
    """Note the cells of the lines of one shape."""
    first = names.index(shape.fields[0])
    firsts = seconds - len(shape.middle) - shape.width
    cells.starts[rows, first], cells.ends[rows, first] = firsts, firsts + shape.width
    cells.starts[rows, 1 - first] = seconds
    cells.ends[rows, 1 - first] = ends + 1 - len(shape.tail)
    cells.of_line[rows] = len(cells.shapes)
    cells.shapes.append(shape)


def _spans(line: bytes) -> dict[str, tuple[int, int]]:
    """Where the values of a flat object stand, by name; empty where it is not flat."""
    found: dict[str, tuple[int, int]] = {}
    at = line.index(b"{") + 1
    while pair := _PAIR.match(line, at):
        start, end = pair.span(2)
        quote = line[start] == ord('"')
        found[pair[1].decode()] = start + quote, end - quote
        at = pair.end()
        if pair[3] == b"}":
            return {} if line[at:].strip() else found
    return {}


def _words(width: int) -> int:
    """A number of bytes, rounded up to whole words."""
    return -(-width // 8) * 8


def _equal(
    padded: NDArray[np.uint8], starts: NDArray[np.intp], text: bytes, counts: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where the bytes from each start on are those of a text, as far as these count."""
    width = _words(len(text))
    wanted = np.frombuffer(text.ljust(width, b"\0"), np.uint64)
    mask = np.zeros(width, np.uint8)
    mask[: len(text)][counts] = 0xFF
    masks = mask.view(np.uint64)
    found = sliding_window_view(padded, width)[starts].view(np.uint64)
    is_equal = np.ones(len(starts), np.bool_)
    for i in np.flatnonzero(masks).tolist():
        is_equal &= (found[:, i] ^ wanted[i]) & masks[i] == 0
    return is_equal

"""Answers of SCPI instruments, taken apart: cells with commas between, strings, blocks of bytes.

Standard: IEEE 488.2, chapter 8. `#3200` announces a block of 200 bytes, `#0` one that goes on to
the end of the answer. The trap: a block may hold any byte, line ends and commas too, so its length
decides where it ends; but `#0` has none, and ends at the first line end where no wire says END.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from labmon.device import InstrumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES: Final = 1 << 20
"""More than any answer that is worth a channel."""
QUOTES: Final = b"\"'"
BETWEEN: Final = b",;"
_BETWEEN: Final = re.compile(rb"[,;]")
BlockType = Literal[
    "text", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"
]


class Answer(NamedTuple):
    """One answer: its cells in their order, `bytes` for blocks, text for everything else."""

    cells: tuple[str | bytes, ...]

    @property
    def text(self) -> str:
        """All of it as text, blocks by their contents."""
        return ",".join(each if isinstance(each, str) else _text(each) for each in self.cells)

    def cell(self, index: int) -> str | bytes:
        """One of its cells, counted from 1.

        Raises:
            InstrumentError: there are not so many.
        """
        if index > len(self.cells):
            raise InstrumentError(f"{self.text[:60]!r} has {len(self.cells)} values, not {index}")
        return self.cells[index - 1]

    def word(self, index: int) -> str:
        """One of its cells as text, without the quotes around it."""
        cell = self.cell(index)
        return _text(cell) if isinstance(cell, bytes) else unquoted(cell)


class Answers:
    """Splits bytes into answers; for `Link.exchange(request, it.feed)`.

    Args:
        end: what ends an answer.
    """

    def __init__(self, end: bytes = b"\n") -> None:
        self._end = end
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """Take bytes; returns the answers that are complete.

        Raises:
            InstrumentError: what came is no answer; it is forgotten.
        """
        self._buffer += data
        answers: list[Answer] = []
        try:
            while (found := _Scan(bytes(self._buffer), self._end).run()) is not None:
                cells, used = found
                del self._buffer[:used]
                answers.append(Answer(tuple(cells)))
        except InstrumentError:
            self._buffer.clear()
            raise
        if len(self._buffer) > MAX_BYTES:
            self._buffer.clear()
            raise InstrumentError(f"an answer has more than {MAX_BYTES} bytes")
        return answers


class _IncompleteError(Exception):
    """More bytes have to come."""


class _Scan:
    """One look at what has come so far."""

    def __init__(self, data: bytes, end: bytes) -> None:
        self._data = data
        self._end = end
        self._at = 0
        self._line_end = -1

    def run(self) -> tuple[list[str | bytes], int] | None:
        """The cells of the first answer and how many bytes it took; None: it is not complete."""
        cells: list[str | bytes] = []
        try:
            while True:
                self._skip_spaces()
                cells.append(self._cell())
                if self._is_end():
                    return cells, self._at + len(self._end)
                self._at += 1  # what stands between
        except _IncompleteError:
            return None

    def _cell(self) -> str | bytes:
        head = self._data[self._at : self._at + 2]
        if head[:1] == b"#" and head[1:].isdigit():
            return self._block(int(head[1:]))
        if head == b"#":
            raise _IncompleteError
        if head[:1] and head[:1] in QUOTES and (stop := self._closing()):
            return self._until(stop)
        return self._until(self._at)

    def _block(self, digits: int) -> bytes:
        start = self._at + 2 + digits
        if digits == 0:
            self._at = self._next_line_end(start)
            return self._data[start : self._at]
        size = self._data[self._at + 2 : start]
        if not size.isdigit():
            if size.strip(b"0123456789"):
                raise InstrumentError(f"{self._data[self._at : start]!r} announces no block")
            raise _IncompleteError
        if int(size) > MAX_BYTES:
            raise InstrumentError(f"a block of {int(size)} bytes is more than {MAX_BYTES}")
        if len(size) < digits or len(self._data) < start + int(size):
            raise _IncompleteError
        self._at = start + int(size)
        block = self._data[start : self._at]
        self._skip_spaces()
        if not self._is_end() and self._data[self._at] not in BETWEEN:
            raise InstrumentError("after a block comes something else than its end")
        return block

    def _closing(self) -> int:
        """Behind the quote that closes a string; 0 where that is not on this line."""
        quote = self._data[self._at : self._at + 1]
        line_end = self._next_line_end(self._at)
        at = self._at + 1
        while (at := self._data.find(quote, at, line_end)) >= 0:
            if self._data[at + 1 : at + 2] != quote:  # a doubled one stands for itself
                return at + 1
            at += 2
        return 0

    def _until(self, start: int) -> str:
        """Text up to the next cell or the end of the answer."""
        line_end = self._next_line_end(start)
        between = _BETWEEN.search(self._data, start, line_end)
        stop = between.start() if between else line_end
        raw = self._data[self._at : stop]
        self._at = stop
        try:
            return raw.decode("ascii").strip(" \t\r\n\0")
        except UnicodeDecodeError:
            raise InstrumentError(f"it sent garbage: {raw[:40]!r}") from None

    def _skip_spaces(self) -> None:
        while not self._is_end() and self._data[self._at : self._at + 1] in {b" ", b"\t", b"\r"}:
            self._at += 1

    def _is_end(self) -> bool:
        """Whether the answer ends here."""
        rest = self._data[self._at : self._at + len(self._end)]
        if rest != self._end and self._end.startswith(rest):
            raise _IncompleteError
        return rest == self._end

    def _next_line_end(self, start: int) -> int:
        """Where the next line end is; looked for once a line, however many cells it has."""
        if self._line_end < start:
            self._line_end = self._data.find(self._end, start)
        if self._line_end < 0:
            raise _IncompleteError
        return self._line_end


def numbers(
    block: bytes, kind: BlockType, byte_order: Literal["big", "little"]
) -> NDArray[np.float64]:
    """The numbers in a block.

    Raises:
        InstrumentError: it does not consist of whole ones.
    """
    if kind == "text" or len(block) % np.dtype(kind).itemsize:
        raise InstrumentError(f"a block of {len(block)} bytes is no list of {kind}")
    order = ">" if byte_order == "big" else "<"
    return np.frombuffer(block, np.dtype(kind).newbyteorder(order)).astype(np.float64)


def unquoted(cell: str) -> str:
    """A cell without the quotes around it."""
    text = cell.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace(text[0] * 2, text[0])
    return text.strip('"')


def _text(block: bytes) -> str:
    return block.decode("utf-8", "replace").strip(" \t\r\n\0")

"""Columns of cells as matrices of bytes, and lines made of them, with no object for each cell.

A matrix has a row for each cell; a NUL in it is nothing, wherever it stands. The trap: texts of any
length, or with a NUL of their own, are no matrix; a column of them is a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Matrix = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
Column = Matrix | list[bytes]

_PORTION: Final = 2 << 20
"""Bytes of lines that are made together: so many stay near the processor."""
_COMMA: Final = ord(",")


def joined(parts: Sequence[bytes | Column], rows: int) -> bytes:
    """Lines of cells, and of what stands between them in every line, one after the other."""
    matrices: list[Matrix] = []
    for part in parts:
        if isinstance(part, list):
            return b"".join(map(b"".join, zip(*[_listed(one, rows) for one in parts], strict=True)))
        matrices.append(_constant(part) if isinstance(part, bytes) else part)
    width = sum(part.shape[1] for part in matrices)
    step = max(1, _PORTION // width)
    return b"".join(
        _portion(matrices, width, slice(first, min(first + step, rows)))
        for first in range(0, rows, step)
    )


def _listed(part: bytes | Column, rows: int) -> list[bytes]:
    if isinstance(part, bytes):
        return [part] * rows
    return part if isinstance(part, list) else texts(part)


def _constant(text: bytes) -> Matrix:
    """One row that stands for all."""
    return np.frombuffer(text, np.uint8).reshape(1, -1)


def _portion(matrices: Sequence[Matrix], width: int, rows: slice) -> bytes:
    lines = np.empty((rows.stop - rows.start, width), np.uint8)
    at = 0
    for part in matrices:
        lines[:, at : at + part.shape[1]] = part if len(part) == 1 else part[rows]
        at += part.shape[1]
    return lines[lines != 0].tobytes()


def texts(cells: Matrix) -> list[bytes]:
    """The cells of a matrix as a list."""
    return joined([cells, b"\n"], len(cells)).split(b"\n")[:-1]


def split(data: bytes) -> Matrix:
    """The cells of a text with commas between them; as wide as the widest."""
    buffer = np.frombuffer(data, np.uint8)
    ends = np.append(np.flatnonzero(buffer == _COMMA), len(buffer))
    starts = np.concatenate(([0], ends[:-1] + 1))
    widths = ends - starts
    widest = int(widths.max())
    cells = sliding_window_view(np.frombuffer(data + bytes(widest), np.uint8), widest)[starts]
    if int(widths.min()) < widest:
        cells *= np.arange(widest) < widths[:, np.newaxis]
    return cells


def table(words: Sequence[bytes]) -> Matrix:
    """Words of one width: `table(words)[numbers]` is a column of them."""
    return np.array(words).view(np.uint8).reshape(len(words), -1)


def written(cells: Matrix, rows: NDArray[np.intp] | NDArray[np.bool_], word: bytes) -> Matrix:
    """Cells with a word in some rows; wider where it needs to be."""
    if cells.shape[1] < len(word):
        cells = np.pad(cells, ((0, 0), (0, len(word) - cells.shape[1])))
    cells[rows] = np.frombuffer(word.ljust(cells.shape[1], b"\0"), np.uint8)
    return cells


def placed(cells: Column, places: NDArray[np.intp], rows: int) -> Column:
    """Cells in some of the rows of a longer column, the others of which stay empty."""
    if len(cells) == rows:
        return cells
    if isinstance(cells, list):
        column = np.full(rows, b"", object)
        column[places] = cells
        return column.tolist()
    longer = np.zeros((rows, cells.shape[1]), np.uint8)
    longer[places] = cells
    return longer

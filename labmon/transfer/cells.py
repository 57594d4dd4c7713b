"""Values as the cells of a table, and back: each has one text, and each text one value.

A word stands for itself unless it could be read as something else; then it stands in the quotes of
JSON. The trap: a spreadsheet runs a text that begins with `=`; such texts get an apostrophe in
front, which is taken away again, and so do those that begin with an apostrophe.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from labmon.reading import quality_from_words, quality_words
from labmon.transfer import cell_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labmon.transfer.cell_matrix import Matrix

NULL: Final = "null"
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_NULLS: Final = frozenset({"", "null", "nan", "none", "na", "n/a"})
_INT: Final = re.compile(r"[+-]?\d{1,400}", re.ASCII)
_FLOAT: Final = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity)", re.ASCII | re.IGNORECASE
)
NUMBERS: Final = "use a number such as 1.5, 1e-9 or inf, or null for no value"


def guarded(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return "'" + text if text.startswith(_RISKY) else text


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_RISKY) else text


def text_of(value: Any) -> str:
    """The cell of a value: of a number its shortest exact text, of a word the word, or JSON."""
    if value is None:
        return NULL
    if isinstance(value, str):
        is_itself = value.isprintable() and value == value.strip() and not _is_taken(value)
        return guarded(value if is_itself else _json(value))
    if isinstance(value, float):
        return NULL if math.isnan(value) else repr(value)
    return _json(value)


def _json(value: Any) -> str:
    """JSON in the letters that it has, where all of them can be printed; else in ASCII."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value, separators=(",", ":"))


def _is_taken(word: str) -> bool:
    """Whether a word would be read as something else than itself."""
    if word.lower() in _NULLS or _FLOAT.fullmatch(word):
        return True
    try:
        json.loads(word)
    except (ValueError, RecursionError):
        return False
    return True


def value_of(cell: str) -> Any:
    """The JSON value of a cell, whatever it is."""
    text = unguarded(cell)
    if text.lower() in _NULLS:
        return None
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def number_of(cell: str) -> Any:
    """The number of a cell: int where it is written as one, float, None, or a rollup as a dict.

    Raises:
        ValueError: it is no number; says what is allowed.
    """
    text = cell.strip()
    if text.lower() in _NULLS:
        return None
    if _INT.fullmatch(text):
        number = int(text)
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"{text[:40]} is beyond 64 bits: write it as a float, {text[:40]}.0")
        return number
    if _FLOAT.fullmatch(text):
        return finite(text) if text[-1].isdecimal() else float(text)
    if text.startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    raise ValueError(f"{cell[:40]!r} is no number: {NUMBERS}")


def finite(digits: str) -> float:
    """The float of a number in digits.

    Raises:
        ValueError: it is larger than any float, and would become infinite.
    """
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]!r} is larger than any float: write inf if that is meant")
    return number


def quality_text(quality: int) -> str:
    """The cell of a quality: empty for ok, else its words, or the number where no words say it."""
    if not quality:
        return ""
    words = quality_words(quality)
    return " ".join(words) if quality_from_words(words) == quality else str(quality)


_QUALITY_TEXTS: Final = [quality_text(quality) for quality in range(256)]
_QUALITY_CELLS: Final = cell_matrix.table([text.encode() for text in _QUALITY_TEXTS])
_QUALITIES: Final = {text: quality for quality, text in enumerate(_QUALITY_TEXTS)}


def quality_of(cell: str) -> int:
    """The quality byte of a cell: words, or a number.

    Raises:
        ValueError: it is none; lists the words that there are.
    """
    text = cell.strip().lower()
    known = _QUALITIES.get(text)
    if known is not None:
        return known
    if text.isdigit():
        if int(text) > 255:
            raise ValueError(f"{text} is no quality: it is one byte")
        return int(text)
    return quality_from_words(text.split())


def quality_cells(quality: NDArray[np.uint8] | None, count: int) -> Matrix:
    """The cells of a column of qualities."""
    if quality is None or not quality.any():
        return np.empty((count, 0), np.uint8)
    return _QUALITY_CELLS[quality]


def number_cells(v: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Matrix:
    """The cells of a column of float64 or integers, every one of them exact."""
    cells = json_number_cells(v, valid)
    if v.dtype == np.float64 and np.isinf(v).any():
        cells = cell_matrix.written(cells, v == np.inf, b"inf")
        cells = cell_matrix.written(cells, v == -np.inf, b"-inf")
    return cells


def json_number_cells(v: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Matrix:
    """The same as JSON, which has null instead of what is infinite."""
    if not len(v):
        return np.empty((0, 0), np.uint8)
    values = np.ascontiguousarray(v)
    cells = cell_matrix.split(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1])
    return cells if valid is None else cell_matrix.written(cells, ~valid, NULL.encode())


def value_cells(values: list[Any]) -> list[bytes]:
    """The cells of a column of any values."""
    return [text_of(value).encode("utf-8", "surrogatepass") for value in values]

"""Files as they are written and read: compressed by their ending, and written whole or not at all.

The trap: how far the reading is, is told in bytes as they lie on disk, packed or not.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from labmon.errors import BadRequestError
from labmon.transfer.problem import UnreadableFileError
from labmon.whole_file import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_LEVEL: Final = 3
"""Of gzip: three times as fast as its default, and a tenth larger."""


def format_of(path: Path) -> str:
    """The format of a file by its ending, `.gz` left out.

    Raises:
        BadRequestError: the ending says nothing.
    """
    name = path.with_suffix("") if path.suffix == ".gz" else path
    if name.suffix.lower() not in FORMATS:
        raise BadRequestError(
            f"{path}: the ending is none of {', '.join(FORMATS)} (and .gz): give --format"
        )
    return FORMATS[name.suffix.lower()]


@contextmanager
def written(path: Path | None, *, force: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to, which gets its name once all of it is on disk; None: standard output.

    Raises:
        BadRequestError: it exists, and `force` is not given.
        OSError: it cannot be written; names it.
    """
    try:
        if path is None:
            with _standard_output() as file:
                yield file
            return
        with replaced(path, force=force) as part, part.open("xb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", _LEVEL, file, 0) as packed:
                    yield packed  # pyright: ignore[reportReturnType] - an IO[bytes] but in name
            else:
                yield file
    except OSError as error:
        if error.filename is None:
            error.filename = "standard output" if path is None else str(path)
        raise


@contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    """Standard output; bare, as with PYTHONUNBUFFERED, it may take a part without a word."""
    file = sys.stdout.buffer
    if isinstance(file, io.RawIOBase):
        with open(file.fileno(), "wb", closefd=False) as whole:
            yield whole
    else:
        yield file
        file.flush()


@contextmanager
def read(path: Path) -> Iterator[IO[bytes]]:
    """A file to read from.

    Raises:
        UnreadableFileError: it is damaged, or no gzip in spite of its name.
    """
    with path.open("rb") as file:
        if path.suffix != ".gz":
            yield file
            return
        try:
            with gzip.GzipFile("", "rb", fileobj=file) as unpacked:
                yield unpacked  # pyright: ignore[reportReturnType] - as above
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableFileError(f"{path}: {error}: unpack it with gzip to see more") from None


def position(file: IO[bytes]) -> int:
    """How much of a file that `read` opened has been read, as it lies on disk."""
    packed: Any = file.fileobj if isinstance(file, gzip.GzipFile) else file
    return packed.tell()


def line_breaks(data: bytes) -> int:
    """How many line breaks there are: what `bytes.count` says, several times as fast."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))

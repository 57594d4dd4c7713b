"""`open_reader`: the reader of a file by its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labmon.transfer.csv_reader import CsvReader
from labmon.transfer.jsonl_reader import JsonLinesReader

if TYPE_CHECKING:
    from pathlib import Path

    from labmon.transfer.rows import Reader, Wanted


def open_reader(path: Path, format: str, wanted: Wanted) -> Reader:
    """The reader of a file.

    Raises:
        UnreadableFileError: the file cannot be read.
        ModuleNotFoundError: it is Parquet, and pyarrow is not installed.
    """
    if format == "jsonl":
        return JsonLinesReader(path, wanted)
    if format == "csv":
        return CsvReader(path, wanted)
    from labmon.transfer.parquet_reader import ParquetReader

    return ParquetReader(path, wanted)

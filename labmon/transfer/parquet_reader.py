"""Parquet as rows of streams: files of ours, and one column of any file.

The trap: numbers of rows take the place of lines in messages; they count from 1.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon import paths
from labmon.errors import BadRequestError
from labmon.transfer.description import Description
from labmon.transfer.parquet_writer import KEY
from labmon.transfer.problem import Problem, UnreadableFileError
from labmon.transfer.rows import (
    Header,
    Rows,
    Wanted,
    checked_value,
    column_of,
    time_title,
    wanted_title,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Report = Callable[[Problem], None]

ROWS: Final = 65_536
_OWN: Final = ("time", "path", "value", "integer", "json", "quality")


class ParquetReader:
    """Reads one Parquet file; see `Reader`."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        """Read the schema.

        Raises:
            UnreadableFileError: it is no Parquet, or has no such columns.
        """
        import pyarrow as pa
        from pyarrow import parquet

        self._path = path
        self._wanted = wanted
        self.header = Header()
        self.at = 0
        try:
            with parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                self.size = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFileError.at(path.name, 0, f"is no Parquet file: {error}") from None
        self._names = list(schema.names)
        self._take_about(schema)
        self.header.check_raw(path.name, wanted)
        self._is_own = self.header.is_own and not wanted.is_one_column
        self._time = time_title(self._names, wanted, path, 0)
        self._value = wanted.value_column or "value"
        if not self._is_own:
            wanted_title(self._names, self._value, path, 0)
            if wanted.stream is None and "path" not in self._names:
                text = "there is no column 'path': give --stream PATH"
                raise UnreadableFileError.at(path.name, 0, text)

    def _take_about(self, schema: Any) -> None:
        text = (schema.metadata or {}).get(KEY)
        if text is None:
            return
        try:
            about = json.loads(text)
            self.header.take(about, about.get("version"))
            for data in about.get("streams", ()):
                stream = Description.from_dict(data)
                self.header.streams[stream.path] = stream
        except (ValueError, TypeError, BadRequestError) as error:
            raise UnreadableFileError.at(self._path.name, 0, f"its description {error}") from None

    def pieces(self, report: Report) -> Generator[Rows]:
        """The rows of the file, those of one stream at a time."""
        import pyarrow as pa
        from pyarrow import parquet

        wanted = {*_OWN} if self._is_own else {self._time, self._value, "path", "quality"}
        columns = [name for name in self._names if name in wanted]
        self.at = 0
        try:
            with parquet.ParquetFile(self._path) as file:
                for group in range(file.num_row_groups):  # one by one: else they all stay in memory
                    batches = file.iter_batches(ROWS, [group], columns, use_threads=False)
                    for batch in batches:
                        yield from self._rows(batch, report)
                        self.at += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFileError.at(self._path.name, self.at + 1, str(error)) from None

    def _rows(self, batch: Any, report: Report) -> Iterator[Rows]:
        t = self._times(batch, report)
        lines = np.arange(self.at + 1, self.at + 1 + len(batch))
        for name, of_path in self._by_path(batch):
            rows = of_path[t[of_path] >= 0]
            try:
                path = paths.check_name(name)
            except ValueError as error:
                for line in lines[of_path].tolist():
                    report(Problem(self._path.name, line, "path", str(error)))
                continue
            stream = self.header.describe(path, self._wanted)
            part = batch if len(rows) == len(batch) else batch.take(rows)
            v, is_right = self._values(part, stream, lines[rows], report)
            quality = None
            if "quality" in part.schema.names and self._is_own:
                quality = part.column("quality").to_numpy(zero_copy_only=False)
            found = Rows(path, t[rows], v, quality, lines[rows], self._value)
            yield found if is_right.all() else found.take(is_right)

    def _by_path(self, batch: Any) -> Iterator[tuple[str, NDArray[np.intp]]]:
        if self._wanted.stream is not None:
            yield self._wanted.stream, np.arange(len(batch))
            return
        encoded = batch.column("path")
        if not hasattr(encoded, "dictionary"):
            encoded = encoded.dictionary_encode()
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        for i, path in enumerate(encoded.dictionary.to_pylist()):
            rows = np.flatnonzero(indices == i)
            if len(rows):
                yield str(path), rows

    def _times(self, batch: Any, report: Report) -> NDArray[np.int64]:
        """The times of all rows; -1 where there is none."""
        import pyarrow as pa

        column = batch.column(self._time)
        if not pa.types.is_timestamp(column.type):
            text = f"is of type {column.type}: use timestamps"
            raise UnreadableFileError.at(self._path.name, 0, text, self._time)
        zone = column.type.tz
        nanoseconds = column.cast(pa.timestamp("ns", zone)).cast(pa.int64()).fill_null(-1)
        t = nanoseconds.to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(t < 0).tolist():
            text = "is no time from 1970 on"
            report(Problem(self._path.name, self.at + row + 1, self._time, text))
        return t

    def _values(
        self, part: Any, stream: Description, lines: NDArray[np.int64], report: Report
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        is_right = np.ones(len(part), np.bool_)
        values = self._own_values(part) if self._is_own else _plain_values(part, self._value)
        if values.dtype != object and stream.takes_floats:
            return values, is_right
        found: list[Any] = [None] * len(values)
        for i, value in enumerate(values.tolist()):
            try:
                found[i] = checked_value(value, stream)
            except ValueError as error:
                is_right[i] = False
                report(Problem(self._path.name, int(lines[i]), self._value, str(error)))
        return column_of(found, is_numeric=stream.takes_floats), is_right

    def _own_values(self, part: Any) -> NDArray[Any]:
        """Floats, integers and JSON from the column in which each stands."""
        floats, ints, texts = (part.column(name) for name in ("value", "integer", "json"))
        count = len(part)
        if ints.null_count == texts.null_count == count:
            return _plain_values(part, "value")
        if ints.null_count == 0:
            return ints.to_numpy(zero_copy_only=False)
        return np.array(
            [
                None,
                *(
                    json.loads(text) if text is not None else one if one is not None else number
                    for number, one, text in zip(
                        floats.to_pylist(), ints.to_pylist(), texts.to_pylist(), strict=True
                    )
                ),
            ],
            object,
        )[1:]


def _plain_values(part: Any, name: str) -> NDArray[Any]:
    import pyarrow as pa

    column = part.column(name)
    if pa.types.is_floating(column.type):
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_integer(column.type) and column.null_count == 0:
        return column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    values = np.empty(len(column), object)
    values[:] = column.to_pylist()
    return values

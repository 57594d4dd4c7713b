"""Rows as Parquet: one row for each datapoint, values in a column for each kind of value.

Only this module and `parquet_reader` import pyarrow, which comes with the extra `export`. The
trap: Parquet has one type for each column, so a float stands in `value`, an integer in `integer`,
and everything else as JSON in `json`; where all three are null there is no value.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from labmon.transfer.description import VERSION
from labmon.transfer.rows import is_int64

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from labmon.transfer.description import Description
    from labmon.transfer.snapshot import Piece

KEY: Final = b"labmon"
GROUP: Final = 262_144
"""Rows of one row group, about."""


class ParquetWriter:
    """Writes one file; rows are gathered into row groups.

    Args:
        file: where to; it is not closed.
        streams: all that will come.
        granularity: their granularity, as a word.
        fields: of rollups; none: raw datapoints.
    """

    def __init__(
        self,
        file: IO[bytes],
        streams: Sequence[Description],
        granularity: str,
        fields: Sequence[str],
    ) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        about = {"version": VERSION, "granularity": granularity}
        about["streams"] = [stream.to_dict() for stream in streams]
        self._fields = list(fields)
        self._schema = pa.schema(
            [
                pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
                pa.field("path", pa.dictionary(pa.int32(), pa.string()), nullable=False),
                *(_raw_fields(pa) if not fields else _rollup_fields(pa, fields)),
            ],
            {KEY: json.dumps(about).encode()},
        )
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, piece: Piece) -> None:
        """Write some rows of one stream."""
        import pyarrow as pa

        count = len(piece)
        indices = pa.array(np.zeros(count, np.int32))
        paths = pa.DictionaryArray.from_arrays(indices, pa.array([piece.stream.path]))
        columns: list[Any] = [pa.array(piece.t).cast(self._schema.field(0).type), paths]
        columns += self._values(piece) if piece.raw is not None else self._rollups(piece)
        self._waiting.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._rows += count
        if self._rows >= GROUP:
            self._flush()

    def _values(self, piece: Piece) -> list[Any]:
        import pyarrow as pa

        raw = piece.raw
        assert raw is not None
        count = len(raw)
        quality = pa.array(raw.qualities())
        if raw.v.dtype == np.float64:
            floats = pa.array(raw.v, mask=np.isnan(raw.v))
            return [floats, pa.nulls(count, pa.int64()), pa.nulls(count, pa.string()), quality]
        if raw.v.dtype == np.int64:
            ints = pa.array(raw.v, mask=None if raw.valid is None else ~raw.valid)
            return [pa.nulls(count, pa.float64()), ints, pa.nulls(count, pa.string()), quality]
        values = raw.v.tolist()
        floats = [value if type(value) is float else None for value in values]
        ints = [value if is_int64(value) else None for value in values]
        others = [
            None if value is None or type(value) is float or is_int64(value) else json.dumps(value)
            for value in values
        ]
        return [
            pa.array(floats, pa.float64()),
            pa.array(ints, pa.int64()),
            pa.array(others, pa.string()),
            quality,
        ]

    def _rollups(self, piece: Piece) -> list[Any]:
        import pyarrow as pa

        columns: list[Any] = []
        for name in self._fields:
            type_ = self._schema.field(name).type
            values = piece.fields.get(name)
            if values is None:
                columns.append(pa.nulls(len(piece), type_))
            elif values.dtype == object:
                texts = [None if value is None else json.dumps(value) for value in values.tolist()]
                columns.append(pa.array(texts, type_))
            else:
                columns.append(pa.array(np.ascontiguousarray(values), type_, from_pandas=True))
        return columns

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema).unify_dictionaries()
            self._writer.write_table(table, row_group_size=max(1, self._rows))
        self._waiting, self._rows = [], 0

    def close(self) -> None:
        """Write what waits, and the foot of the file."""
        self._flush()
        self._writer.close()


def _raw_fields(pa: Any) -> list[Any]:
    return [
        pa.field("value", pa.float64()),
        pa.field("integer", pa.int64()),
        pa.field("json", pa.string()),
        pa.field("quality", pa.uint8(), nullable=False),
    ]


def _rollup_fields(pa: Any, fields: Sequence[str]) -> list[Any]:
    texts = {"most_often", "least_often", "frequencies", "last"}
    types = {name: pa.string() for name in texts} | {"count": pa.int64()}
    return [pa.field(name, types.get(name, pa.float64())) for name in fields]

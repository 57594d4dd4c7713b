"""`Target`: one stream that is imported into, as it is in the store and as the files have it.

The trap: a stream that exists must be the very one that a file describes, or its history would be
relabelled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon import paths
from labmon.datastream.granularity import Granularity

LATE: Final = 8192
"""Late rows between two commits."""

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labmon.datastream.api import Datastream
    from labmon.transfer.description import Description
    from labmon.transfer.rows import Reader, Rows, Wanted
    from labmon.transfer.stash import Checked


@dataclass(slots=True)
class Target:
    """One stream that is imported into.

    Attributes:
        stream: as the file describes it, its path with the prefix.
        id: in the store; None: it is still to be made.
        stored_ns: the newest datapoint before the import; -1: none.
        last_ns: the newest row so far.
        is_float: whether integers of a file of another program are floats here.
    """

    stream: Description
    id: str | None
    stored_ns: int
    last_ns: int = -1
    is_float: bool = False
    is_exact: bool = True
    parts: list[Checked] = field(default_factory=list[Any])
    waiting: int = 0

    def hold(self, rows: Checked) -> None:
        """Keep rows until there are enough of them to be appended."""
        self.parts.append(rows)
        self.waiting += len(rows)

    async def flush(self, datastream: Datastream) -> int:
        """Append what was held; returns how many rows that were."""
        parts, count = self.parts, self.waiting
        self.parts, self.waiting = [], 0
        if parts:
            assert self.id is not None
            t = np.concatenate([part.t for part in parts])
            await datastream.append_array(self.id, t, self._values(parts), _qualities(parts))
        return count

    async def append_late(self, datastream: Datastream, rows: Checked) -> None:
        """Append rows that lie before others, one by one; durable when this returns."""
        assert self.id is not None
        values = self._values([rows]).tolist()
        qualities = bytes(len(rows)) if rows.quality is None else rows.quality.tobytes()
        for i, (time_ns, value, quality) in enumerate(
            zip(rows.t.tolist(), values, qualities, strict=True), 1
        ):
            await datastream.append(self.id, value, time_ns, check_timestamp=False, quality=quality)
            if i % LATE == 0:
                await datastream.commit()
        await datastream.commit()

    def _values(self, parts: list[Checked]) -> NDArray[Any]:
        """The values of some rows as one column, of the type that they have in the store."""
        columns = [part.v for part in parts]
        if self.stream.takes_floats and not self.is_exact and self.is_float:
            columns = [_floats(column) for column in columns]
        if len({column.dtype for column in columns}) == 1:
            return np.concatenate(columns)
        return np.concatenate([_objects(column) for column in columns])

    def learn(self, rows: Rows) -> None:
        """See from a file of another program whether its numbers are floats."""
        if not self.is_float and not self.is_exact:
            self.is_float = rows.v.dtype == np.float64 or any(
                isinstance(value, float) for value in rows.v
            )


def target_of(datastream: Datastream, reader: Reader, rows: Rows, wanted: Wanted) -> Target:
    """The stream that rows go to.

    Raises:
        ValueError, TypeError: it exists and is another one, or its name is none.
    """
    path = paths.check_name(wanted.stored_path(rows.path))
    stream = _at(reader.header.describe(rows.path, wanted), path)
    stream_id = datastream.stream_id(path)
    target = Target(stream, stream_id, -1, is_exact=reader.header.is_own)
    if stream_id is not None:
        _check_same(stream, wanted, datastream.describe(stream_id))
        latest = datastream.latest(stream_id)
        if latest is not None:
            target.stored_ns = latest[0]
            target.is_float = isinstance(latest[1], float)
    return target


async def ensured(datastream: Datastream, stream: Description) -> str:
    """The id of the stream of a description, made if it is not there."""
    return await datastream.ensure_stream(
        {"path": stream.path},
        stream.tags,
        stream.value_downsamplers,
        stream.highest_granularity,
        value_type=stream.value_type,
        value_type_options=stream.value_type_options,
    )


def _at(stream: Description, path: str) -> Description:
    """The description under another path."""
    tags = stream.tags
    if path != stream.path and "device" in tags:
        device, _, channel = path.partition("/")
        tags = tags | {"device": device, "channel": channel or device}
    return replace(stream, path=path, tags=tags)


def _check_same(stream: Description, wanted: Wanted, known: dict[str, Any]) -> None:
    """Refuse to go on with a stream that is another than the file's.

    Raises:
        ValueError: it differs, or is derived.
    """
    if known["derived_from"] is not None:
        raise ValueError(f"{stream.path} is derived from other streams: nothing can be added to it")
    granularity = Granularity.find(known["highest_granularity"]).name.lower()
    pairs = {
        "value_type": (known["value_type"], wanted.value_type or stream.value_type),
        "value_type_options": (known["value_type_options"], stream.value_type_options),
        "value_downsamplers": (known["value_downsamplers"], list(stream.value_downsamplers)),
        "highest_granularity": (granularity, stream.highest_granularity),
        "unit": (known.get("unit", ""), stream.unit if wanted.unit is None else wanted.unit),
    }
    differences = [
        f"{name} is {old!r} in the store and {new!r} in the file"
        for name, (old, new) in pairs.items()
        if old != new
    ]
    if differences:
        raise ValueError(
            f"{stream.path} exists and differs: {'; '.join(differences)}."
            " A history is never relabelled: use --prefix, or another path"
        )


def _floats(column: NDArray[Any]) -> NDArray[Any]:
    """Integers among numbers as floats; rollups stay what they are."""
    if column.dtype == object and any(isinstance(value, dict) for value in column):
        return column
    return column.astype(np.float64)  # None becomes NaN


def _objects(column: NDArray[Any]) -> NDArray[Any]:
    objects = column.astype(object)
    if column.dtype == np.float64:
        objects[np.isnan(column)] = None
    return objects


def _qualities(parts: list[Checked]) -> NDArray[np.uint8] | None:
    if all(part.quality is None for part in parts):
        return None
    return np.concatenate(
        [np.zeros(len(part), np.uint8) if part.quality is None else part.quality for part in parts]
    )

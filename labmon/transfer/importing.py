"""An import: files into a store, all of them or nothing.

The files are read twice: once to check every row, and only where all of them are good (or the bad
ones may be left out) a second time to append them. The trap: the check must decide exactly as the
appending does, so both go through `Intake.admit`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon import paths
from labmon.datastream.exceptions import DatastreamException
from labmon.timestamps import SECOND_NS, to_iso
from labmon.transfer.problem import Problem, Problems, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.api import Datastream
    from labmon.transfer.description import Description
    from labmon.transfer.rows import Reader, Rows, Wanted

    Moved = Callable[[int, int], None]

PORTION: Final = 131_072
"""Rows of one stream that are appended together."""
WAITING: Final = 1 << 20
"""Rows of all streams that wait for others at most."""
LATE: Final = 8192
"""Late rows between two commits."""
AHEAD_NS: Final = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Rules:
    """What is taken.

    Attributes:
        skip_bad: leave bad rows out instead of importing nothing.
        late: also take rows that are not after the newest datapoint of their stream.
        only_newer: leave them out without a word, and count them.
    """

    skip_bad: bool = False
    late: bool = False
    only_newer: bool = False


@dataclass(slots=True)
class Counts:
    """What an import came to.

    Attributes:
        rows: datapoints that are taken.
        bad: rows that were left out because they are bad.
        older: rows that were left out because they are not newer.
        late: datapoints that were sorted in before others.
    """

    rows: int = 0
    bad: int = 0
    older: int = 0
    late: int = 0
    streams: dict[str, int] = field(default_factory=dict[str, int])
    new_streams: list[str] = field(default_factory=list[str])


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
    parts: list[Rows] = field(default_factory=list[Any])
    waiting: int = 0


class Importer:
    """Imports some files into an open store.

    Args:
        datastream: open; read-only is enough to check.
        readers: of the files, in this order.
        wanted: what the readers were told.
        now_ns: rows that lie more than a minute after it are refused.
    """

    def __init__(
        self,
        datastream: Datastream,
        readers: Sequence[tuple[str, Reader]],
        wanted: Wanted,
        rules: Rules,
        now_ns: int,
    ) -> None:
        self._datastream = datastream
        self._readers = readers
        self._wanted = wanted
        self._rules = rules
        self._now_ns = now_ns
        self._targets: dict[str, Target] = {}
        self._waiting = 0
        self.counts = Counts()
        self.problems = Problems()

    async def check(self, moved: Moved = lambda *_: None) -> None:
        """Read all files and judge every row; the store stays as it is.

        Args:
            moved: is told (bytes read, bytes in all), of Parquet rows.

        Raises:
            UnreadableFileError, BadRequestError: a file or a stream cannot be imported at all.
        """
        for name, reader in self._readers:
            for rows in reader.pieces(self.problems.add):
                self._admit(name, reader, rows)
                self._tell(moved)
                await asyncio.sleep(0)
        self._finish_counts()

    def _tell(self, moved: Moved) -> None:
        readers = [reader for _, reader in self._readers]
        moved(sum(reader.at for reader in readers), sum(reader.size for reader in readers))

    def _finish_counts(self) -> None:
        self.counts.bad = self.problems.count
        for path, target in self._targets.items():
            if target.id is None:
                self.counts.new_streams.append(path)

    @property
    def is_refused(self) -> bool:
        """Whether nothing may be imported, because of what the check found."""
        return bool(self.problems.count) and not self._rules.skip_bad

    async def append(self, moved: Moved = lambda *_: None) -> Counts:
        """Read the files again and append; returns when all of it is durable.

        Args:
            moved: as for `check`.

        Raises:
            DatastreamException: the store did not take it; what was taken until then stays.
        """
        await self._make_streams()
        self.counts, self.problems = Counts(new_streams=self.counts.new_streams), Problems()
        for target in self._targets.values():
            target.last_ns = -1
        for name, reader in self._readers:
            pieces = reader.pieces(self.problems.add)
            # the next piece is read while the store works on the one before
            reading = asyncio.create_task(asyncio.to_thread(next, pieces, None))
            try:
                while (rows := await reading) is not None:
                    reading = asyncio.create_task(asyncio.to_thread(next, pieces, None))
                    await self._take(name, reader, rows)
                    self._tell(moved)
            finally:
                await asyncio.gather(reading, return_exceptions=True)
                pieces.close()
        for target in self._targets.values():
            await self._flush(target)
        await self._datastream.commit()
        self.counts.bad = self.problems.count
        return self.counts

    async def _make_streams(self) -> None:
        for target in self._targets.values():
            if target.id is None:
                target.id = await _ensured(self._datastream, target.stream)

    async def _take(self, name: str, reader: Reader, rows: Rows) -> None:
        target, rows, late = self._admit(name, reader, rows)
        if target is None:
            return
        if len(rows):
            target.parts.append(rows)
            target.waiting += len(rows)
            self._waiting += len(rows)
        if target.waiting >= PORTION or late is not None:
            await self._flush(target)
        if late is not None:
            await self._append_late(target, late)
        if self._waiting >= WAITING:
            for each in self._targets.values():
                await self._flush(each)

    async def _flush(self, target: Target) -> None:
        parts, target.parts = target.parts, []
        self._waiting -= target.waiting
        target.waiting = 0
        if not parts:
            return
        assert target.id is not None
        t = np.concatenate([part.t for part in parts])
        await self._datastream.append_array(target.id, t, _values(parts, target), _qualities(parts))

    async def _append_late(self, target: Target, rows: Rows) -> None:
        assert target.id is not None
        values = _values([rows], target).tolist()
        qualities = bytes(len(rows)) if rows.quality is None else rows.quality.tobytes()
        for i, (time_ns, value, quality) in enumerate(
            zip(rows.t.tolist(), values, qualities, strict=True), 1
        ):
            await self._datastream.append(
                target.id, value, time_ns, check_timestamp=False, quality=quality
            )
            if i % LATE == 0:
                await self._datastream.commit()
        await self._datastream.commit()

    def _admit(
        self, name: str, reader: Reader, rows: Rows
    ) -> tuple[Target | None, Rows, Rows | None]:
        """(target, rows in order, late rows) of what may be appended."""
        if not len(rows):
            return None, rows, None
        target = self._target(name, reader, rows)
        rows = self._refused(
            name, rows, rows.t <= self._now_ns + AHEAD_NS, lambda _: "lies in the future"
        )
        rows, late = self._in_order(name, rows, target)
        if not target.is_float and not target.is_exact:
            target.is_float = rows.v.dtype == np.float64 or any(
                isinstance(value, float) for value in rows.v
            )
        taken = len(rows) + (0 if late is None else len(late))
        self.counts.rows += taken
        self.counts.late += 0 if late is None else len(late)
        path = target.stream.path
        self.counts.streams[path] = self.counts.streams.get(path, 0) + taken
        return target, rows, late

    def _in_order(self, name: str, rows: Rows, target: Target) -> tuple[Rows, Rows | None]:
        """The rows that follow those before, and the late ones where these are taken."""
        if not len(rows):
            return rows, None
        if self._rules.only_newer:
            is_newer = rows.t > target.stored_ns
            self.counts.older += int(np.count_nonzero(~is_newer))
            rows = rows.take(is_newer)
        newest = np.maximum.accumulate(np.concatenate(([target.last_ns], rows.t)))
        target.last_ns = int(newest[-1])
        is_next = rows.t >= newest[:-1]
        is_new = rows.t > target.stored_ns
        if is_next.all() and is_new.all():
            return rows, None
        if self._rules.late:
            is_regular = is_next & (rows.t >= target.stored_ns)
            late = rows.take(~is_regular)
            return rows.take(is_regular), late if len(late) else None
        rows, is_next = self._refuse_old(name, rows, target, is_new, is_next)

        def why(i: int) -> str:
            time, before = to_iso(int(rows.t[i])), to_iso(int(np.max(rows.t[:i], initial=0)))
            return (
                f"{time} is before a row above it, of {before}:"
                " sort the file by time, or give --late"
            )

        return self._refused(name, rows, is_next, why), None

    def _refuse_old(
        self,
        name: str,
        rows: Rows,
        target: Target,
        is_new: NDArray[np.bool_],
        is_next: NDArray[np.bool_],
    ) -> tuple[Rows, NDArray[np.bool_]]:
        """Without the rows that are not after the newest datapoint: of them one is told for all."""
        if is_new.all():
            return rows, is_next
        first, count = int(np.argmin(is_new)), int(np.count_nonzero(~is_new))
        more = f" ({count:,} such rows here)" if count > 1 else ""
        text = (
            f"{to_iso(int(rows.t[first]))} is not after the newest datapoint of"
            f" {target.stream.path}, {to_iso(target.stored_ns)}{more}:"
            " --only-newer leaves such rows out, --late adds them all the same"
        )
        self.problems.add(Problem(name, int(rows.lines[first]), "time", text), count)
        return rows.take(is_new), is_next[is_new]

    def _refused(
        self, name: str, rows: Rows, is_good: NDArray[np.bool_], why: Callable[[int], str]
    ) -> Rows:
        """The good rows; the others are reported."""
        if is_good.all():
            return rows
        for i in np.flatnonzero(~is_good).tolist():
            self.problems.add(Problem(name, int(rows.lines[i]), "time", why(i)))
        return rows.take(is_good)

    def _target(self, name: str, reader: Reader, rows: Rows) -> Target:
        path = self._wanted.stored_path(rows.path)
        target = self._targets.get(path)
        if target is None:
            try:
                target = self._new_target(path, reader, rows)
            except (DatastreamException, ValueError, TypeError) as error:
                line = int(rows.lines[0])
                raise UnreadableFileError.at(name, line, str(error), rows.column) from None
            self._targets[path] = target
        return target

    def _new_target(self, path: str, reader: Reader, rows: Rows) -> Target:
        stream = _at(reader.header.describe(rows.path, self._wanted), paths.check_name(path))
        stream_id = self._datastream.stream_id(path)
        target = Target(stream, stream_id, -1, is_exact=reader.header.is_own)
        if stream_id is not None:
            _check_same(stream, self._wanted, self._datastream.describe(stream_id))
            latest = self._datastream.latest(stream_id)
            if latest is not None:
                target.stored_ns = latest[0]
                target.is_float = isinstance(latest[1], float)
        return target


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
    granularity = known["highest_granularity"].name.lower()
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


async def _ensured(datastream: Datastream, stream: Description) -> str:
    return await datastream.ensure_stream(
        {"path": stream.path},
        stream.tags,
        stream.value_downsamplers,
        stream.highest_granularity,
        value_type=stream.value_type,
        value_type_options=stream.value_type_options,
    )


def _values(parts: list[Rows], target: Target) -> NDArray[Any]:
    """The values of some rows as one column, of the type that they have in the store."""
    is_numeric = target.stream.is_numeric and not target.stream.is_decimal
    columns = [part.v for part in parts]
    if is_numeric and not target.is_exact and target.is_float:
        columns = [_floats(column) for column in columns]
    if len({column.dtype for column in columns}) == 1:
        return np.concatenate(columns)
    return np.concatenate([_objects(column) for column in columns])


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


def _qualities(parts: list[Rows]) -> NDArray[np.uint8] | None:
    if all(part.quality is None for part in parts):
        return None
    return np.concatenate(
        [np.zeros(len(part), np.uint8) if part.quality is None else part.quality for part in parts]
    )

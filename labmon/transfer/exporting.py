"""An export: chosen streams of a store, for a span of time, at one granularity, into one file.

Everything is read and written piece by piece. The trap: the streams are those of the moment at
which the store was opened; what a server records meanwhile is in the next export.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

from labmon.datastream.granularity import Granularity
from labmon.errors import BadRequestError, NotFoundError
from labmon.timestamps import MAX_NS
from labmon.transfer import csv_writer, jsonl_writer
from labmon.transfer.lanes import side_by_side
from labmon.transfer.snapshot import PIECE_BLOCKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from labmon.paths import Selection
    from labmon.transfer.description import Description
    from labmon.transfer.snapshot import Piece, Snapshot

FORMATS: Final = ("csv", "jsonl", "parquet")
_BLOCKS: Final = 512
"""Blocks of all streams together that are decoded at a time, where they stand side by side."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be exported, and how.

    Attributes:
        selection: which streams; None: all.
        start_ns, end_ns: `start_ns <= t < end_ns`.
        fields: of rollups; None: all downsamplers of the streams.
        is_long: CSV with a row for each datapoint; else the streams stand side by side.
        is_plain: CSV without the comment lines that an import reads.
    """

    format: str
    selection: Selection | None = None
    start_ns: int = 0
    end_ns: int = MAX_NS
    granularity: Granularity = Granularity.Raw
    fields: tuple[str, ...] | None = None
    is_long: bool = False
    is_plain: bool = False


@dataclass(slots=True)
class Progress:
    """How far an export is; `changed` is called after each piece.

    Attributes:
        pieces: to be read in all.
        done: of them have been.
        rows: datapoints or buckets that were written.
    """

    changed: Callable[[Progress], None] = lambda _: None
    pieces: int = 0
    done: int = 0
    rows: int = 0
    left_out: list[str] = field(default_factory=list[str])
    """Streams that have no such rollups."""
    removed: dict[str, int] = field(default_factory=dict[str, int])
    """By path, the times until which retention has removed what was asked for."""

    def advance(self, rows: int) -> None:
        """One piece was read."""
        self.done += 1
        self.rows += rows
        self.changed(self)


async def export(snapshot: Snapshot, wanted: Export, file: IO[bytes], progress: Progress) -> None:
    """Write an export to a file.

    Raises:
        NotFoundError: no stream is selected.
        BadRequestError: a field is asked for that none of the streams has.
    """
    job = _Job(snapshot, wanted, file, progress)
    if not job.streams:
        raise NotFoundError(_nothing(snapshot, wanted, progress))
    blocks = max(1, min(PIECE_BLOCKS, _BLOCKS // len(job.streams))) if job.is_wide else PIECE_BLOCKS
    for stream in job.streams:
        until_ns = snapshot.removed_until(stream, wanted.granularity, wanted.start_ns)
        if until_ns is not None:
            progress.removed[stream.path] = until_ns
        span = (wanted.start_ns, wanted.end_ns)
        progress.pieces += len(await snapshot.cuts(stream, wanted.granularity, *span, blocks))
    if wanted.format == "parquet":
        await job.parquet()
    elif wanted.format == "jsonl":
        await job.jsonl()
    elif wanted.is_long:
        await job.long_csv()
    else:
        await job.wide_csv(blocks)


def _nothing(snapshot: Snapshot, wanted: Export, progress: Progress) -> str:
    if progress.left_out:
        return f"there are no such rollups of {', '.join(progress.left_out)}: see labmon inspect"
    known = [stream.path for stream in snapshot.select(None)]
    if not known:
        return "the store has no streams yet"
    shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
    globs = " ".join(wanted.selection.globs) if wanted.selection else ""
    return f"no stream is selected by {globs!r}; there is {shown}"


class _Job:
    """One export that is under way."""

    def __init__(
        self, snapshot: Snapshot, wanted: Export, file: IO[bytes], progress: Progress
    ) -> None:
        self._snapshot = snapshot
        self._wanted = wanted
        self._file = file
        self._progress = progress
        self.is_wide = wanted.format == "csv" and not wanted.is_long
        self._fields: dict[str, tuple[str, ...]] = {}
        self.streams = [one for one in snapshot.select(wanted.selection) if self._has_rows(one)]
        self._all_fields = tuple(
            dict.fromkeys(name for names in self._fields.values() for name in names)
        )
        if self.streams and (missing := sorted(set(wanted.fields or ()) - set(self._all_fields))):
            raise BadRequestError(f"none of the streams has the field {', '.join(missing)}")

    def _has_rows(self, stream: Description) -> bool:
        if self._wanted.granularity is Granularity.Raw:
            return True
        is_finer = self._wanted.granularity >= Granularity.find(stream.highest_granularity)
        asked = self._wanted.fields
        names = [name for name in stream.value_downsamplers if asked is None or name in asked]
        if is_finer or not names:
            self._progress.left_out.append(stream.path)
            return False
        self._fields[stream.path] = tuple(names)
        return True

    @property
    def _word(self) -> str:
        return self._wanted.granularity.name.lower()

    async def _pieces(
        self, stream: Description, blocks: int = PIECE_BLOCKS
    ) -> AsyncIterator[Piece]:
        wanted = self._wanted
        span = (wanted.start_ns, wanted.end_ns)
        fields = self._fields.get(stream.path, ())
        async for piece in self._snapshot.pieces(stream, wanted.granularity, *span, fields, blocks):
            yield piece
            self._progress.advance(len(piece))

    async def _all_pieces(self) -> AsyncIterator[Piece]:
        for stream in self.streams:
            async for piece in self._pieces(stream):
                if len(piece):
                    yield piece

    def _comments(self, layout: str) -> None:
        if not self._wanted.is_plain:
            self._file.writelines(csv_writer.comments(self.streams, self._word, layout))

    async def long_csv(self) -> None:
        self._comments("long")
        self._file.write(csv_writer.title_line(csv_writer.long_titles(self._all_fields)))
        async for piece in self._all_pieces():
            self._file.write(csv_writer.long_lines(piece, self._all_fields))

    async def wide_csv(self, blocks: int) -> None:
        self._comments("wide")
        fields: Sequence[Any] = [self._fields.get(stream.path, ()) for stream in self.streams]
        titles = csv_writer.wide_titles(self.streams, fields)
        self._file.write(csv_writer.title_line(titles))
        lanes = [self._pieces(stream, blocks) for stream in self.streams]
        async for table in side_by_side(lanes):
            self._file.write(csv_writer.wide_lines(table, fields))

    async def jsonl(self) -> None:
        self._file.write(jsonl_writer.about_line(self._word))
        for stream in self.streams:
            self._file.write(jsonl_writer.stream_line(stream))
            async for piece in self._pieces(stream):
                if len(piece):
                    self._file.write(jsonl_writer.lines(piece, self._all_fields))

    async def parquet(self) -> None:
        from labmon.transfer.parquet_writer import ParquetWriter

        writer = ParquetWriter(self._file, self.streams, self._word, self._all_fields)
        async for piece in self._all_pieces():
            writer.write(piece)
        writer.close()

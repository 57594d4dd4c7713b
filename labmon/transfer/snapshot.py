"""`Snapshot`: a store as it is at one moment, read beside whoever writes to it, piece by piece.

The trap: it holds one read transaction for as long as it is open, so a server beside it cannot
shorten its write-ahead log meanwhile; nothing else waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.api import Datastream
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import floor_ns, midnights
from labmon.datastream.shape import column
from labmon.transfer.description import Description

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from numpy.typing import NDArray

    from labmon.datastream.backends.base import Backend
    from labmon.datastream.columns import Columns
    from labmon.paths import Selection

PIECE_BLOCKS: Final = 16
"""Blocks of one stream that are decoded together, at most."""
COARSE_BUCKETS: Final = 4096
"""A piece of rollups spans at least so many buckets."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a stream's rows, in the order of time.

    Attributes:
        stream: whose they are.
        until_ns: all of the stream's rows before it are in this piece or came earlier.
        t: times of datapoints, or starts of buckets.
        raw: the datapoints; None where these are rollups.
        fields: of rollups: column by name.
    """

    stream: Description
    until_ns: int
    t: NDArray[Any]
    raw: Columns | None
    fields: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.t)

    def rows(self, first: int, last: int) -> Piece:
        """Some of the rows, sharing memory."""
        part = slice(first, last)
        raw = None if self.raw is None else self.raw[part]
        fields = {name: values[part] for name, values in self.fields.items()}
        return Piece(self.stream, self.until_ns, self.t[part], raw, fields)


class Snapshot(Datastream):
    """A store that is open for reading; `async with Snapshot(url) as snapshot`."""

    def __init__(self, url: str | Backend) -> None:
        super().__init__(url, read_only=True)

    def select(self, selection: Selection | None) -> list[Description]:
        """The streams whose paths are selected, by path; None selects all that have a path."""
        chosen = [path for path in self.paths() if selection is None or path in selection]
        found = [self.stream_id(path) for path in sorted(chosen)]
        return [Description.of_descriptor(self.describe(one)) for one in found if one is not None]

    @property
    def unnamed(self) -> int:
        """How many streams have no path."""
        return sum(stream.path is None for stream in self._engine.catalogue)

    @property
    def damaged(self) -> list[str]:
        """Why blocks could not be read so far: their datapoints are left out."""
        return list(self._engine.blocks.damaged.values())

    def removed_until(
        self, description: Description, granularity: Granularity, start_ns: int
    ) -> int | None:
        """Until when retention has removed what a stream had from a time on; None: nothing."""
        stream = self._engine.catalogue.at(description.path)
        assert stream is not None
        until_ns = floor_ns(stream, granularity)
        return until_ns if until_ns > max(start_ns, stream.earliest_ns) else None

    async def cuts(
        self,
        description: Description,
        granularity: Granularity,
        start_ns: int,
        end_ns: int,
        blocks: int = PIECE_BLOCKS,
    ) -> list[int]:
        """The ends of the pieces of a range, ascending; empty where there is nothing."""
        stream = self._engine.catalogue.at(description.path)
        assert stream is not None
        earliest_ns = granularity.round_timestamp(max(0, stream.earliest_ns))
        start_ns = max(start_ns, earliest_ns, floor_ns(stream, granularity))
        end_ns = min(end_ns, stream.latest_ns + 1)
        if start_ns >= end_ns:
            return []
        found = await self._engine.blocks.of(stream, Granularity.Raw.key)
        starts = found.starts(start_ns, end_ns)
        cuts = [start_ns]
        for cut_ns in sorted({*midnights(stream, start_ns, end_ns), *starts[blocks::blocks]}):
            rounded_ns = granularity.round_timestamp(cut_ns)
            if rounded_ns - cuts[-1] > COARSE_BUCKETS * granularity.duration_ns:
                cuts.append(rounded_ns)
        return [*cuts[1:], end_ns]

    async def pieces(
        self,
        description: Description,
        granularity: Granularity,
        start_ns: int,
        end_ns: int,
        fields: Sequence[str] = (),
        blocks: int = PIECE_BLOCKS,
    ) -> AsyncIterator[Piece]:
        """The rows of `start_ns <= t < end_ns`, a piece for each of `cuts`."""
        stream = self._engine.catalogue.at(description.path)
        assert stream is not None
        for until_ns in await self.cuts(description, granularity, start_ns, end_ns, blocks):
            if granularity is Granularity.Raw:
                columns = await self._engine.raw.columns(stream, start_ns, until_ns)
                yield Piece(description, until_ns, columns.t, columns, {})
            else:
                rows = await self._engine.levels.rollups(stream, granularity, start_ns, until_ns)
                values = {name: column(rows, name) for name in fields}
                yield Piece(description, until_ns, rows.t, None, values)
            start_ns = until_ns

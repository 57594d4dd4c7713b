"""`inspect`: what is in a store, stream by stream, from the outlines of its blocks alone.

The trap: bytes are told of what is in blocks; what is still in the journal has no size of its own
yet. And blocks are not read, so damage within them is not seen here, only that some are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.backends.base import StreamSize
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import finest_from
from labmon.upkeep import sqlite_file
from labmon.upkeep.contents import current_outlines, opened
from labmon.upkeep.heads import Head, replayed
from labmon.upkeep.outline_check import OutlineCheck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labmon.datastream.stream import Stream
    from labmon.upkeep.contents import StoreContents
    from labmon.upkeep.sqlite_file import FileFacts


NOTHING: Final = StreamSize(0, 0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One stream.

    Attributes:
        path: or its id, where it has none.
        count: datapoints, of which `journal_count` are not in blocks yet.
        first_ns, last_ns: None where there are none.
        size: what it takes on disk.
        levels: buckets stored, by the word of the granularity.
        removed_count: datapoints that retention has removed.
        removed_until: before which time (a midnight) it removed all of a level, by its word.
        oldest_level: the finest level that goes back as far as anything of the stream does.
    """

    id: str
    path: str
    value_type: str
    unit: str
    is_derived: bool
    count: int
    journal_count: int
    first_ns: int | None
    last_ns: int | None
    blocks: int
    size: StreamSize
    levels: dict[str, int]
    removed_count: int
    removed_until: dict[str, int]
    oldest_level: str


@dataclass(slots=True)
class Inspection:
    """What is in a store.

    Attributes:
        problems: what could not be read; empty: all is well as far as was looked.
        damage: what was lost, as far as is known without reading blocks.
        notes: what earlier starts found damaged and put aside.
    """

    store: str
    node: str
    streams: list[StreamFacts] = field(default_factory=list[StreamFacts])
    journal_entries: int = 0
    journal_bytes: int = 0
    file: FileFacts | None = None
    problems: list[str] = field(default_factory=list[str])
    damage: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])

    @property
    def count(self) -> int:
        """Datapoints of all streams."""
        return sum(stream.count for stream in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """As plain data; times are int nanoseconds."""
        streams = [_plain(stream) for stream in self.streams]
        file = self.file
        return {
            "store": self.store,
            "node": self.node,
            "count": self.count,
            "streams": streams,
            "journal": {"entries": self.journal_entries, "bytes": self.journal_bytes},
            "file": file and {name: getattr(file, name) for name in type(file).__slots__},
            "problems": self.problems,
            "damage": self.damage,
            "notes": self.notes,
        }


def _plain(stream: StreamFacts) -> dict[str, Any]:
    plain = {name: getattr(stream, name) for name in StreamFacts.__slots__ if name != "size"}
    size = stream.size
    return plain | {
        "raw_bytes": size.raw_bytes,
        "rollup_bytes": size.rollup_bytes,
        "time_bytes": size.time_bytes,
        "size_bytes": size.total_bytes,
        "bytes_per_datapoint": size.bytes_per_datapoint,
    }


async def inspect(url: str, moved: Callable[[int, int], None] = lambda *_: None) -> Inspection:
    """Look at a store.

    Args:
        url: its address.
        moved: is told (streams done, streams in all).

    Raises:
        StoreError: it cannot be opened.
    """
    path = sqlite_file.path_of(url)
    async with opened(url) as contents:
        found = Inspection(url, contents.node)
        found.journal_entries = len(contents.entries)
        found.problems += [f"stream {name}: {text}" for name, text in contents.broken.items()]
        journal = await replayed(contents)
        found.journal_bytes = journal.size
        found.problems += [f"{fault.which}: {fault.text}" for fault in journal.faults]
        sizes = await contents.backend.read_sizes()
        for number, stream in contents.streams.items():
            head = journal.heads[number]
            found.streams.append(await _facts(contents, stream, head, sizes.get(number, NOTHING)))
            raw = await current_outlines(contents.backend, stream, Granularity.Raw.key)
            found.damage += map(str, OutlineCheck(stream, raw).findings)
            moved(len(found.streams), len(contents.streams))
        if path is not None:
            found.damage += _lost(contents, path)
        found.notes += await _set_aside(contents)
    found.streams.sort(key=lambda stream: stream.path)
    if path is not None:
        found.file = sqlite_file.facts(path)
        found.problems += found.file.findings
    return found


def _lost(contents: StoreContents, path: Path) -> list[str]:
    names = {number: stream.path or stream.id for number, stream in contents.streams.items()}
    return [f"{names.get(stream, stream)}: {what}" for stream, what in sqlite_file.lost(path)]


async def _set_aside(contents: StoreContents) -> list[str]:
    """What earlier starts found damaged, and put aside."""
    entries = len(await contents.backend.read_cursors("damaged/"))
    what = "entry was" if entries == 1 else "entries were"
    said = [f"{entries} damaged journal {what} set aside by earlier starts"] if entries else []
    if files := contents.backend.set_aside.files:
        said.append(f"a damaged database was set aside: {', '.join(files)}")
    return said


async def _facts(
    contents: StoreContents, stream: Stream, head: Head, size: StreamSize
) -> StreamFacts:
    state = stream.state
    levels: dict[str, int] = {}
    blocks = 0
    for granularity in Granularity.values:
        outlines = await current_outlines(contents.backend, stream, granularity.key)
        blocks += len(outlines)
        if granularity is not Granularity.Raw and outlines:
            levels[granularity.name.lower()] = sum(outline.length for outline in outlines)
    firsts = [time_ns for time_ns in (state.first_ns, head.first_ns) if time_ns >= 0]
    last_ns = max(state.last_ns, head.last_ns)
    return StreamFacts(
        stream.id,
        stream.path or stream.id,
        stream.config.value_type,
        str(stream.tags.get("unit", "")),
        stream.config.derived_from is not None,
        state.through - state.removed + head.count,
        head.count,
        min(firsts, default=None),
        None if last_ns < 0 else last_ns,
        blocks,
        size,
        levels,
        state.removed,
        {Granularity.find(key).name.lower(): ns for key, ns in state.floors.items()},
        finest_from(stream, 0).name.lower(),
    )

"""`verify`: every byte of a store that has a checksum, and everything that can be computed again.

Stream by stream: each block once, its order, its rollups against its datapoints; and the journal.
The trap: memory must not grow with the store, so nothing is kept of a block that was compared.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labmon.datastream import downsample
from labmon.datastream.exceptions import InternalInconsistencyWarning, StoreError
from labmon.datastream.granularity import Granularity
from labmon.datastream.levels import roll_up
from labmon.datastream.rollups import Rollups
from labmon.upkeep import sqlite_file
from labmon.upkeep.block_reading import BlockReading
from labmon.upkeep.contents import block_name, current_outlines, opened
from labmon.upkeep.finding import Finding
from labmon.upkeep.heads import replayed
from labmon.upkeep.level_check import LevelCheck, difference
from labmon.upkeep.outline_check import OutlineCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.datastream.backends.base import Backend, BlockOutline
    from labmon.datastream.columns import Columns
    from labmon.datastream.stream import Stream
    from labmon.upkeep.contents import StoreContents
    from labmon.upkeep.level_check import Span


@dataclass(slots=True)
class Report:
    """What was looked at, and what is damaged.

    Attributes:
        wrong_rollups: how many blocks of rollups are whole, and not what their datapoints give.
        is_file_checked: whether SQLite's own check of the file was made too.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    streams: int = 0
    blocks: int = 0
    datapoints: int = 0
    buckets: int = 0
    entries: int = 0
    set_aside: int = 0
    wrong_rollups: int = 0
    is_file_checked: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.findings


async def verify(
    store: str | Backend, moved: Callable[[int, int], None] = lambda *_: None
) -> Report:
    """Check a store; the one place that does.

    Rollups that lie are also an InternalInconsistencyWarning, for who does not read the report.

    Args:
        store: its address, or a backend that is not open yet.
        moved: is told (blocks read, blocks in all).

    Raises:
        StoreError: it cannot be opened.
    """
    report = Report()
    path = sqlite_file.path_of(store) if isinstance(store, str) else None
    if path is not None:
        report.is_file_checked = True
        for text in sqlite_file.facts(path, is_thorough=True).findings:
            report.findings.append(Finding("", str(path), text))
    async with opened(store) as contents:
        await _check_journal(contents, report)
        for name, text in contents.broken.items():
            report.findings.append(Finding(name, "stream", text))
        set_aside = await contents.backend.read_cursors("damaged/")
        report.set_aside = len(set_aside)
        total = await _count_blocks(contents)
        for stream in contents.streams.values():
            check = _StreamCheck(contents, stream, report, lambda: moved(report.blocks, total))
            try:
                await check.run()
            except (StoreError, ValueError, TypeError) as error:
                report.findings.append(Finding(check.name, "stream", str(error)))
            report.streams += 1
    if report.wrong_rollups:
        text = f"{report.wrong_rollups} blocks of rollups are not what their datapoints give"
        warnings.warn(text, InternalInconsistencyWarning, stacklevel=2)
    return report


async def _check_journal(contents: StoreContents, report: Report) -> None:
    journal = await replayed(contents)
    report.datapoints += sum(head.count for head in journal.heads.values())
    report.entries = len(contents.entries)
    for fault in journal.faults:
        stream = contents.streams.get(fault.stream or 0)
        name = "" if stream is None else stream.path or stream.id
        report.findings.append(Finding(name, fault.which, fault.text, fault.time_ns, fault.time_ns))


async def _count_blocks(contents: StoreContents) -> int:
    total = 0
    for stream in contents.streams.values():
        for granularity in Granularity.values:
            try:
                outlines = await current_outlines(contents.backend, stream, granularity.key)
            except StoreError:
                continue  # said when the stream is checked
            total += len(outlines)
    return total


class _StreamCheck:
    """Checks one stream."""

    def __init__(
        self,
        contents: StoreContents,
        stream: Stream,
        report: Report,
        moved: Callable[[], None],
    ) -> None:
        self._backend = contents.backend
        self._stream = stream
        self._report = report
        self._told = moved
        self.name = stream.path or stream.id
        self._unsure: list[Span] = []
        self._reading = BlockReading(contents.backend, self._damaged, self._moved)

    def _moved(self, blocks: int) -> None:
        self._report.blocks += blocks
        self._told()

    def _damaged(self, outline: BlockOutline, why: str) -> None:
        if outline.key.granularity == Granularity.Raw.key:
            self._unsure.append((outline.from_ns, outline.to_ns))
        self._found(outline, why)

    def _found(self, outline: BlockOutline, text: str) -> None:
        what = block_name(outline.key)
        finding = Finding(self.name, what, text, outline.from_ns, outline.to_ns)
        self._report.findings.append(finding)

    async def run(self) -> None:
        """Check blocks, order, state and rollups."""
        raw = await current_outlines(self._backend, self._stream, Granularity.Raw.key)
        order = OutlineCheck(self._stream, raw)
        self._report.findings += order.findings
        self._unsure += order.unsure
        levels = [
            LevelCheck(granularity, outlines)
            for granularity in Granularity.values[1:]
            if (outlines := await current_outlines(self._backend, self._stream, granularity.key))
        ]
        async for until_ns, columns in self._reading.in_order(raw):
            self._report.datapoints += len(columns)
            await self._check_levels(levels, columns, until_ns)

    async def _check_levels(
        self, levels: list[LevelCheck], columns: Columns, until_ns: int
    ) -> None:
        finer: Rollups | None = None
        for level in levels:
            step_ns = level.granularity.duration_ns
            rows = _rolled_up(self._stream, columns, finer, step_ns)
            finer = rows
            for outline, right in level.take(rows, until_ns):
                for _, stored in await self._reading.tables([outline]):
                    if isinstance(stored, Rollups):
                        self._report.buckets += len(stored)
                        if wrong := difference(stored, right, step_ns, self._unsure):
                            self._report.wrong_rollups += 1
                            self._found(outline, wrong)


def _rolled_up(stream: Stream, columns: Columns, finer: Rollups | None, step_ns: int) -> Rollups:
    """The rollups of some datapoints, from those of a finer level where there are any."""
    return (
        roll_up(stream, columns, step_ns) if finer is None else downsample.coarsen(finer, step_ns)
    )

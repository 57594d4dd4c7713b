"""What the outlines of a stream's raw blocks tell without a body being read: order, count, span.

The trap: retention goes by times, so where it has removed something, ordinals have gaps anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labmon.datastream.granularity import Granularity
from labmon.timestamps import to_iso
from labmon.upkeep.block_reading import END_NS
from labmon.upkeep.contents import block_name
from labmon.upkeep.finding import Finding

if TYPE_CHECKING:
    from labmon.datastream.backends.base import BlockOutline
    from labmon.datastream.stream import Stream
    from labmon.upkeep.level_check import Span


class OutlineCheck:
    """Looks at the raw blocks of one stream.

    Attributes:
        findings: what is wrong.
        unsure: where datapoints are missing, so that rollups over it are not to be judged.
    """

    def __init__(self, stream: Stream, outlines: list[BlockOutline]) -> None:
        self.findings: list[Finding] = []
        self.unsure: list[Span] = []
        self._name = stream.path or stream.id
        self._state = stream.state
        self._check_order(outlines)
        self._check_state(outlines)

    def _found(self, outline: BlockOutline, text: str) -> None:
        what = block_name(outline.key)
        self.findings.append(Finding(self._name, what, text, outline.from_ns, outline.to_ns))

    def _check_order(self, outlines: list[BlockOutline]) -> None:
        """Blocks follow each other without a gap; late ones lie before what was there."""
        state = self._state
        next_ordinal = 0
        last_ns = -1
        for outline in outlines:
            if outline.key.ordinal != next_ordinal and not state.floors:
                missing = outline.key.ordinal - next_ordinal
                self.unsure.append((max(0, last_ns), outline.from_ns))
                self._found(outline, f"{missing} datapoints before it are missing")
            next_ordinal = outline.key.ordinal + outline.length
            if outline.to_ns < outline.from_ns:
                self._found(outline, "it ends before it begins")
            if outline.from_ns < last_ns <= outline.to_ns:
                self._found(outline, f"it reaches back before {to_iso(last_ns)}, and beyond")
            last_ns = max(last_ns, outline.to_ns)
        if state.floors:
            self._check_count(outlines)
        elif next_ordinal != state.through:
            text = f"blocks reach to ordinal {next_ordinal}, and should to {state.through}"
            self.findings.append(Finding(self._name, "stream", text))
            self.unsure.append((max(0, last_ns), END_NS))

    def _check_count(self, outlines: list[BlockOutline]) -> None:
        """What is left and what was removed are together what was sealed."""
        state = self._state
        missing = state.through - state.removed - sum(outline.length for outline in outlines)
        if missing > 0:  # a block that reaches over the floor has some of what was removed
            text = f"{missing} datapoints are missing"
            self.findings.append(Finding(self._name, "stream", text))

    def _check_state(self, outlines: list[BlockOutline]) -> None:
        state = self._state
        if state.floors:  # what was removed cannot be computed again
            self.unsure.append((0, state.floors[Granularity.Raw.key] - 1))
        if not outlines or state.floors:
            return
        said = (state.first_ns, state.last_ns)
        found = (
            min(outline.from_ns for outline in outlines),
            max(outline.to_ns for outline in outlines),
        )
        if said != found:
            text = f"its state says {_span(said)}, its blocks {_span(found)}"
            self.findings.append(Finding(self._name, "stream", text))


def _span(span: tuple[int, int]) -> str:
    return " to ".join(to_iso(max(0, time_ns)) for time_ns in span)

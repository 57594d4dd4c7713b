"""What only the journal has of each stream: how many datapoints, and of which times.

The trap: an entry may repeat what a block or a carried entry has already; ordinals tell, as they do
when a store is opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labmon.datastream.entry import JournalEntry
from labmon.upkeep.contents import entry_name

if TYPE_CHECKING:
    from labmon.upkeep.contents import StoreContents


@dataclass(slots=True)
class Head:
    """The datapoints of a stream that are in the journal alone.

    Attributes:
        next_ordinal: of the datapoint that would come next.
    """

    next_ordinal: int
    count: int = 0
    first_ns: int = -1
    last_ns: int = -1


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with the journal.

    Attributes:
        which: the entry.
        stream: number of the stream it is about; None: the entry as a whole.
    """

    which: str
    stream: int | None
    text: str
    time_ns: int


@dataclass(slots=True)
class Replayed:
    """What the journal tells.

    Attributes:
        heads: by number of the stream.
        faults: what is wrong with it.
        size: bytes of its entries.
    """

    heads: dict[int, Head]
    faults: list[Fault] = field(default_factory=list[Fault])
    size: int = 0


async def replayed(contents: StoreContents) -> Replayed:
    """Read the journal once, a few MiB at a time."""
    found = Replayed(
        {number: Head(stream.state.through) for number, stream in contents.streams.items()}
    )
    heads, faults = found.heads, found.faults
    async for row, entry in contents.decoded_entries():
        found.size += len(row.body)
        which = entry_name(row)
        if not isinstance(entry, JournalEntry):
            faults.append(Fault(which, None, entry.why, row.time_ns))
            continue
        for number, first in zip(entry.note["streams"], entry.note["ordinals"], strict=True):
            head = heads.get(number)
            if head is None:  # removed since, or broken
                continue
            if first > head.next_ordinal:
                text = f"{first - head.next_ordinal} datapoints before it are missing"
                faults.append(Fault(which, number, text, row.time_ns))
            _enter(head, entry.t[entry.streams == number], first)
    return found


def _enter(head: Head, t: np.ndarray, first: int) -> None:
    new = t[max(0, head.next_ordinal - first) :]
    head.next_ordinal = max(head.next_ordinal, first + len(t))
    if len(new):
        head.count += len(new)
        low = int(new.min())
        head.first_ns = low if head.first_ns < 0 else min(head.first_ns, low)
        head.last_ns = max(head.last_ns, int(new.max()))

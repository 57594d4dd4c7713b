"""Receipts: which readings of a push from outside were taken, so that a repeated one adds the rest.

They stand in the note of the journal entry that has the readings, so a crash leaves both or
neither. The trap: they are known for as long as the journal keeps the entry, and not for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from labmon.reading import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS: Final = 50_000
"""So many pushes are remembered, the newest."""

Noted = tuple[str, str, list[tuple[int, int]]]
"""Key, digest and ranges as they stand in the note of an entry."""


@dataclass(slots=True)
class Received:
    """What was taken of one push.

    Attributes:
        digest: of its body.
        ranges: first place and end of the readings that were taken, ascending.
    """

    digest: str
    ranges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def add(self, first: int, end: int) -> None:
        """Some more were taken."""
        if self.ranges and self.ranges[-1][1] == first:
            first = self.ranges.pop()[0]
        self.ranges.append((first, end))

    def has(self, place: int) -> bool:
        """Whether the reading at a place of the body was taken."""
        return any(first <= place < end for first, end in self.ranges)


class Receipts:
    """What was taken under the newest keys."""

    def __init__(self) -> None:
        self._received: OrderedDict[str, Received] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._received)

    def add(self, receipt: Receipt) -> None:
        """A batch of a push was taken; another body under the same key begins anew."""
        received = self._received.get(receipt.key)
        if received is None or received.digest != receipt.digest:
            received = self._received[receipt.key] = Received(receipt.digest)
        received.add(receipt.first, receipt.end)
        self._received.move_to_end(receipt.key)
        while len(self._received) > KEYS:
            self._received.popitem(last=False)

    def find(self, key: str) -> Received | None:
        """What was taken under a key."""
        return self._received.get(key)

    def noted(self) -> list[Noted]:
        """All of them as plain data."""
        return [(key, each.digest, each.ranges) for key, each in self._received.items()]


def noted_receipts(note: Any) -> Iterator[Receipt]:
    """The receipts in the note of an entry."""
    for key, digest, ranges in (note or {}).get("receipts", ()):
        for first, end in ranges:
            yield Receipt(key, digest, first, end)

"""Cursors of followers: how far each followed stream was told, as opaque text.

The trap: times are not unique, so a position is a time and how many datapoints of that very time
were told; late datapoints, which lie before it, are found by their ordinal.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

ALL: Final = -1
"""As a count: all datapoints of that time, whenever they come."""


@dataclass(slots=True)
class Position:
    """How far one stream was told.

    Attributes:
        time_ns: of the newest datapoint that was told.
        count: how many datapoints of this time were told, or `ALL`.
        ordinal: what arrived before is told, or lies after `time_ns`.
        roots: of a derived stream: how far each stream at its bottom had arrived, and was looked
            at, by its number.
        dirty_ns: of a derived stream: from here on it was known to be worked out anew.
    """

    time_ns: int
    count: int
    ordinal: int
    roots: dict[int, int] = field(default_factory=dict[int, int])
    dirty_ns: int | None = None

    def fields(self) -> list[Any]:
        """As plain data."""
        fields = [self.time_ns, self.count, self.ordinal]
        return [*fields, [*self.roots.items()], self.dirty_ns] if self.roots else fields

    @classmethod
    def of_fields(cls, time_ns: int, count: int, ordinal: int, *rest: Any) -> Position:
        """From plain data."""
        roots, dirty_ns = rest if rest else ((), None)
        return cls(time_ns, count, ordinal, dict(roots), dirty_ns)


@dataclass(slots=True)
class Cursor:
    """How far a follower is.

    Attributes:
        node: the store's; a cursor means nothing elsewhere.
        floor_ns: only later datapoints are wanted.
        positions: by the number of the stream.
    """

    node: str
    floor_ns: int
    positions: dict[int, Position] = field(default_factory=dict[int, Position])

    def encode(self) -> str:
        """As opaque text."""
        data: list[Any] = [
            self.node,
            self.floor_ns,
            [[number, *position.fields()] for number, position in self.positions.items()],
        ]
        return base64.urlsafe_b64encode(orjson.dumps(data)).decode()

    @classmethod
    def decode(cls, text: str, node: str) -> Cursor:
        """From text.

        Raises:
            ValueError: this is no cursor, or one of another store.
        """
        try:
            of_node, floor_ns, rows = orjson.loads(base64.urlsafe_b64decode(text.encode()))
            positions = {number: Position.of_fields(*rest) for number, *rest in rows}
        except (binascii.Error, TypeError, ValueError):
            raise ValueError(f"{text[:60]!r} is no cursor") from None
        if of_node != node:
            raise ValueError("this cursor is of another store")
        return cls(of_node, floor_ns, positions)

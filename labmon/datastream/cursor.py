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
    """

    time_ns: int
    count: int
    ordinal: int


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
            [(n, p.time_ns, p.count, p.ordinal) for n, p in self.positions.items()],
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
            positions = {number: Position(*rest) for number, *rest in rows}
        except (binascii.Error, TypeError, ValueError):
            raise ValueError(f"{text[:60]!r} is no cursor") from None
        if of_node != node:
            raise ValueError("this cursor is of another store")
        return cls(of_node, floor_ns, positions)

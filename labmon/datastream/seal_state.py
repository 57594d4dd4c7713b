"""`SealState`: how far a stream is sealed, and what retention has taken of it.

It is written together with blocks and is what makes them count. The trap: where something was
removed, `floors` says so for ever; a block that lies before them does not count, whoever still
shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from labmon.datastream.checked import with_checksum, without_checksum


class Latest(NamedTuple):
    """The newest datapoint of a stream."""

    time_ns: int
    value: Any
    quality: int


@dataclass(slots=True)
class LevelState:
    """How far the rollups of one granularity are decided.

    Attributes:
        until_ns: before it, buckets are stored, or it was decided not to store them.
        next_ordinal: of the next block of this granularity.
        buckets: how many buckets have datapoints since, about.
        datapoints: how many datapoints were sealed since.
    """

    until_ns: int
    next_ordinal: int = 0
    buckets: int = 0
    datapoints: int = 0


@dataclass(slots=True)
class SealState:
    """How far a stream is sealed.

    Attributes:
        through: how many datapoints arrived that are in blocks: blocks beyond do not count.
        removed: how many of them were removed since, by retention.
        first_ns, last_ns: of the sealed datapoints; -1 where there are none. What was removed is
            among them for as long as rollups tell of it.
        latest: the newest of the sealed datapoints.
        levels: by the key of the granularity.
        floors: by the key of the granularity, before which time everything was removed.
        fixed: of what was removed, the `through` that is the highest: nothing can be worked out
            again from before it.
    """

    through: int = 0
    removed: int = 0
    first_ns: int = -1
    last_ns: int = -1
    latest: Latest | None = None
    levels: dict[str, LevelState] = field(default_factory=dict[str, LevelState])
    floors: dict[str, int] = field(default_factory=dict[str, int])
    fixed: int = 0

    def encode(self) -> bytes:
        """As bytes."""
        levels = {
            key: (level.until_ns, level.next_ordinal, level.buckets, level.datapoints)
            for key, level in self.levels.items()
        }
        taken = (self.floors, self.fixed) if self.floors else ()
        fields = (self.through, self.removed, self.first_ns, self.last_ns, self.latest, levels)
        return with_checksum(msgpack.Packer().pack((*fields, *taken)))

    @classmethod
    def decode(cls, data: bytes) -> SealState:
        """From bytes.

        Raises:
            DamagedBlock: they are not what was written.
        """
        through, removed, first_ns, last_ns, latest, levels, *taken = msgpack.unpackb(
            without_checksum(data, "the state of a stream")
        )
        return cls(
            through,
            removed,
            first_ns,
            last_ns,
            None if latest is None else Latest(*latest),
            {key: LevelState(*level) for key, level in levels.items()},
            *taken,
        )

    def copy(self) -> SealState:
        """One that can be changed without the other."""
        return SealState.decode(self.encode())

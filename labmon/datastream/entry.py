"""`JournalEntry`: one group commit as bytes, the datapoints of all streams in order of arrival.

Written ten times a second and more, so its layout is plain: columns as they lie in memory behind a
checksum (see docs/format.md). The trap: a torn entry must be told from a whole one, so decoding
answers DamagedBlock for anything but exactly what was written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class JournalValues:
    """Values of any type in order of arrival, as columns.

    Attributes:
        v: float64; NaN is null. Where `kinds` says so, the eight bytes hold an int64, or the value
            stands in `others`.
        kinds: FLOAT, INT or OTHER for each; None: all are floats.
        others: the JSON values, in order.
    """

    v: NDArray[np.float64]
    kinds: NDArray[np.uint8] | None = None
    others: list[Any] = field(default_factory=list[Any])

    @classmethod
    def pack(cls, values: Sequence[Any]) -> JournalValues:
        """The columns of Python values; fast where all are floats or None."""
        raise NotImplementedError

    def unpack(self) -> list[Any]:
        """The Python values, None for null."""
        raise NotImplementedError


@dataclass(slots=True)
class JournalEntry:
    """The columns of one group commit; all are equally long and in order of arrival.

    Attributes:
        epoch: of the start that took these datapoints.
        seq: int64 numbers of the datapoints; stored as one number where they are consecutive.
        streams: uint32 numbers of their streams, given by the engine.
        t: int64 ns; stored in runs where datapoints share theirs.
        values: their values.
        quality: one byte each; None: all ok.
        note: plain JSON data of the engine's own (blocks that were written beside, what kind of
            entry this is), or None.
    """

    epoch: int
    seq: NDArray[np.int64]
    streams: NDArray[np.uint32]
    t: NDArray[np.int64]
    values: JournalValues
    quality: NDArray[np.uint8] | None = None
    note: Any = None

    def __len__(self) -> int:
        """How many datapoints there are."""
        return len(self.t)


def encode_entry(entry: JournalEntry) -> bytes:
    """A group commit as bytes."""
    raise NotImplementedError


def decode_entry(data: bytes, *, which: str = "journal entry") -> JournalEntry:
    """The group commit of bytes.

    Raises:
        DamagedBlock: the bytes are not what was written.
    """
    raise NotImplementedError

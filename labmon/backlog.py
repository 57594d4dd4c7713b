"""`Backlog`: batches that wait in memory for the datastream, in order, and what they weigh."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labmon.reading import AnyBatch


class Backlog:
    """A queue on the event loop.

    Attributes:
        batches: oldest first.
        readings: how many they have.
        weight: what they take in memory, in readings.
    """

    def __init__(self) -> None:
        self.batches: deque[AnyBatch] = deque()
        self.readings = 0
        self.weight = 0

    def __bool__(self) -> bool:
        """Whether any wait."""
        return bool(self.batches)

    def put(self, batch: AnyBatch) -> None:
        """Put a batch behind the others."""
        self.batches.append(batch)
        self.readings += len(batch)
        self.weight += batch.weight

    def put_back(self, batches: Sequence[AnyBatch]) -> None:
        """Put batches that were taken before all others again."""
        self.batches.extendleft(reversed(batches))
        self.readings += sum(map(len, batches))
        self.weight += sum(batch.weight for batch in batches)

    def take(self) -> AnyBatch:
        """Take the oldest one."""
        batch = self.batches.popleft()
        self.readings -= len(batch)
        self.weight -= batch.weight
        return batch

    def take_some(self, readings: int) -> list[AnyBatch]:
        """Take the oldest ones, until they have so many readings."""
        taken: list[AnyBatch] = []
        while self.batches and readings > 0:
            taken.append(self.take())
            readings -= len(taken[-1])
        return taken

"""`Streams` and `Datapoints`: answers that read only what is asked of them.

    await found.count();  await found.fetch(slice(0, 10));  async for one in found: ...

The trap: they are views. What is appended between two calls shows in the second one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from labmon.datastream.granularity import Granularity

Element = TypeVar("Element")


class Lazy(Generic[Element]):
    """A sequence that is read in chunks when it is asked for.

    Args:
        chunks: gives lists of elements in order, each read when it is asked for.
        counting: gives the number of elements.
    """

    def __init__(
        self,
        chunks: Callable[[], AsyncIterator[list[Element]]],
        counting: Callable[[], Awaitable[int]],
    ) -> None:
        self._chunks = chunks
        self._counting = counting

    async def count(self) -> int:
        """How many there are."""
        return await self._counting()

    async def fetch(self, which: slice | None = None) -> list[Element]:
        """Those of a slice, all of them by default; a step must be positive.

        Raises:
            ValueError: the step is not positive.
            TypeError: it is no slice.
        """
        which = slice(None) if which is None else which
        if not isinstance(which, slice):
            raise TypeError(f"give a slice, such as slice(0, 10), not {which!r}")
        step = 1 if which.step is None else which.step
        if step < 1:
            raise ValueError("the step of a slice is positive; ask for reverse=True instead")
        first, last = which.start or 0, which.stop
        if first < 0 or (last is not None and last < 0):
            first, last, _ = slice(which.start, which.stop).indices(await self.count())
        found: list[Element] = []
        at = 0
        async for chunk in self._chunks():
            found += chunk[max(0, first - at) : None if last is None else max(0, last - at)]
            at += len(chunk)
            if last is not None and at >= last:
                break
        return found[::step]

    async def __aiter__(self) -> AsyncIterator[Element]:
        """Each of them, in order."""
        async for chunk in self._chunks():
            for element in chunk:
                yield element


class Streams(Lazy[dict[str, Any]]):
    """Descriptors of streams: their tags and the reserved ones."""


class Datapoints(Lazy[dict[str, Any]]):
    """Datapoints of one stream at one granularity, as `{"t", "v"}`.

    Raw: `{"t": ns, "v": value}`, with `"quality"` where it is not ok. Downsampled:
    `{"t": {key: ns}, "v": {key: value}}`.

    Attributes:
        granularity: of which they are; coarser than was asked for where retention has removed that.
    """

    def __init__(
        self,
        chunks: Callable[[], AsyncIterator[list[dict[str, Any]]]],
        counting: Callable[[], Awaitable[int]],
        granularity: Granularity,
    ) -> None:
        super().__init__(chunks, counting)
        self.granularity = granularity

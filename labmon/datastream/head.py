"""The head of a stream: what was appended since its last sealed block, in memory.

New datapoints wait in short lists and are folded into columns, many at a time or when somebody
asks. The trap: there are two orders. Sealing takes datapoints in the order of arrival, which is
what ordinals count; queries want the order of time, and late datapoints make these differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.columns import Columns

if TYPE_CHECKING:
    from labmon.datastream.columns import Columns as AnyColumns

FOLD_AT: Final = 256
"""So many datapoints wait as Python objects at most."""
PARTS: Final = 32
"""So many parts are kept before they are joined."""


class Head:
    """Unsealed datapoints of one stream; on the event loop only, never waits.

    Args:
        first_ordinal: how many datapoints arrived, and were sealed, before.
    """

    __slots__ = ("_folded", "_parts", "_q", "_sorted", "_t", "_v", "first_ordinal", "is_in_order")

    def __init__(self, first_ordinal: int = 0) -> None:
        self.first_ordinal = first_ordinal
        self.is_in_order = True
        """Cleared by whoever appends a datapoint from before the newest."""
        self._folded = 0
        self._t: list[int] = []
        self._v: list[Any] = []
        self._q: list[int] = []
        self._parts: list[AnyColumns] = []
        self._sorted: AnyColumns | None = None

    @property
    def length(self) -> int:
        """How many datapoints there are."""
        return self._folded + len(self._t)

    @property
    def next_ordinal(self) -> int:
        """The ordinal that the next datapoint gets."""
        return self.first_ordinal + self._folded + len(self._t)

    @property
    def nbytes(self) -> int:
        """Memory of the columns."""
        return sum(part.nbytes for part in self._parts)

    def append(self, time_ns: int, value: Any, quality: int) -> None:
        """Take one datapoint."""
        self._t.append(time_ns)
        self._v.append(value)
        self._q.append(quality)
        if len(self._t) >= FOLD_AT:
            self._fold()

    def extend(self, columns: AnyColumns) -> None:
        """Take many datapoints in the order of time; see `is_in_order` for late ones."""
        self._fold()
        self._add(columns)

    def _fold(self) -> None:
        if not self._t:
            return
        columns = Columns.from_values(self._t, self._v, self._q)
        self._t, self._v, self._q = [], [], []
        self._add(columns)

    def _add(self, columns: AnyColumns) -> None:
        self._parts.append(columns)
        self._folded += len(columns)
        self._sorted = None
        if len(self._parts) > PARTS:
            self._parts = [Columns.concatenate(self._parts)]

    def arrivals(self) -> AnyColumns:
        """All datapoints in the order of arrival."""
        self._fold()
        if len(self._parts) > 1:
            self._parts = [Columns.concatenate(self._parts)]
        return self._parts[0] if self._parts else Columns.empty()

    def columns(self) -> AnyColumns:
        """All datapoints in the order of time; equal times in the order of arrival."""
        self._fold()
        if self._sorted is None:
            arrivals = self.arrivals()
            self._sorted = arrivals if self.is_in_order else Columns.empty().merged(arrivals)
        return self._sorted

    def drop(self, count: int) -> None:
        """Forget the `count` datapoints that arrived first: they are sealed."""
        arrivals = self.arrivals()
        rest = arrivals[count:]
        if 2 * len(rest) < len(arrivals):
            rest = rest.own()
        self._parts = [rest] if len(rest) else []
        self.first_ordinal += count
        self._folded -= count
        self.is_in_order = self.is_in_order or bool((rest.t[1:] >= rest.t[:-1]).all())
        self._sorted = None

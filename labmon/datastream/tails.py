"""Rollups of heads: of what is not sealed yet, kept from one question to the next.

Of a head that only grows, what its finished buckets hold never changes: they are rolled up once,
and only what arrived since is rolled up for an answer. The trap: late datapoints change finished
buckets, so a head that is not in order is rolled up anew whenever something arrived.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from labmon.datastream import downsample
from labmon.datastream.rollups import NominalRollups, Rollups

if TYPE_CHECKING:
    from labmon.datastream.columns import Columns
    from labmon.datastream.granularity import Granularity
    from labmon.datastream.head import Head
    from labmon.datastream.stream import Stream

TAILS_BYTES: Final = 4 << 20
"""How much memory the rollups of heads may take."""
_FREQUENCIES: Final = frozenset({"most_often", "least_often", "frequencies"})


@dataclass(frozen=True, slots=True)
class Tail:
    """The rollups of a head as it was.

    Attributes:
        head, first_ordinal, length: which head it was, and how far it went.
        is_in_order: whether it had no late datapoint.
        rows: of all its buckets.
        settled: so many of its datapoints are in buckets before the last one.
    """

    head: Head
    first_ordinal: int
    length: int
    is_in_order: bool
    rows: Rollups
    settled: int


class Tails:
    """Gives rollups of heads; on the event loop."""

    def __init__(self) -> None:
        self._tails: OrderedDict[tuple[int, str], Tail] = OrderedDict()
        self._held = 0

    def rollups(self, stream: Stream, granularity: Granularity) -> Rollups:
        """The buckets of everything in the head of a stream."""
        head = stream.head
        place = (stream.number, granularity.key)
        tail = self._tails.get(place)
        if tail is not None and (tail.head is not head or tail.first_ordinal != head.first_ordinal):
            tail = None  # it was sealed since
        if tail is None or tail.length != head.length:
            tail = _rolled_up(stream, granularity, tail)
            self._keep(place, tail)
        else:
            self._tails.move_to_end(place)
        return tail.rows

    def forget_stream(self, number: int) -> None:
        """Forget everything about a stream."""
        for place in [place for place in self._tails if place[0] == number]:
            self._drop(place)

    def _keep(self, place: tuple[int, str], tail: Tail) -> None:
        self._drop(place)
        self._tails[place] = tail
        self._held += tail.rows.nbytes + 200
        while self._held > TAILS_BYTES and len(self._tails) > 1:
            self._drop(next(iter(self._tails)))

    def _drop(self, place: tuple[int, str]) -> None:
        tail = self._tails.pop(place, None)
        if tail is not None:
            self._held -= tail.rows.nbytes + 200


def _rolled_up(stream: Stream, granularity: Granularity, before: Tail | None) -> Tail:
    """The rollups of a head as it is, from what is known of it as it was before."""
    head = stream.head
    columns = head.columns()
    step_ns = granularity.duration_ns
    if before is None or not before.settled or not head.is_in_order or not before.is_in_order:
        rows, known = roll_up(stream, columns, step_ns), 0
    else:
        known = before.settled
        added = roll_up(stream, columns[known:], step_ns)
        finished = before.rows.rows(slice(0, len(before.rows) - 1))
        rows = type(added).concatenate((finished, added))
    settled = 0
    if len(rows):
        settled = known + int(columns.t[known:].searchsorted(rows.t[-1]))
    return Tail(head, head.first_ordinal, head.length, head.is_in_order, rows, settled)


def roll_up(stream: Stream, columns: Columns, step_ns: int) -> Rollups:
    """The rollups of datapoints of a stream."""
    if stream.is_numeric:
        return downsample.roll_up(columns, step_ns)
    counts_values = not _FREQUENCIES.isdisjoint(stream.config.value_downsamplers)
    return downsample.roll_up_nominal(columns, step_ns, frequencies=counts_values)


def empty(stream: Stream) -> Rollups:
    """No rollups of the kind that a stream has."""
    return Rollups.empty() if stream.is_numeric else NominalRollups.empty()

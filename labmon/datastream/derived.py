"""`Derived`: one derived stream in memory: how far it is worked out, and from where it could go on.

A derived stream is a pure function of the streams at the bottom, its roots; so nothing of it is in
the journal. After a crash it goes on from its last mark and gives the very same datapoints again.
The trap: a datapoint of a root that arrives for a time before `until_ns` was not worked in; it is
recognised by its ordinal, and everything from its time on is worked out anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.columns import Columns
from labmon.datastream.derive_mark import Mark, Seen, thinned
from labmon.datastream.derive_state import without_columns
from labmon.datastream.granularity import Granularity

if TYPE_CHECKING:
    from labmon.datastream.alignment import State
    from labmon.datastream.operator import Operator
    from labmon.datastream.stream import Stream

GRACE_NS: Final = 10 * 1_000_000_000
"""A source that is behind the others by more is not waited for."""


@dataclass(frozen=True, slots=True)
class Step:
    """A point in memory to which a derived stream can go back.

    Attributes:
        state: what was kept of the operator's, see `derive_state`.
        ordinal: how many datapoints were derived until then.
    """

    number: int
    until_ns: int
    state: State
    ordinal: int


@dataclass(frozen=True, slots=True)
class StoredMark:
    """A point in the store to which a derived stream can go back.

    Attributes:
        through: how many derived datapoints were in blocks.
    """

    number: int
    until_ns: int
    through: int


@dataclass(slots=True)
class Derived:
    """One derived stream; on the event loop, changed by the deriver's task only.

    Attributes:
        sources: in the order of the operator.
        roots: the streams at the bottom.
        parents: those of the sources that are derived themselves.
        reach: the roots of all streams that are derived from this one, and its own.
        floor_ns: nothing before it is derived.
        until_ns: everything of the sources before it is worked in.
        seen: of each root the ordinal before which all arrivals were looked at.
        dirty_ns: from here on it has to be worked out anew; None: it is right.
        error: why it was given up, for people.
        left_out: why its operator has nothing for some datapoints; told once, then "".
        is_state_whole: whether `state` is more than what is kept of it, see `derive_state`.
    """

    stream: Stream
    operator: Operator
    sources: list[Stream]
    roots: list[Stream]
    parents: list[Derived]
    state: State
    floor_ns: int = 0
    until_ns: int = 0
    reach: list[Stream] = field(default_factory=list["Stream"])
    seen: dict[int, int] = field(default_factory=dict[int, int])
    dirty_ns: int | None = None
    steps: list[Step] = field(default_factory=list[Step])
    marks: list[StoredMark] = field(default_factory=list[StoredMark])
    gone: list[int] = field(default_factory=list[int])
    marked_ns: int = -1
    error: str | None = None
    left_out: str | None = None
    is_state_whole: bool = True
    _numbers: int = 0

    @property
    def granularity(self) -> Granularity:
        """At which the sources are read."""
        return self.stream.config.highest_granularity

    def leaves_out(self, text: str) -> None:
        """Take note of datapoints for which there is nothing; called on any thread."""
        if self.left_out is None:
            self.left_out = text

    def look(self) -> bool:
        """Look at what arrived since; returns whether what was derived is still right."""
        are_right = [parent.look() for parent in self.parents]
        for root in self.roots:
            self.look_at(root, root.head.length)
        return all(are_right) and self.dirty_ns is None

    def look_at(self, root: Stream, count: int) -> None:
        """Look at those of the `count` datapoints first in a root's head that are new to us."""
        first = max(0, self.seen[root.number] - root.head.first_ordinal)
        if first >= count:
            return
        self.seen[root.number] = root.head.first_ordinal + count
        t = root.head.arrivals().t[first:count]
        t = t[(t < self.until_ns) & (t >= self.floor_ns)]
        if len(t):
            self.is_dirty_from(int(t.min()))

    def is_dirty_from(self, time_ns: int) -> None:
        """Say that what was derived from a time on is no longer right."""
        self.dirty_ns = time_ns if self.dirty_ns is None else min(self.dirty_ns, time_ns)

    def earliest_dirty_ns(self) -> int | None:
        """From where on this stream, or what it is derived from, is not right; None: all is."""
        found = [self.dirty_ns, *(parent.earliest_dirty_ns() for parent in self.parents)]
        return min((dirty_ns for dirty_ns in found if dirty_ns is not None), default=None)

    def see_all(self) -> None:
        """Take everything that has arrived as looked at."""
        self.seen = {root.number: root.head.next_ordinal for root in self.roots}

    def target_ns(self) -> int:
        """Until when it can be worked out; nothing waits for a source that stays behind."""
        latest = [root.latest_ns for root in self.roots]
        step_ns = self.granularity.duration_ns or 1
        end_ns = -(-(max(latest) + 1) // step_ns) * step_ns
        hold_s = self.operator.values.get("align")
        grace_ns = GRACE_NS if hold_s is None else round(hold_s * 1e9)
        reached_ns = max(root.latest_ns for root in self.reach) + 1 - grace_ns
        target_ns = max(min(latest) + 1, min(reached_ns, end_ns), 0)
        for parent in self.parents:
            if not parent.has_everything():
                target_ns = min(target_ns, parent.until_ns)
        return self.granularity.round_timestamp(target_ns)

    def has_everything(self) -> bool:
        """Whether all that its roots have is worked in."""
        return self.until_ns > max(root.latest_ns for root in self.roots)

    def is_settled(self) -> bool:
        """Whether there is nothing to do."""
        if self.error is not None:
            return True
        return (
            self.look()
            and self.target_ns() <= self.until_ns
            and all(parent.is_settled() for parent in self.parents)
        )

    def advance(self, until_ns: int, state: State, derived: Columns) -> None:
        """Take what was derived up to a time."""
        self.until_ns, self.state, self.is_state_whole = until_ns, state, True
        self.stream.extend(derived)
        self.add_step()

    def add_step(self) -> None:
        """Remember this point, as one to go back to."""
        self._numbers += 1
        ordinal = self.stream.head.next_ordinal
        through = self.stream.state.through
        kept = [step for step in self.steps if step.ordinal >= through]
        kept.append(Step(self._numbers, self.until_ns, without_columns(self.state), ordinal))
        self.steps = thinned(kept)

    def sources_from_ns(self) -> int:
        """From when on all sources are still there, at the granularity at which they are read."""
        return max(source.floors.get(self.granularity.key, 0) for source in self.sources)

    def looks_back_to(self, time_ns: int) -> int:
        """From when on sources are read by who goes on at a time."""
        return max(self.floor_ns, time_ns - self.operator.lookback_ns)

    def resumes_ns(self) -> int:
        """The earliest time at which this may have to go on, now or after a crash."""
        points = [self.until_ns, *(mark.until_ns for mark in self.marks[-1:])]
        return min(points if self.dirty_ns is None else [*points, self.dirty_ns])

    def can_return(self, until_ns: int, through: int) -> bool:
        """Whether retention has left what is needed to go back to a point."""
        stream = self.stream
        return (
            through >= stream.state.fixed
            and until_ns >= stream.floors.get(Granularity.Raw.key, 0)
            and self.looks_back_to(until_ns) >= self.sources_from_ns()
        )

    def step_before(self, time_ns: int) -> Step | None:
        """The newest point in memory that is not after a time, and behind what is sealed."""
        through = self.stream.state.through
        for step in reversed(self.steps):
            if step.until_ns <= time_ns and step.ordinal >= through:
                return step if self.can_return(step.until_ns, through) else None
        return None

    def mark_before(self, time_ns: int) -> StoredMark:
        """The newest point in the store that is not after a time: at last the very first one.

        Where retention has removed what lies behind it, the first one that is left.
        """
        left = [mark for mark in self.marks if self.can_return(mark.until_ns, mark.through)]
        left = left or self.marks[-1:]
        return next((mark for mark in reversed(left) if mark.until_ns <= time_ns), left[0])

    def return_to(self, until_ns: int, state: State) -> None:
        """Be at an earlier point again; the stream itself was put back to it."""
        self.until_ns, self.state, self.dirty_ns = until_ns, state, None
        self.is_state_whole = not self.operator.lookback_ns
        self.steps = [step for step in self.steps if step.until_ns <= until_ns]
        self.gone += [mark.number for mark in self.marks if mark.until_ns > until_ns]
        self.marks = [mark for mark in self.marks if mark.until_ns <= until_ns]
        self.marked_ns = min(self.marked_ns, until_ns)
        self.add_step()

    def mark(self, *, is_sealing: bool) -> Mark:
        """This very point as a mark.

        Args:
            is_sealing: it is written together with blocks of all that the head has.
        """
        is_right = self.look()
        head = Columns.empty() if is_sealing else self.stream.head.arrivals()
        through = self.stream.head.next_ordinal - len(head)
        seen = {root.number: self._seen(root, is_right=is_right) for root in self.roots}
        number = 0 if not self.marks else max(self.marks[-1].number, *self.gone, 0) + 1
        state = without_columns(self.state)
        return Mark(number, self.until_ns, self.floor_ns, through, head, state, seen)

    def _seen(self, root: Stream, *, is_right: bool) -> Seen:
        ordinal = self.seen[root.number]
        if not is_right:
            dirty_ns = self.until_ns - 1 if self.dirty_ns is None else self.dirty_ns
            parents = [p.dirty_ns for p in self.parents if p.dirty_ns is not None]
            return Seen(ordinal, max(0, min([dirty_ns, *parents])), -1)
        tail_ns = max(0, min(root.latest_ns, self.until_ns - 1))
        times = root.head.columns().t
        first, last = np.searchsorted(times, np.array([tail_ns, self.until_ns])).tolist()
        return Seen(ordinal, tail_ns, last - first)

    def marked(self, mark: Mark) -> list[int]:
        """Take a mark as stored; returns the numbers of those that are no longer needed."""
        marks = [*self.marks, StoredMark(mark.number, mark.until_ns, mark.through)]
        self.marks = thinned(marks)
        kept = {one.number for one in self.marks}
        gone = [*self.gone, *(one.number for one in marks if one.number not in kept)]
        self.gone = []
        self.marked_ns = mark.until_ns
        return [number for number in gone if number != mark.number]

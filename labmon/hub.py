"""The hub numbers every batch and hands it on: to the recorder, and to whoever subscribed.

It lives on the event loop and never waits. The trap: a `Subscription` is lossy by design and says
how much it lost; what must not lose anything is the recorder's `record`, which is called directly.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon.paths import Selection
    from labmon.reading import AnyBatch

RECENT_READINGS: Final = 20_000
"""How many readings the hub keeps for clients that resume; the journal has the older ones."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened beside the readings: a device changed its state, the server stops.

    Attributes:
        kind: `device`, `alarm` or `bye`.
        data: plain data for the wire.
    """

    kind: str
    data: dict[str, Any]


@dataclass(slots=True)
class Taken:
    """What a subscription had waiting.

    Attributes:
        batches: in order; a batch may hold readings that the subscription does not select.
        events: in order.
        skipped: how many readings of each path were lost since the last time.
    """

    batches: list[AnyBatch] = field(default_factory=list["AnyBatch"])
    events: list[Event] = field(default_factory=list[Event])
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])


class Subscription:
    """A bounded mailbox on the hub; offered on the event loop, taken by one reader there.

    When it is full the oldest batches go first, and are counted in `skipped`.

    Args:
        selection: the paths that it wants.
        limit_readings: how many may wait.
        notify: called when there is something to take, and not again before it was taken; None:
            the reader waits for `ready`.
    """

    def __init__(
        self, selection: Selection, limit_readings: int, notify: Callable[[], None] | None = None
    ) -> None:
        self.selection = selection
        self._limit = limit_readings
        self._is_told = False
        self._batches: deque[AnyBatch] = deque()
        self._events: list[Event] = []
        self._held = 0
        self._skipped: Counter[str] = Counter()
        self._ready: asyncio.Event | None = None
        if notify is None:
            self._ready = asyncio.Event()
            notify = self._ready.set
        self._notify = notify

    def offer(self, batch: AnyBatch) -> None:
        """Queue a batch if any of its paths is selected; never blocks."""
        if self.selection.indexes(batch.paths) == ():
            return
        self._batches.append(batch)
        self._held += batch.weight
        while self._held > self._limit and len(self._batches) > 1:
            lost = self._batches.popleft()
            self._held -= lost.weight
            for path in lost.paths:
                if path in self.selection:
                    self._skipped[path] += len(lost) // len(lost.paths)
        self._tell()

    def offer_event(self, event: Event) -> None:
        """Queue an event; never blocks."""
        self._events.append(event)
        self._tell()

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._notify()

    def take(self) -> Taken:
        """Everything that waits, without waiting."""
        taken = Taken(list(self._batches), self._events, {})
        self._batches.clear()
        self._events = []
        if self._skipped:
            taken.skipped, self._skipped = self._skipped, Counter()
        self._held = 0
        self._is_told = False
        if self._ready is not None:
            self._ready.clear()
        return taken

    async def ready(self) -> None:
        """Wait until there is something to take; at once, where the reader is notified."""
        if self._ready is not None:
            await self._ready.wait()


class Hub:
    """Publish and subscribe, for one node and one epoch; on the event loop only.

    Args:
        node: this server's identity, kept in the store.
        epoch: the number of this start, durable before the hub is made: a sequence number is
            never used twice within it.
        record: takes every batch, at once and without loss: the recorder.
        start_id: tells this start from every other one, also those of copies of the store: they
            have its node, and the same epochs. Absent: the node, for where there are no copies.
    """

    def __init__(
        self,
        node: str,
        epoch: int,
        record: Callable[[AnyBatch], None],
        start_id: str | None = None,
    ) -> None:
        self.node = node
        self.epoch = epoch
        self.start_id = start_id or node
        self.last_seq = 0
        """Number of the newest reading."""
        self._record = record
        self._subscriptions: set[Subscription] = set()
        self._reading: set[Subscription] = set()
        """Those that select any paths; the others want events alone."""
        self._recent: deque[AnyBatch] = deque()
        self._recent_readings = 0

    def publish(self, batch: AnyBatch) -> AnyBatch:
        """Number a batch, offer it to every subscription and record it; returns it numbered."""
        batch = batch.numbered(self.last_seq + 1)
        self.last_seq += len(batch)
        for subscription in self._reading:
            subscription.offer(batch)
        self._record(batch)  # behind: viewers and the store have their turn in this order
        self._remember(batch)
        return batch

    def announce(self, event: Event) -> None:
        """Offer an event to every subscription."""
        for subscription in self._subscriptions:
            subscription.offer_event(event)

    def subscribe(
        self,
        selection: Selection,
        limit_readings: int = 10_000,
        notify: Callable[[], None] | None = None,
    ) -> Subscription:
        """A new mailbox for the selected paths, from the next batch on; see `Subscription`."""
        subscription = Subscription(selection, limit_readings, notify)
        self._subscriptions.add(subscription)
        if selection.globs:
            self._reading.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a mailbox; one that is not there is no error."""
        self._subscriptions.discard(subscription)
        self._reading.discard(subscription)

    def since(self, seq: int) -> list[AnyBatch] | None:
        """The batches of this epoch after `seq`; None where memory does not go back so far."""
        if seq >= self.last_seq:
            return []
        if not self._recent or self._recent[0].seq > seq + 1:
            return None
        return [batch for batch in self._recent if batch.last_seq > seq]

    def _remember(self, batch: AnyBatch) -> None:
        self._recent.append(batch)
        self._recent_readings += batch.weight
        while self._recent_readings > RECENT_READINGS and len(self._recent) > 1:
            self._recent_readings -= self._recent.popleft().weight

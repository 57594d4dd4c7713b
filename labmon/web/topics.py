"""A topic: one distinct subscription in one format, encoded once for all clients that share it.

The first batch after a quiet moment goes out at once, under load at most one message in 20 ms.
The trap: clients join and fall behind at any moment between two messages; `position` says up to
which SEQ the members have everything, and nobody becomes a member without having it too.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from labmon.web.audience import Audience, Member
from labmon.web.encoders import row_count, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from labmon.hub import Hub
    from labmon.paths import Selection
    from labmon.reading import AnyBatch
    from labmon.timestamps import Clock
    from labmon.web.encoders import Encoder, Row, SubscriptionId
    from labmon.web.mailbox import Mailbox
    from labmon.web.ring import Ring

log = logging.getLogger(__name__)

MOST_READINGS: Final = 100_000
"""They come in one turn of the event loop: one poll of 40 channels of 10,000 samples each, say."""


class Topic:
    """Takes from the hub, encodes, and offers the same bytes to every member.

    On the event loop only. Members whose mailbox is full leave the common way: for all of them
    together the newest reading of each stream is kept and the rest counted, until `catch_up`.

    Args:
        hub, selection, encoder, clock: where readings come from, which, in which format, and when.
        interval_s: at most one message in this time.
        ring: what crowds are told by, if there is one.
        failed: told of a bug, after which nothing is sent any more.
    """

    def __init__(
        self,
        hub: Hub,
        selection: Selection,
        encoder: Encoder,
        clock: Clock,
        interval_s: float,
        ring: Callable[[], Ring | None],
        failed: Callable[[], None],
    ) -> None:
        self.selection = selection
        self.encoder = encoder
        self.position = hub.last_seq
        """Members have everything that is selected up to this SEQ."""
        self.skipped_readings = 0
        self._hub = hub
        self._clock = clock
        self._interval_s = interval_s
        self._ring = ring
        self._failed = failed
        self._subscription = hub.subscribe(selection, MOST_READINGS, self._due)
        self._audiences: dict[SubscriptionId | None, Audience] = {}
        self._sent_frames = 0
        self._joining: set[Member] = set()
        self._behind: set[Member] = set()
        self._counts: Counter[str] = Counter()
        self._newest: dict[str, Row] = {}
        self._sent_at = 0.0
        self._next_at = 0.0
        self._turn: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is left."""
        return not (self._audiences or self._joining or self._behind)

    @property
    def sent_frames(self) -> int:
        """Messages that went straight to clients; their mailboxes count the others."""
        return self._sent_frames + sum(one.sent_frames for one in self._audiences.values())

    def join(self, mailbox: Mailbox, id: SubscriptionId | None) -> Member:
        """Everything from the hub's next reading on."""
        member = Member(mailbox, id, joined_seq=self._hub.last_seq)
        if self.position == self._hub.last_seq:
            self._admit(member)
        else:
            self._joining.add(member)  # what may wait in the subscription is not for it
        return member

    def leave(self, member: Member) -> None:
        """Nothing more for this member."""
        self._joining.discard(member)
        self._behind.discard(member)
        audience = member.audience
        if audience is not None:
            audience.remove(member)
            if not audience:
                self._sent_frames += audience.sent_frames
                del self._audiences[member.id]

    def close(self) -> None:
        """Stop; the members get nothing more."""
        self._end_turn()
        self._hub.unsubscribe(self._subscription)

    def flush(self) -> None:
        """Send what waits, now."""
        with self._or_fail():
            self._flush()

    def _flush(self) -> None:
        self._end_turn()
        taken = self._subscription.take()
        if taken.skipped:
            self._tell_skipped(taken.skipped)
        self._tell(taken.batches)

    def refresh(self, quiet_s: float) -> None:
        """Give the members of a quiet topic a new cursor, lest theirs grow too old to resume."""
        with self._or_fail():
            self._refresh(quiet_s)

    def _refresh(self, quiet_s: float) -> None:
        now = monotonic()
        if now - self._sent_at < quiet_s:
            return
        self._flush()
        if now - self._sent_at >= quiet_s:
            self._send([])

    def catch_up(self, member: Member) -> None:
        """Bring a member that was behind up to date: the newest of each stream, and the counts."""
        if member.counted is None:
            return
        counted, member.counted = member.counted, None
        missed = {
            path: count - counted.get(path, 0)
            for path, count in self._counts.items()
            if count > counted.get(path, 0)
        }
        self._behind.discard(member)
        if missed:
            self._tell_missed(member, missed)
        self._admit(member)
        if not self._behind:
            self._counts.clear()
            self._newest.clear()

    def _due(self) -> None:
        """Send once this turn of the event loop is over, or later if that is too soon."""
        if self._turn is not None:
            return
        early_s = self._next_at - monotonic()
        if early_s > 0:
            self._turn = self._loop.call_later(early_s, self._take_turn)
        else:
            self._turn = self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        self.flush()

    @contextmanager
    def _or_fail(self) -> Iterator[None]:
        """Whoever calls has others to care for: a bug in here is not theirs."""
        try:
            yield
        except Exception:
            log.exception("bug in the live topic %s", self.selection.globs)
            self._failed()

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _body(self, rows: list[Row]) -> bytes:
        now_ns = self._clock.now_ns()
        cursor = f"{self._hub.start_id}.{self._hub.epoch:x}.{self.position:x}.{now_ns:x}"
        return self.encoder.readings(now_ns, cursor, rows)

    def _tell(self, batches: list[AnyBatch]) -> None:
        """Bring everybody up to the hub's last reading; these batches are what is selected."""
        self.position = self._hub.last_seq
        if batches:
            self._send(rows_of(batches, self.selection, self.encoder))
        if self._joining:
            self._welcome(lambda seq: rows_of(batches, self.selection, self.encoder, seq))

    def _send(self, rows: list[Row]) -> None:
        body = self._body(rows)
        self._sent_at = monotonic()
        self._next_at = self._sent_at + self._interval_s
        fallen: list[Member] = []
        for id_, audience in self._audiences.items():
            fallen += audience.tell(self.encoder.addressed(body, id_))
        for member in fallen:
            self.leave(member)
            member.counted = dict(self._counts)
            self._behind.add(member)
        if self._behind:
            self._count(rows)

    def _count(self, rows: list[Row]) -> None:
        for row in rows:
            self._counts[row[0]] += row_count(row)
            self._newest[row[0]] = row

    def _welcome(self, rows_since: Callable[[int], list[Row]]) -> None:
        """Make members of those who joined since the last message."""
        joining, self._joining = self._joining, set()
        for member in joining:
            rows = rows_since(member.joined_seq)
            if rows:
                member.mailbox.put(self.encoder.addressed(self._body(rows), member.id))
            self._admit(member)

    def _admit(self, member: Member) -> None:
        audience = self._audiences.get(member.id)
        if audience is None:
            audience = self._audiences[member.id] = Audience(self._ring)
        audience.add(member)

    def _tell_missed(self, member: Member, missed: dict[str, int]) -> None:
        newest = {path: row for path, row in self._newest.items() if path in missed}
        skipped = {
            path: left
            for path, count in missed.items()
            if (left := count - (row_count(newest[path]) if path in newest else 0)) > 0
        }
        if skipped:
            self.skipped_readings += sum(skipped.values())
            fields = {"id": member.id, "streams": skipped}
            member.mailbox.put(self.encoder.message("skipped", fields))
        rows = sorted(newest.values(), key=lambda row: row[1])
        member.mailbox.put(self.encoder.addressed(self._body(rows), member.id))

    def _tell_skipped(self, skipped: Mapping[str, int]) -> None:
        self.skipped_readings += sum(skipped.values())
        if self._behind:
            self._counts.update(skipped)  # told when they catch up
        for id_, audience in self._audiences.items():
            frame = self.encoder.message("skipped", {"id": id_, "streams": skipped})
            for member in audience:
                member.mailbox.put(frame)
        for member in self._joining:  # it may have come after some of them: rather more than less
            fields = {"id": member.id, "streams": skipped}
            member.mailbox.put(self.encoder.message("skipped", fields))

"""All live connections: who they are, which topics they share, and their care.

`LiveClient` is one connection of either transport; `Live` owns them, the topics and two tasks:
one for events, one that sweeps every second for clients that take nothing and topics left alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tornado.iostream import StreamClosedError

from labmon.errors import LabmonError
from labmon.paths import Selection
from labmon.web.cursor import Cursor
from labmon.web.late_gaps import LateGaps
from labmon.web.mailbox import Mailbox
from labmon.web.problems import ProblemError, describe
from labmon.web.replay import Replay
from labmon.web.ring import LazyRing
from labmon.web.security import is_loopback
from labmon.web.thinning import ThinnedTopic
from labmon.web.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tornado.iostream import IOStream

    from labmon.hub import Event
    from labmon.web.audience import Member
    from labmon.web.encoders import Encoder, SubscriptionId
    from labmon.web.services import Services

log = logging.getLogger(__name__)

TopicKey = tuple[Selection, str, float | None]
"""What is selected, in which format, at most how often a second."""
SWEEP_S: Final = 1.0
CUT_PAUSE_S: Final = 0.002
"""Between one slow client and the next: a thousand at once would hold up everybody else."""
SLOW: Final = (3008, "slow")
GOING_AWAY: Final = (1001, "the server stops")
COME_BACK: Final = (1011, "internal error: come back")


class LiveClient:
    """One live connection, on the event loop only.

    Args:
        live: where it is registered.
        stream: the connection, after the handshake.
        encoder: its format.
        address: of the other side, for the limits.
        hang_up: says goodbye with a code and a reason, and closes soon.
    """

    def __init__(
        self,
        live: Live,
        stream: IOStream,
        encoder: Encoder,
        address: str,
        hang_up: Callable[[int, str], None],
    ) -> None:
        self.encoder = encoder
        self.address = address
        self.hang_up = hang_up
        self.is_cut = False
        """Whether it was told to go because it takes nothing."""
        self.reader: asyncio.Task[None] | None = None
        """Reads what the client sends, where Tornado does not."""
        limit_bytes = live.services.config.server.max_mailbox_bytes
        self.mailbox = Mailbox(stream, limit_bytes, self._on_room, live.blocked)
        self._live = live
        self._members: dict[SubscriptionId | None, tuple[Topic, Member]] = {}
        self._replays: dict[SubscriptionId | None, asyncio.Task[None]] = {}
        self._missed_events: dict[tuple[str, str], bytes] = {}

    @property
    def subscriptions(self) -> int:
        """How many it has."""
        return len(self._members.keys() | self._replays.keys())

    def has(self, id: SubscriptionId | None) -> bool:
        """Whether one of them has this id."""
        return id in self._members or id in self._replays

    def is_in(self, topic: Topic) -> bool:
        """Whether one of them shares this topic."""
        return any(each is topic for each, _ in self._members.values())

    def send(self, kind: str, fields: dict[str, Any]) -> None:
        """Send one message that must arrive."""
        self.mailbox.put(self.encoder.message(kind, fields))

    def offer_event(self, event: Event, frame: bytes) -> None:
        """Send an event; while the client is behind only the newest of each device is kept."""
        if not self.mailbox.offer(frame):
            self._missed_events[event.kind, str(event.data.get("name", ""))] = frame

    def subscribe(
        self,
        id: SubscriptionId | None,
        selection: Selection,
        after: Cursor | None,
        max_rate: float | None = None,
    ) -> None:
        """Send what is selected, from a cursor or from now on; the same id replaces the old one.

        With `max_rate`, at most so many updates a second of each stream, once it is live.
        """
        self.unsubscribe(id)

        def join() -> None:
            topic = self._live.topic(selection, self.encoder, max_rate)
            self._members[id] = topic, topic.join(self.mailbox, id)

        if after is None:
            join()
        else:
            task = asyncio.create_task(self._replay(id, selection, after, join), name="replay")
            task.add_done_callback(self._replay_ended)
            self._replays[id] = task

    def unsubscribe(self, id: SubscriptionId | None) -> bool:
        """Send nothing more for this id; says whether there was one."""
        replay = self._replays.pop(id, None)
        if replay is not None:
            replay.cancel()
        topic, member = self._members.pop(id, (None, None))
        if topic is not None and member is not None:
            topic.leave(member)
            self._live.release(topic)
        return replay is not None or topic is not None

    def closed(self) -> None:
        """The connection is gone."""
        for id_ in [*self._members, *self._replays]:
            self.unsubscribe(id_)
        self.mailbox.closed()
        self.hang_up = _gone

    async def _replay(
        self,
        id: SubscriptionId | None,
        selection: Selection,
        after: Cursor,
        join: Callable[[], None],
    ) -> None:
        live = self._live
        replay = Replay(live.services, selection, self.encoder, self.mailbox, id, live.late_gaps)
        try:
            await replay.run(after, join)
        except StreamClosedError:
            pass  # the client's own close takes everything away
        except LabmonError as error:
            log.warning("a client could not resume: %s", error)
            self.send("error", {"id": id, "error": describe(error)[1]})
            self.hang_up(*COME_BACK)
        finally:
            if self._replays.get(id) is asyncio.current_task():
                del self._replays[id]

    def _replay_ended(self, task: asyncio.Task[None]) -> None:
        """A client that never joins its topic would wait for ever on a connection that is alive."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("bug while a client resumed", exc_info=error)
            self.hang_up(*COME_BACK)

    def _on_room(self) -> None:
        for topic, member in self._members.values():
            topic.catch_up(member)
        while self._missed_events and self.mailbox.blocked_since is None:
            self.mailbox.put(self._missed_events.pop(next(iter(self._missed_events))))


class Live:
    """The registry of live connections; `start` and `stop` with the server."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.clients: set[LiveClient] = set()
        self.addresses: Counter[str] = Counter()
        self.blocked: set[Mailbox] = set()
        self.slow_clients = 0
        """How many were cut because they took nothing."""
        self._skipped = 0
        self._sent = 0
        self._ring = LazyRing(is_wanted=services.config.server.io_uring)
        self.late_gaps = LateGaps(services.hub, services.recorder)
        self._topics: dict[TopicKey, Topic] = {}
        self._events = services.hub.subscribe(Selection(()))
        self._tasks: list[asyncio.Task[None]] = []
        self._emptied = asyncio.Event()

    @property
    def skipped_readings(self) -> int:
        """Readings that slow clients did not get, over all clients."""
        return self._skipped + sum(topic.skipped_readings for topic in self._topics.values())

    @property
    def sent_frames(self) -> int:
        """Messages that went to live clients."""
        direct = sum(topic.sent_frames for topic in self._topics.values())
        return self._sent + direct + sum(client.mailbox.sent_frames for client in self.clients)

    @property
    def topics(self) -> int:
        """Distinct subscriptions now."""
        return len(self._topics)

    def start(self) -> None:
        """Start the two tasks."""
        self._tasks = [
            asyncio.create_task(self._tell_events(), name="live events"),
            asyncio.create_task(self._sweep(), name="live sweep"),
        ]

    def cursor(self) -> Cursor:
        """The position of everything that the hub has published."""
        hub = self.services.hub
        return Cursor(hub.start_id, hub.epoch, hub.last_seq, self.services.clock.now_ns())

    def add(self, client: LiveClient) -> None:
        """A new connection."""
        self.clients.add(client)
        self.addresses[client.address] += 1

    def remove(self, client: LiveClient) -> None:
        """A connection is gone; one that is not there is no error."""
        client.closed()
        if client in self.clients:
            self.clients.discard(client)
            # the kernel may be the first to find it out: TCP_USER_TIMEOUT
            was_given_up = isinstance(client.mailbox.stream.error, TimeoutError)
            self.slow_clients += was_given_up and not client.is_cut
            self._sent += client.mailbox.sent_frames
            self.addresses[client.address] -= 1
            if not self.addresses[client.address]:
                del self.addresses[client.address]
        if not self.clients:
            self._emptied.set()

    def check_room(self, address: str) -> None:
        """Refuse a further connection for an address that has its share.

        The server counts what connects to it; behind a proxy all that comes from one address.

        Raises:
            ProblemError: 429, it has its share.
        """
        limit = self.services.config.server.max_connections_per_address
        if self.addresses[address] >= limit and not is_loopback(address):
            raise ProblemError(429, f"{address} has {limit} live connections already")

    def topic(self, selection: Selection, encoder: Encoder, max_rate: float | None) -> Topic:
        """The topic of a selection in a format, at most so often, shared."""
        hub, clock, interval_s = (
            self.services.hub,
            self.services.clock,
            self.services.limits.interval_s,
        )
        if max_rate is not None and max_rate * interval_s >= 1:
            max_rate = None
        key = selection, encoder.name, max_rate
        topic = self._topics.get(key)
        if topic is None:
            failed = partial(self._topic_failed, key)
            if max_rate is None:
                topic = Topic(hub, selection, encoder, clock, interval_s, self._ring, failed)
            else:
                topic = ThinnedTopic(hub, selection, encoder, clock, max_rate, self._ring, failed)
            self._topics[key] = topic
        return topic

    def release(self, topic: Topic) -> None:
        """Close a topic that nobody is in any more."""
        key = next((key for key, each in self._topics.items() if each is topic), None)
        if key is not None and topic.is_empty:
            del self._topics[key]
            self._skipped += topic.skipped_readings
            self._sent += topic.sent_frames
            topic.close()

    async def stop(self) -> None:
        """Say goodbye to everybody; whoever does not take it is cut."""
        for topic in list(self._topics.values()):
            topic.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.services.hub.unsubscribe(self._events)
        for client in list(self.clients):
            client.send("bye", {})
            client.hang_up(*GOING_AWAY)
        if self.clients:
            self._emptied.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), self.services.limits.shutdown_s)
        for client in list(self.clients):
            client.mailbox.close()
            self.remove(client)
        self._ring.close()

    async def _tell_events(self) -> None:
        while True:
            await self._events.ready()
            for event in self._events.take().events:
                frames: dict[str, bytes] = {}
                for client in list(self.clients):
                    name = client.encoder.name
                    if name not in frames:
                        fields = {event.kind: event.data}
                        frames[name] = client.encoder.message(event.kind, fields)
                    client.offer_event(event, frames[name])

    async def _sweep(self) -> None:
        limits = self.services.limits
        loop = asyncio.get_running_loop()
        comment_at = loop.time() + limits.comment_s
        while True:
            await asyncio.sleep(min(SWEEP_S, limits.stall_s / 4))
            await self._cut_slow(loop.time() - limits.stall_s)
            if loop.time() >= comment_at:
                comment_at = loop.time() + limits.comment_s
                self._comment()
            for topic in list(self._topics.values()):
                topic.refresh(limits.comment_s)

    async def _cut_slow(self, since: float) -> None:
        slow = {m for m in self.blocked if m.blocked_since is not None and m.blocked_since < since}
        for client in [client for client in self.clients if client.mailbox in slow] if slow else []:
            if client.is_cut or client not in self.clients or client.mailbox not in self.blocked:
                continue  # it lingers, or went away or took all while others were cut
            client.is_cut = True
            self.slow_clients += 1
            client.mailbox.clear()
            client.hang_up(*SLOW)
            await asyncio.sleep(CUT_PAUSE_S)

    def _comment(self) -> None:
        """A comment on every SSE connection: proxies and dead peers notice."""
        for client in self.clients:
            if client.encoder.name == "sse":
                client.mailbox.offer(b": still here\n\n")

    def _topic_failed(self, key: TopicKey) -> None:
        """Nobody may think that nothing happens: they come back, and resume."""
        topic = self._topics.pop(key)
        topic.close()
        for client in [client for client in self.clients if client.is_in(topic)]:
            client.hang_up(*COME_BACK)


def _gone(_code: int, _reason: str) -> None:
    """What a client that is gone does when it shall go."""

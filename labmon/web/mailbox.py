"""The mailbox: what waits for one live client, and the only writer to its socket.

Frames go straight to the socket while nothing waits, which costs half of what a buffered write
does; what the kernel does not take goes through Tornado's stream. The trap: Tornado writes pings
and goodbyes into the same stream; so the mailbox hears of every write, and leaves the direct way
whenever something of it stays behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from tornado.iostream import SSLIOStream, StreamClosedError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from tornado.iostream import IOStream

    from labmon.web.audience import Member

PIECE_BYTES: Final = 64 << 10
"""Large frames go out in such pieces: each one that leaves shows that the client still takes."""


class Mailbox:
    """Frames in order while there is room; bounded, never blocking. On the event loop only.

    Args:
        stream: the client's, after the handshake.
        limit_bytes: of frames that may wait.
        on_room: called when everything that waited has gone out.
        blocked: the mailboxes whose client takes nothing now; this one enters and leaves.
    """

    __slots__ = (
        "_blocked",
        "_frames",
        "_is_ended",
        "_is_plain",
        "_limit_bytes",
        "_loop",
        "_on_room",
        "_queued_bytes",
        "_waiters",
        "_write",
        "blocked_since",
        "descriptor",
        "is_direct",
        "members",
        "send",
        "sent_frames",
        "stream",
    )

    def __init__(
        self,
        stream: IOStream,
        limit_bytes: int,
        on_room: Callable[[], None],
        blocked: set[Mailbox],
    ) -> None:
        self.stream = stream
        self.sent_frames = 0
        """Those of the audiences apart."""
        self.blocked_since: float | None = None
        """Loop time since which the client takes nothing; None while nothing waits for it."""
        self.members: list[Member] = []
        """What it is in the topics of its client: they are told when its way changes."""
        self._is_ended = False
        self._is_plain = stream.socket is not None and not isinstance(stream, SSLIOStream)
        self.is_direct = self._is_plain
        """Whether a frame may go to `send` instead of `offer`; what happened is then told here."""
        self.send = stream.socket.send if stream.socket is not None else _closed
        self.descriptor = stream.socket.fileno() if stream.socket is not None else -1
        """The number of the socket, for as long as it is this client's."""
        self._limit_bytes = limit_bytes
        self._on_room = on_room
        self._blocked = blocked
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] | None = None
        self._queued_bytes = 0
        self._waiters: list[Future[None]] = []
        self._write = stream.write
        stream.write = self._write_and_see  # Tornado's own writes come by as well
        stream.close_fd = self._leave_and_close

    @property
    def queued_bytes(self) -> int:
        """What waits beside what Tornado's stream has."""
        return self._queued_bytes

    def offer(self, frame: bytes) -> bool:
        """Send or queue a frame; False where there is no room, and nothing has been taken."""
        if self.is_direct:
            self.sent_frames += 1
            try:
                sent = self.send(frame)
            except BlockingIOError:
                sent = 0
            except OSError:
                sent = None
            if sent != len(frame):
                self.fell_short(frame, sent)
        elif self._is_ended:
            pass
        elif self.blocked_since is None:
            self.sent_frames += 1
            self._hand_over(memoryview(frame))
        elif self._queued_bytes + len(frame) > self._limit_bytes:
            return False
        else:
            self._queue(frame)
        return True

    def fell_short(self, frame: bytes, sent: int | None) -> None:
        """The kernel took only so many bytes of a frame; None: the connection is gone.

        Whoever reads from it finds that out as well and closes it, a few in a turn of the loop; a
        thousand at once, here, would hold up everybody else. If not, it is cut as one that stalls.
        """
        if sent is None:
            self.end()
            self._block()
        else:
            self._hand_over(memoryview(frame)[sent:])

    def put(self, frame: bytes) -> None:
        """Send or queue a frame that must not be left out: a reply, a notice.

        A client that asks without reading is closed at twice the limit.
        """
        if self.offer(frame):
            return
        if self._queued_bytes + len(frame) > 2 * self._limit_bytes:
            self.close()
        else:
            self._queue(frame)

    async def drained(self) -> None:
        """Wait until the kernel has taken everything.

        Raises:
            StreamClosedError: the connection is gone.
        """
        if self.stream.closed():
            raise StreamClosedError
        if self.blocked_since is None:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def clear(self) -> None:
        """Throw away what waits; a frame that is half sent goes out all the same."""
        self._frames = None
        self._queued_bytes = 0

    def end(self) -> None:
        """Take no more frames: a goodbye follows, which somebody else writes."""
        self.clear()
        self._is_ended = True
        self._change_way()

    def close(self) -> None:
        """Close the connection at once."""
        self.stream.close()
        self.closed()

    def closed(self) -> None:
        """The connection is gone: let go of everything. May be called again."""
        self.end()
        self._blocked.discard(self)
        self._wake(StreamClosedError())
        self._on_room = _nothing  # else client, mailbox and stream wait for the cyclic collector
        for name in ("write", "close_fd"):
            vars(self.stream).pop(name, None)

    def _queue(self, frame: bytes) -> None:
        if self._frames is None:
            self._frames = deque()
        self._frames.append(frame)
        self._queued_bytes += len(frame)

    def _change_way(self) -> None:
        """Tell the audiences whether frames may go straight to the socket."""
        is_direct = self._is_plain and not self._is_ended and self.blocked_since is None
        if is_direct != self.is_direct:
            self.is_direct = is_direct
            for member in self.members:
                member.sort_in()

    def _block(self) -> None:
        self.blocked_since = self._loop.time()
        self._blocked.add(self)
        self._change_way()

    def _hand_over(self, rest: memoryview) -> None:
        """Let Tornado write what the kernel did not take: all of it, or a ping could cut it."""
        self._block()
        try:
            for start in range(0, len(rest), PIECE_BYTES):
                future = self._write(rest[start : start + PIECE_BYTES])
                is_last = start + PIECE_BYTES >= len(rest)
                future.add_done_callback(self._written if is_last else self._moved)
        except StreamClosedError:
            self.closed()

    def _leave_and_close(self) -> None:
        """Tornado closes the socket, whoever wants it: nobody may use a number that is another's.

        It tells only in the next turn of the loop, and a connection may be accepted before.
        """
        self.descriptor = -1
        self.end()
        type(self.stream).close_fd(self.stream)

    def _write_and_see(self, data: bytes | memoryview) -> Future[None]:
        """Write for somebody else; what the kernel does not take at once goes before any frame."""
        future = self._write(data)
        if self.blocked_since is None and not self._is_ended and self.stream.writing():
            self._wait()
        return future

    def _wait(self) -> None:
        """Until everything that is with Tornado has left."""
        self._block()
        self._write(b"").add_done_callback(self._written)

    def _moved(self, future: Future[None]) -> None:
        """A piece has left: the client still takes."""
        if not future.cancelled() and future.exception() is None:
            self.blocked_since = self._loop.time()

    def _written(self, future: Future[None]) -> None:
        if future.cancelled() or future.exception() is not None or self.stream.closed():
            self.closed()
            return
        self.blocked_since = None
        if self.stream.writing():  # a ping, behind what was ours
            self._wait()
        self._change_way()
        while self._frames and self.blocked_since is None:
            frame = self._frames.popleft()
            self._queued_bytes -= len(frame)
            self.offer(frame)
        if self.blocked_since is None and not self._is_ended:
            self._frames = None
            self._blocked.discard(self)
            self._wake(None)
            self._on_room()

    def _wake(self, error: Exception | None) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


def _closed(_frame: bytes) -> int:
    raise BrokenPipeError


def _nothing() -> None:
    """What a connection that is gone does with its room."""

"""The mailbox: what waits for one live client, and the only writer to its socket.

Frames go straight to the socket while nothing waits, which costs half of what a buffered write
does; what the kernel does not take goes through Tornado's stream. The trap: Tornado writes pings
into the same stream, so the direct way is open only while the stream is not writing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from tornado.iostream import SSLIOStream, StreamClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tornado.iostream import IOStream

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
        "_is_direct",
        "_is_ended",
        "_limit_bytes",
        "_loop",
        "_on_room",
        "_queued_bytes",
        "_socket_send",
        "_waiters",
        "blocked_since",
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
        self.blocked_since: float | None = None
        """Loop time since which the client takes nothing; None while nothing waits for it."""
        self._is_ended = False
        self._is_direct = stream.socket is not None and not isinstance(stream, SSLIOStream)
        self._socket_send = stream.socket.send if stream.socket is not None else _closed
        self._limit_bytes = limit_bytes
        self._on_room = on_room
        self._blocked = blocked
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] | None = None
        self._queued_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []

    def offer(self, frame: bytes) -> bool:
        """Send or queue a frame; False where there is no room, and nothing has been taken.

        The way of nearly every frame: kept in one piece, because it is run for every client.
        """
        if self.blocked_since is None:
            if self._is_direct and not self.stream.writing():
                self.sent_frames += 1
                try:
                    sent = self._socket_send(frame)
                except BlockingIOError:
                    sent = 0
                except OSError:  # closed by either side, perhaps by us: there is no descriptor
                    self.close()
                    return True
                if sent < len(frame):
                    self._hand_over(memoryview(frame)[sent:])
            elif not self._is_ended:
                self.sent_frames += 1
                self._hand_over(memoryview(frame))
            return True
        if self._queued_bytes + len(frame) > self._limit_bytes:
            return False
        self._queue(frame)
        return True

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
        self._is_direct = False

    def close(self) -> None:
        """Close the connection at once."""
        self.stream.close()
        self.closed()

    def closed(self) -> None:
        """The connection is gone: let go of everything. May be called again."""
        self.end()
        self._blocked.discard(self)
        self._wake(StreamClosedError())

    def _queue(self, frame: bytes) -> None:
        if self._frames is None:
            self._frames = deque()
        self._frames.append(frame)
        self._queued_bytes += len(frame)

    def _hand_over(self, rest: memoryview) -> None:
        """Let Tornado write what the kernel did not take: all of it, or a ping could cut it."""
        self.blocked_since = self._loop.time()
        self._blocked.add(self)
        try:
            for start in range(0, len(rest), PIECE_BYTES):
                future = self.stream.write(rest[start : start + PIECE_BYTES])
                is_last = start + PIECE_BYTES >= len(rest)
                future.add_done_callback(self._written if is_last else self._moved)
        except StreamClosedError:
            self.closed()

    def _moved(self, future: asyncio.Future[None]) -> None:
        """A piece has left: the client still takes."""
        if not future.cancelled() and future.exception() is None:
            self.blocked_since = self._loop.time()

    def _written(self, future: asyncio.Future[None]) -> None:
        if future.cancelled() or future.exception() is not None or self.stream.closed():
            self.closed()
            return
        self.blocked_since = None
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

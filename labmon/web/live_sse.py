"""Server-sent events, `GET /api/v1/live`: for scripts, other programs, and as the fallback.

The connection is taken out of Tornado's HTTP once the head is sent, so that the same bytes go to
all clients; the body ends where the connection does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from tornado.iostream import StreamClosedError

from labmon.web.cursor import Cursor
from labmon.web.encoders import SSE
from labmon.web.handler import ApiHandler
from labmon.web.live import LiveClient
from labmon.web.live_ws import MAX_RATE, prepare_socket, selection_of
from labmon.web.operation import TEXT, Operation, Parameter
from labmon.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tornado.iostream import IOStream

    from labmon.web.live import Live
    from labmon.web.mailbox import Mailbox

_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "Connection": "close",
}


class LiveEventsHandler(ApiHandler):
    """One SSE connection."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "Readings and events as they come, as server-sent events.",
            (
                Parameter(
                    "stream", "Globs of stream paths; all of them if absent.", TEXT, ("**",), True
                ),
                Parameter(
                    "last_event_id", "Cursor after which to go on; the header goes before.", TEXT
                ),
                Parameter(
                    "max_rate",
                    "At most so many updates a second of each stream; what is left out is summed"
                    " up: minimum, maximum, count and mean stand behind the quality.",
                    {"type": "number", "minimum": MAX_RATE[0], "maximum": MAX_RATE[1]},
                ),
            ),
            headers={"Last-Event-ID": "The same as last_event_id, as browsers send it."},
            answers={
                200: "readings (rows of path, time, value, quality; behind these, where a row"
                " stands for several, minimum, maximum, count, mean), device, gap, lost, skipped,"
                " bye"
            },
            answer_type="text/event-stream",
        )
    }

    async def head(self, *args: str, **kwargs: str) -> None:
        """Refuse: there is no answer that could be left out.

        Raises:
            ProblemError: always.
        """
        raise ProblemError(405, "events have no end: use GET here", headers={"Allow": "GET"})

    async def get(self) -> None:
        """Send the head, and leave the connection to the live clients."""
        limits, live = self.services.limits, self.application.live
        selection = selection_of(self.query["stream"], limits.streams)
        text = self.request.headers.get("Last-Event-ID") or self.query["last_event_id"]
        after = None if text is None else Cursor.parse(text)
        live.check_room(self.caller.origin)
        for name, value in _HEADERS.items():
            self.set_header(name, value)
        head = "".join(f"{name}: {value}\r\n" for name, value in self._headers.get_all())
        stream: IOStream = self.detach()
        prepare_socket(stream, limits.send_buffer_bytes)
        _set_user_timeout(stream, limits.user_timeout_s)
        client = LiveClient(
            live,
            stream,
            SSE,
            self.caller.origin,
            lambda _code, _reason: _close_after(client.mailbox, limits.linger_s),
        )
        client.mailbox.put(f"HTTP/1.1 200 OK\r\n{head}\r\nretry: {limits.retry_ms}\n".encode())
        client.mailbox.put(SSE.position(str(after or live.cursor())))
        live.add(client)
        # not here: the handler, its request and their headers would stay as long as the client
        client.reader = asyncio.create_task(_until_closed(live, client), name="live events")
        client.subscribe(None, selection, after, self.query["max_rate"])
        self._break_cycles()  # Tornado does it where it ends an answer by itself


def _close_after(mailbox: Mailbox, linger_s: float) -> None:
    """Close once what the kernel has not yet taken is out, or after a while."""
    mailbox.end()
    asyncio.get_running_loop().call_later(linger_s, mailbox.close)
    with suppress(StreamClosedError):
        mailbox.stream.write(b"").add_done_callback(lambda _: mailbox.close())


async def _until_closed(live: Live, client: LiveClient) -> None:
    """Read and throw away, as a client of SSE has nothing more to say; then it is gone."""
    try:
        while True:
            await client.mailbox.stream.read_bytes(4096, partial=True)
    except StreamClosedError:
        pass
    finally:
        live.remove(client)


def _set_user_timeout(stream: IOStream, timeout_s: float) -> None:
    """Let the kernel find a dead peer: data that is not acknowledged for so long ends it."""
    if stream.socket is not None and sys.platform == "linux":
        with suppress(OSError):  # a Unix socket has no such option
            stream.socket.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout_s * 1000)
            )

"""The HTTP server: listens, bounds what comes in, and leaves within two seconds.

The trap: connections that were taken over (WebSocket, SSE) are unknown to Tornado's server, so
`Live` closes and counts them; and without file descriptors `accept` would spin, so some are kept.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError

from labmon.web.accepting import Acceptor
from labmon.web.application import make_app
from labmon.web.security import check_listening, is_loopback

if TYPE_CHECKING:
    from labmon.web.application import LabmonApplication
    from labmon.web.services import Services

log = logging.getLogger(__name__)

RESERVED_FDS: Final = 40
"""Descriptors that connections never take: the store, the instruments and the log need them."""
_FULL_BODY: Final = (
    b'{"error": {"code": "too_many_connections", "message": "all connections are in use"}}'
)
FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Retry-After: 5\r\nContent-Length: %d\r\n\r\n%b" % (len(_FULL_BODY), _FULL_BODY)
)
CLOSE_S: Final = 0.5
TOLD_AT_ONCE: Final = 10
"""Connections that are being told that there are too many; they hold descriptors, too."""
BACKLOG: Final = 512


class BoundedServer(HTTPServer):
    """Tornado's server with a limit on connections, altogether and for each address."""

    application: LabmonApplication

    @classmethod
    def configurable_base(cls) -> type[HTTPServer]:
        """Itself: Tornado's configuration does not replace it."""
        return BoundedServer

    @classmethod
    def configurable_default(cls) -> type[HTTPServer]:
        """Itself."""
        return BoundedServer

    def initialize(self, application: LabmonApplication, **kwargs: Any) -> None:  # type: ignore[override]
        """Tornado's constructor hook."""
        super().initialize(application, **kwargs)
        self.application = application
        self.refused = 0
        """Connections that were turned away."""
        config = application.services.config.server
        self._per_address = config.max_connections_per_address
        self._limit = min(config.max_connections, _descriptors() - RESERVED_FDS)
        self._addresses: Counter[str] = Counter()
        self._leaving: set[IOStream] = set()
        self._acceptors: list[Acceptor] = []

    @property
    def connections(self) -> int:
        """Open connections, live ones included."""
        return self._addresses.total() + len(self.application.live.clients)

    def listen_on(self, listeners: list[socket.socket]) -> None:
        """Accept connections until `stop`."""
        self._acceptors = [Acceptor(one, self._connected) for one in listeners]
        for acceptor in self._acceptors:
            acceptor.start()

    def stop(self) -> None:
        """Accept nothing more; connections that are open go on."""
        while self._acceptors:
            self._acceptors.pop().stop()
        super().stop()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve a connection, or turn it away."""
        host = str(address[0]) if address else ""
        if self._is_full(host):
            self.refused += 1
            self._turn_away(stream)
            return
        self._addresses[host] += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        """A connection ended, or was taken over."""
        super().on_close(server_conn)
        host = server_conn.context.remote_ip
        self._addresses[host] -= 1
        if self._addresses[host] <= 0:
            del self._addresses[host]

    def _connected(self, connection: socket.socket, address: tuple[Any, ...]) -> None:
        stream = IOStream(
            connection, max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size
        )
        self.handle_stream(stream, address)

    def _turn_away(self, stream: IOStream) -> None:
        """Close a connection, and say why if not too many are being told at the moment."""
        if len(self._leaving) >= TOLD_AT_ONCE:
            stream.close()
            return
        self._leaving.add(stream)
        stream.set_close_callback(lambda: self._leaving.discard(stream))
        asyncio.get_running_loop().call_later(CLOSE_S, stream.close)
        with suppress(StreamClosedError):
            stream.write(FULL).add_done_callback(lambda _: stream.close())

    def _is_full(self, host: str) -> bool:
        if self.connections >= self._limit:
            return True
        own = self._addresses[host] + self.application.live.addresses[host]
        if own < self._per_address:
            return False
        return not (is_loopback(host) or self.application.gatekeeper.is_proxy(host))


class Server:
    """The web server of one labmon: `await start(host, port)`, later `await stop()`."""

    def __init__(self, services: Services) -> None:
        self.application = make_app(services)
        self._services = services
        self._http: BoundedServer | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which is a free one where 0 was asked for.

        Raises:
            ConfigError: the address is reachable from elsewhere, and that is not allowed.
            OSError: the address is taken.
        """
        config = self._services.config.server
        check_listening(config, host)
        sockets = _listen(host, port)
        http = self._http = BoundedServer(
            self.application,
            max_header_size=config.max_header_bytes,
            max_body_size=config.max_body_bytes,
            idle_connection_timeout=config.idle_timeout_s,
            body_timeout=config.body_timeout_s,
            max_buffer_size=max(config.max_body_bytes, 1 << 20) * 2,
        )
        self.application.http = http
        self.application.lag.start()
        self.application.live.start()
        http.listen_on(sockets)
        return sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Accept nothing more, say goodbye to live clients, close every connection."""
        http, self._http = self._http, None
        if http is None:
            return
        http.stop()
        self.application.is_stopping = True
        await self.application.lag.stop()
        await asyncio.gather(self.application.live.stop(), self._answer_pushes())
        try:
            await asyncio.wait_for(http.close_all_connections(), CLOSE_S)
        except TimeoutError:
            log.warning("some connections did not close in time")

    async def _answer_pushes(self) -> None:
        """Wait for readings that are on their way to disk: unanswered, they would be sent again."""
        if self.application.pushes:
            await asyncio.wait(self.application.pushes, timeout=CLOSE_S)


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of a host; none stays open where one cannot be had."""
    sockets: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            # a port of 0 is chosen once, for the first address
            chosen = sockets[0].getsockname()[1] if sockets and not port else address[1]
            place = (str(address[0]), int(chosen))
            sockets.append(socket.create_server(place, family=family, backlog=BACKLOG))
            sockets[-1].setblocking(False)
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _descriptors() -> int:
    if sys.platform == "win32":
        return 1 << 20
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 20

"""The WebSocket `/api/v1/ws`: subscriptions, readings, events and RPC over one connection.

Tornado reads, pings and closes; readings are written by the mailbox. The trap: whatever Tornado
writes itself goes through the same stream, so nothing here may write to the socket directly.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from labmon import __version__
from labmon.errors import BadRequestError, LabmonError
from labmon.paths import Selection
from labmon.web import wire
from labmon.web.cursor import Cursor
from labmon.web.encoders import JSON, MSGPACK
from labmon.web.handler import GuardedHandler
from labmon.web.live import LiveClient
from labmon.web.problems import ProblemError, describe
from labmon.web.strict_frames import StrictProtocol
from labmon.web.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tornado.iostream import IOStream

    from labmon.web.encoders import SubscriptionId
    from labmon.web.live import Live

MAX_RATE: Final = (0.01, 1000)
PROTOCOLS: Final = {"labmon.v1.msgpack": MSGPACK, "labmon.v1.json": JSON}


class LiveSocketHandler(GuardedHandler, WebSocketHandler):
    """One WebSocket."""

    client: LiveClient | None = None

    def prepare(self) -> None:
        """Let in, refuse a subprotocol that does not exist."""
        super().prepare()
        asked = self.request.headers.get("Sec-WebSocket-Protocol", "")
        names = [name.strip() for name in asked.split(",") if name.strip()]
        if names and not any(name in PROTOCOLS for name in names):
            raise ProblemError(400, f"the subprotocols are {' and '.join(PROTOCOLS)}")
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise ProblemError(426, "this address is a WebSocket")
        self.application.live.check_room(self.caller.origin)

    def check_origin(self, origin: str) -> bool:
        """The gatekeeper has looked already."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """The first that the client offers and that exists."""
        return next((name for name in subprotocols if name in PROTOCOLS), None)

    @property
    def ping_interval(self) -> float:
        """Seconds between pings."""
        return self.services.limits.ping_s

    @property
    def ping_timeout(self) -> float:
        """Seconds until the answer."""
        return self.services.limits.pong_s

    @property
    def max_message_size(self) -> int:
        """Larger messages end the connection with code 1009."""
        return self.services.config.server.max_message_bytes

    def get_websocket_protocol(self) -> StrictProtocol | None:
        """Tornado's protocol, which lets nothing through that the standard forbids."""
        plain = super().get_websocket_protocol()
        if not isinstance(plain, WebSocketProtocol13):
            return None
        frames = TokenBucket(self.services.limits.frames_per_s)
        return StrictProtocol(self, plain, frames, self._end_mailbox)

    def open(self, *args: str, **kwargs: str) -> None:
        """Register, and say hello."""
        connection = self.ws_connection
        if connection is None:
            return
        stream: IOStream = connection.stream  # type: ignore[attr-defined]
        prepare_socket(stream, self.services.limits.send_buffer_bytes)
        self._format: wire.Format = (
            "msgpack" if self.selected_subprotocol == "labmon.v1.msgpack" else "json"
        )
        self._encoder = MSGPACK if self._format == "msgpack" else JSON
        self._bucket = TokenBucket(self.services.limits.messages_per_s)
        self._calls: set[asyncio.Task[None]] = set()
        self._forget_headers()
        live = self.application.live
        self.client = LiveClient(live, stream, self._encoder, self.caller.origin, self._bye)
        live.add(self.client)
        self._say_hello(live)

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """One message of the client; those it may not send are answered, floods end it.

        Returns:
            what the connection waits for before it reads on; mostly nothing.
        """
        if self.client is None or not self._take_token():
            return None
        try:
            data = message.encode() if isinstance(message, str) else message
            fmt: wire.Format = "json" if isinstance(message, str) else "msgpack"
            decoded = wire.decode(data, fmt, self.services.limits)
            if isinstance(decoded, list) or (isinstance(decoded, dict) and "jsonrpc" in decoded):
                return self._call(decoded)
            self._handle(self.client, decoded)
        except LabmonError as error:
            self._refuse(None, error)
        return None

    def on_ping(self, data: bytes) -> None:
        """Pings cost a token too."""
        self._take_token()

    def on_close(self) -> None:
        """The connection is gone; calls go on, as those by POST do, lest the record be untrue."""
        if self.client is not None:
            self.application.live.remove(self.client)
            self.client = None

    def _forget_headers(self) -> None:
        """The handshake is over: they would stay as long as the client, twenty objects and more."""
        self.request.headers.clear()
        self._headers.clear()

    def _say_hello(self, live: Live) -> None:
        hub, cursor = self.services.hub, live.cursor()
        fields = {
            "title": self.services.config.server.title or socket.gethostname(),
            "node": hub.node,
            "epoch": hub.epoch,
            "version": __version__,
            "cursor": str(cursor),
            "now": self._encoder.time(cursor.time_ns),
            "caller": {"who": self.caller.who, "role": self.caller.role},
        }
        if self.client is not None:
            self.client.send("hello", fields)

    def _take_token(self) -> bool:
        if self._bucket.take():
            return True
        self._bye(1008, "too many messages")
        return False

    def _handle(self, client: LiveClient, message: Any) -> None:
        """Subscribe or unsubscribe."""
        if not isinstance(message, dict):
            raise BadRequestError("a message is an object with 'type'")
        id_ = message.get("id")
        try:
            subscription = _subscription_id(id_)
            match message.get("type"):
                case "subscribe":
                    self._subscribe(client, subscription, message)
                case "unsubscribe":
                    if not client.unsubscribe(subscription):
                        raise BadRequestError(f"there is no subscription {id_!r}")
                case other:
                    raise BadRequestError(
                        f"the type is subscribe or unsubscribe, not {str(other)[:40]!r}"
                    )
        except LabmonError as error:
            self._refuse(id_ if isinstance(id_, int | str) else None, error)

    def _subscribe(
        self,
        client: LiveClient,
        id: SubscriptionId,
        message: dict[str, Any],
    ) -> None:
        limits = self.services.limits
        unknown = message.keys() - {"type", "id", "streams", "after", "max_rate"}
        if unknown:
            raise BadRequestError(
                f"unknown {', '.join(sorted(map(str, unknown)))}: use id, streams, after, max_rate"
            )
        if client.subscriptions >= limits.subscriptions and not client.has(id):
            raise BadRequestError(f"a connection has at most {limits.subscriptions} subscriptions")
        selection = selection_of(message.get("streams"), limits.streams)
        after = message.get("after")
        if after is not None and not isinstance(after, str):
            raise BadRequestError("after is a cursor, a string")
        cursor = None if after is None else Cursor.parse(after)
        client.subscribe(id, selection, cursor, _checked_rate(message.get("max_rate")))

    def _call(self, request: Any) -> Awaitable[None] | None:
        """Carry out a JSON-RPC request beside the connection, which waits if there are too many."""
        if len(self._calls) >= self.services.limits.calls:
            return self._call_later(request)
        self._call_now(request)
        return None

    async def _call_later(self, request: Any) -> None:
        while len(self._calls) >= self.services.limits.calls:
            await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
        self._call_now(request)

    def _call_now(self, request: Any) -> None:
        task = asyncio.create_task(self._answer(request), name="call over the WebSocket")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _answer(self, request: Any) -> None:
        reply = await self.services.rpc.handle(request, self.caller)
        if reply is not None and self.client is not None:
            self.client.mailbox.put(self._encoder.plain(reply))

    def _refuse(self, id: SubscriptionId | None, error: LabmonError) -> None:
        if self.client is not None:
            self.client.send("error", {"id": id, "error": describe(error)[1]})

    def _bye(self, code: int, reason: str) -> None:
        if self.client is not None:
            mailbox = self.client.mailbox
            self.close(code, reason)
            asyncio.get_running_loop().call_later(self.services.limits.linger_s, mailbox.close)

    def _end_mailbox(self) -> None:
        """A goodbye comes now: no frame may follow it."""
        if self.client is not None:
            self.client.mailbox.end()


def selection_of(streams: object, limit: int) -> Selection:
    """The selection of a list of globs.

    Raises:
        BadRequestError: it is none, or too long.
    """
    if not isinstance(streams, list | tuple) or not all(isinstance(g, str) for g in streams):
        raise BadRequestError('streams is a list of globs, such as ["wavemeter/*"]')
    if not 1 <= len(streams) <= limit:
        raise BadRequestError(f"a subscription has 1 to {limit} globs, not {len(streams)}")
    try:
        return Selection(tuple(streams))
    except ValueError as error:
        raise BadRequestError(str(error)) from None


def prepare_socket(stream: IOStream, send_buffer_bytes: int) -> None:
    """Small frames at once, and a bound on what the kernel keeps for one client."""
    try:
        stream.set_nodelay(True)
        if stream.socket is not None:
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    except OSError as error:
        raise StreamClosedError(error) from None


def _checked_rate(value: object) -> float | None:
    low, high = MAX_RATE
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise BadRequestError(f"max_rate is a number from {low} to {high}, in updates a second")


def _subscription_id(value: object) -> SubscriptionId:
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53
    if is_number or (isinstance(value, str) and len(value) <= 64):
        return value  # type: ignore[return-value]
    raise BadRequestError("id is a whole number or a string of at most 64 characters")

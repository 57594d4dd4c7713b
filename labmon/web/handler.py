"""What every handler does: let in, check, answer in the asked format, say errors in one shape.

`ApiHandler` is what a call under /api derives from. The trap: Tornado calls `prepare` before the
body has arrived, which is where size and type are refused; the body is read by `read_body`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler, stream_request_body

from labmon.web import wire
from labmon.web.problems import ProblemError, describe, is_our_fault
from labmon.web.security import (
    HEADERS,
    STATE_CHANGES,
    TRUSTWORTHY_HEADERS,
    content_policy,
    is_trustworthy,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from tornado.concurrent import Future

    from labmon.control.caller import Caller
    from labmon.web.application import LabmonApplication
    from labmon.web.operation import Operation
    from labmon.web.services import Services

log = logging.getLogger(__name__)

OFF_LOOP_BYTES: Final = 256 << 10
"""Bodies over this are decoded in a thread, so that the loop goes on."""
TURN_BYTES: Final = 64 << 10
"""Of an answer that are made or written before others get their turn: some milliseconds."""
ELEMENT_BYTES: Final = 500
"""Looking for one element of a list takes as long as so many bytes of it."""


class GuardedHandler(RequestHandler):
    """A handler that nobody reaches past the gatekeeper, and whose answers are guarded too."""

    application: LabmonApplication
    caller: Caller
    """Who asks; known once `prepare` has run."""
    is_early = False
    """Whether the body has not been read: Tornado closes the connection behind such an answer."""

    @property
    def services(self) -> Services:
        """What requests are put to."""
        return self.application.services

    def set_default_headers(self) -> None:
        """The headers of every answer."""
        trusted = TRUSTWORTHY_HEADERS if is_trustworthy(self.request) else {}
        for name, value in {**HEADERS, **trusted}.items():
            self.set_header(name, value)
        self.set_header("Server", "labmon")
        host = self.request.host if self.application.gatekeeper.knows(self.request) else ""
        self.set_header("Content-Security-Policy", content_policy(host))

    def prepare(self) -> None:
        """Let the request in, or raise."""
        self.admit()

    def admit(self) -> None:
        """Check where the request comes from, and know who asks.

        Raises:
            ProblemError: it is refused.
        """
        gatekeeper = self.application.gatekeeper
        gatekeeper.check(self.request)
        self.caller = gatekeeper.caller(self.request)

    @property
    def answer_format(self) -> wire.Format:
        """What the `Accept` header asks for."""
        return wire.accepted(self.request.headers.get("Accept", ""))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with `{"error": ...}` in the asked format."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        status, body = describe(error, status_code)
        self.set_status(status, _reason(status))
        self.set_header("Content-Type", wire.CONTENT_TYPES[self.answer_format])
        self.set_header("Cache-Control", "no-store")
        if self.is_early:  # or a proxy sends the next request into a connection that is gone
            self.set_header("Connection", "close")
        for name, value in getattr(error, "headers", {}).items():
            self.set_header(name, value)
        self.finish(wire.encode({"error": body}, self.answer_format))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log our own bugs with their stack; what callers do wrong is said to them alone."""
        if isinstance(value, StreamClosedError | asyncio.CancelledError):
            return  # nobody is there to be told
        if value is not None and is_our_fault(value):
            log.error("bug in %s %s", self.request.method, self.request.path, exc_info=value)

    def cut(self) -> None:
        """Close the connection at once."""
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.close()

    async def patient_flush(self) -> None:
        """Send what is written so far; a client that does not take it is cut after a while.

        Raises:
            StreamClosedError: the client is gone.
        """
        try:
            await asyncio.wait_for(self.flush(), self.services.limits.write_stall_s)
        except TimeoutError:
            self.cut()
            raise StreamClosedError from None

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Future[None]:
        """Send the rest of the answer; a client that does not take it is cut after a while."""
        future = super().finish(chunk)
        if not future.done():
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self.services.limits.write_stall_s, self.cut)
            future.add_done_callback(lambda _: timer.cancel())
        return future


@stream_request_body
class ApiHandler(GuardedHandler):
    """One address of the interface for programs.

    Attributes:
        operations: what each method takes; a method that is not there gets 405. Where GET is, HEAD
            is too: what watches servers asks so.
        query: the checked query parameters.
    """

    operations: ClassVar[Mapping[str, Operation]] = {}
    query: dict[str, Any]

    def initialize(self) -> None:
        """Tornado's constructor hook."""
        self._body = bytearray()
        self._body_format: wire.Format = "json"
        self._is_too_large = False
        self._patience: asyncio.TimerHandle | None = None

    @property
    def body_limit(self) -> int:
        """Bytes that a body may have."""
        return self.services.config.server.max_body_bytes

    def prepare(self) -> None:
        """Refuse everything that can be refused before the body is read."""
        self.is_early = True
        self._check()
        self.is_early = False

    def _check(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Accept")
        self.admit()
        operation = self._operation()
        self.query = operation.read_query(
            self.request.query_arguments, self.services.clock.now_ns()
        )
        if operation.role == "operator" and self.caller.role == "viewer":
            raise ProblemError(403, "only somebody at the server's own machine may do this")
        changes = self.request.method in STATE_CHANGES
        if changes:
            self._check_content_type()
        self._check_content_length()
        if changes:
            self._await_body()

    def _await_body(self) -> None:
        """Cut a client whose body takes too long; Tornado would make a task for each body."""
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.set_body_timeout(None)  # type: ignore[arg-type]
        limit_s = self.services.config.server.body_timeout_s
        self._patience = asyncio.get_running_loop().call_later(limit_s, self.cut)

    def _has_body(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def on_connection_close(self) -> None:
        """The client is gone; called by Tornado."""
        self._has_body()
        super().on_connection_close()

    def on_finish(self) -> None:
        """The answer is out, perhaps before the body was looked at; called by Tornado."""
        self._has_body()

    async def read_body(self) -> Any:
        """The decoded body.

        Raises:
            BadRequestError: it is not what its content type says.
            TooLargeError: it is over a limit.
        """
        self._has_body()
        if self._is_too_large:
            raise self._too_large()
        data, limits = bytes(self._body), self.services.limits
        if len(data) <= OFF_LOOP_BYTES:
            return wire.decode(data, self._body_format, limits)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, wire.decode, data, self._body_format, limits)

    @property
    def body_bytes(self) -> bytes:
        """The body as it came."""
        return bytes(self._body)

    def reply(self, value: object, status: int = 200) -> None:
        """Finish with a value in the asked format."""
        self.set_status(status, _reason(status))
        self.set_header("Content-Type", wire.CONTENT_TYPES[self.answer_format])
        self.finish(wire.encode(value, self.answer_format))

    async def reply_list(self, head: dict[str, Any], name: str, values: Iterable[object]) -> None:
        """Finish with an object that has a long list, in many turns of the event loop.

        Args:
            head: the other members of the object.
            name: of the list.
            values: its elements, made one by one as the turns come, so what they are made of may
                change in between; None is left out.
        """
        fmt, pieces, made = self.answer_format, list[bytes](), 0
        for value in values:
            if value is not None:
                pieces.append(wire.encode(value, fmt))
                made += len(pieces[-1])
            made += ELEMENT_BYTES
            if made >= TURN_BYTES:
                made = 0
                await asyncio.sleep(0)
        self.set_header("Content-Type", wire.CONTENT_TYPES[fmt])
        await self.send(wire.with_list(head, name, zip(pieces), len(pieces), fmt))

    async def send(self, pieces: Iterable[bytes]) -> None:
        """Finish with pieces; let others run in between, and wait for a slow client."""
        waiting = 0
        with suppress(StreamClosedError):  # whoever was cut cannot be told why
            for piece in pieces:
                self.write(piece)
                waiting += len(piece)
                if waiting >= TURN_BYTES:
                    waiting = 0
                    await self.patient_flush()
                    await asyncio.sleep(0)
            await self.finish()

    def data_received(self, chunk: bytes) -> None:
        """Collect the body while it is within the limit; called by Tornado.

        The rest is read and thrown away: a client that is busy sending would see its connection
        reset instead of the answer.
        """
        if len(self._body) + len(chunk) > self.body_limit:
            self._is_too_large = True
            self._body.clear()
        if not self._is_too_large:
            self._body += chunk

    def compute_etag(self) -> None:
        """None: answers change all the time."""

    async def head(self, *args: str, **kwargs: str) -> None:
        """The same as GET; Tornado leaves the body out."""
        get: Any = self.get
        await get(*args, **kwargs)

    def _operation(self) -> Operation:
        method = self.request.method or ""
        operation = self.operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            allowed = {"Allow": ", ".join(self.operations)}
            raise ProblemError(405, f"use {' or '.join(self.operations)} here", headers=allowed)
        return operation

    def _check_content_type(self) -> None:
        body_format = wire.body_format(self.request.headers.get("Content-Type", ""))
        if body_format is None:
            raise ProblemError(
                415, "send Content-Type application/json or application/msgpack with this"
            )
        self._body_format = body_format

    def _check_content_length(self) -> None:
        drain_bytes = self.services.limits.drain_bytes
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.set_max_body_size(drain_bytes)
        text = self.request.headers.get("Content-Length", "0")
        length = int(text[:18]) if text.isascii() and text.isdigit() else 0
        waits = self.request.headers.get("Expect", "").lower() == "100-continue"
        if length > drain_bytes or (waits and length > self.body_limit):
            raise self._too_large()

    def _too_large(self) -> ProblemError:
        return ProblemError(413, f"a body here has at most {self.body_limit} bytes")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

"""A position in the live readings, and the parser of server-sent events, without sockets.

The trap: an event that is cut in the middle by a broken connection is thrown away; it comes again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from labmon.client.api import answer
from labmon.client.values import Event, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import Message

    from labmon.client.api import Api, Request

SILENCE_S: Final = 40.0
"""The server says something on a live connection every 15 s; after this time it is dead."""
RETRY_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses between attempts to come back."""
EVENTS: Final = "text/event-stream"
BUSY: Final = frozenset({429, 503})
UNREACHED: Final = frozenset({502, 504})


class Follow:
    """A position in the live readings: the request that goes on from it, and what came since."""

    def __init__(self, api: Api, globs: Sequence[str], cursor: str | None) -> None:
        self._api = api
        self._globs = globs
        self._cursor = cursor
        self._failures = 0
        self._buffer = b""
        self.has_begun = False
        """Whether anything has come yet."""

    def request(self) -> Request:
        """The request for what comes after the newest event."""
        self._buffer = b""
        query = [("stream", glob) for glob in self._globs]
        request = self._api.get("live", [*query, ("last_event_id", self._cursor)])
        return request._replace(headers=(("Accept", EVENTS),))

    def is_accepted(self, status: int, headers: Message) -> bool:
        """Whether events follow.

        Raises:
            RequestError: it is a good answer, but of something else than labmon.
        """
        if status == 200 and headers.get_content_type() != EVENTS:
            raise RequestError(status, "no_answer", "the answer is not labmon's")
        return status == 200

    def refused(self, status: int, headers: Message, body: bytes) -> None:
        """Raise what the server said; where it is only busy, the next attempt may do.

        So it may behind a proxy that does not reach the server, if that was there before.
        """
        if status not in BUSY and not (self.has_begun and status in UNREACHED):
            answer(status, headers, body)

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now."""
        self._failures = 0
        self.has_begun = True
        *blocks, self._buffer = (self._buffer + data).split(b"\n\n")
        events = [self._event(block.decode()) for block in blocks]
        return [event for event in events if event is not None]

    def pause_s(self) -> float:
        """How long to wait before the next attempt."""
        self._failures += 1
        return RETRY_S[min(self._failures, len(RETRY_S)) - 1]

    def _event(self, block: str) -> Event | None:
        kind, lines = "message", list[str]()
        for line in block.split("\n"):
            name, _, text = line.partition(": ")
            if name == "id":
                self._cursor = text
            elif name == "event":
                kind = text
            elif name == "data":
                lines.append(text)
        return Event(kind, json.loads("\n".join(lines)), self._cursor or "") if lines else None

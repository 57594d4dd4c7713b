"""`Client`: every method waits for the answer.

Each request has a connection of its own, so a client may be used from several threads.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
from typing import TYPE_CHECKING, Any

from labmon.client.api import Api, Request, answer, history, latest, result, selection
from labmon.client.follow import SILENCE_S, Follow
from labmon.client.live import Ending, Live
from labmon.client.values import Event, History, Reading

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from labmon.client.aio import AsyncClient


class RemoteDevice:
    """A device of the server: its commands as methods, `device.set_exposure(channel=3, ...)`."""

    def __init__(self, client: Client | AsyncClient, name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, command: str) -> Any:
        """The command of this name; whether there is one is known when it is called."""
        if command.startswith("_"):
            raise AttributeError(command)
        return functools.partial(self._client.call, f"{self._name}.{command}")


class Client:
    """Speaks to one labmon server; every method waits for the answer.

    Args:
        address: `http://HOST:PORT`.
        timeout_s: how long to wait for an answer.

    Raises:
        OSError: from every method: the server cannot be reached.
        RequestError: from every method: it refused.
    """

    def __init__(self, address: str = "http://127.0.0.1:8765", timeout_s: float = 10.0) -> None:
        self._api = Api(address, timeout_s)

    def latest(self, *globs: str) -> dict[str, Reading]:
        """The newest reading of each stream that one of the globs selects; of all without."""
        return latest(self._send(self._api.get("latest", [("path", glob) for glob in globs])))

    def streams(self, *globs: str, **tags: str) -> list[dict[str, Any]]:
        """The descriptors of the streams that globs and tags select; times in nanoseconds."""
        return self._send(self._api.get("streams", selection(globs, tags)))["streams"]

    def devices(self) -> list[dict[str, Any]]:
        """The devices with their states, channels and commands."""
        return self._send(self._api.get("devices"))["devices"]

    def data(
        self,
        streams: str | Sequence[str],
        start: float | str = "-1h",
        end: float | str = "now",
        points: int = 1000,
        *,
        granularity: str | None = None,
        fields: str | Sequence[str] | None = None,
    ) -> History:
        """The history of streams as numpy columns, by path.

        Args:
            streams: paths, ids or globs.
            start: Unix seconds, ISO 8601, relative to now: `-6h`, or a datetime with its zone.
            end: likewise; not included.
            points: labmon picks the finest granularity with at most twice so many.
            granularity: fixes it: `raw`, `seconds`, `minutes`, ...
            fields: columns in place of mean, min and max: `count`, `std_dev`, ...
        """
        query = {"start": start, "end": end, "points": points, "granularity": granularity}
        return history(self._send(self._api.data(streams, query | {"fields": fields})))

    def append(
        self, readings: Iterable[Mapping[str, Any]], idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Add readings from outside; returns when they are durable.

        Args:
            readings: `{"stream": path, "value": v}`, and where known `unit`, `quality` and `time`
                (Unix seconds, ISO 8601, a datetime with its zone) or `time_ns`.
            idempotency_key: makes it safe to send the same readings again.

        Returns:
            `accepted`: how many; `rejected`: index, stream and reason of each that was not.
        """
        return self._send(self._api.append(readings, idempotency_key))

    def call(
        self, method: str, /, *args: Any, idempotency_key: str | None = None, **kwargs: Any
    ) -> Any:
        """Give a command, `wavemeter.set_exposure`; returns its result.

        Raises:
            RpcError: it was refused, or failed.
        """
        return result(self._send(self._api.call(method, args, kwargs, idempotency_key)))

    def device(self, name: str) -> RemoteDevice:
        """A device, its commands as methods."""
        return RemoteDevice(self, name)

    def live(self, *globs: str, cursor: str | None = None) -> Live[Reading]:
        """The readings as they come, for ever; comes back by itself after a broken connection.

        Durable readings come exactly once, in the order of arrival. `events` also tells of gaps.
        To end it from another thread, or another cell of a notebook, `close` what this gave.
        """

        def follow(ending: Ending) -> Generator[Reading, None, None]:
            with contextlib.closing(self._events(globs, cursor, ending)) as events:
                for event in events:
                    yield from event.readings()

        return Live(follow)

    def events(self, *globs: str, cursor: str | None = None) -> Live[Event]:
        """Everything that comes live, for ever: readings, states of devices, gaps.

        It is ended like `live`.

        Args:
            globs: of stream paths; all without.
            cursor: of the event, or the reply, after which to go on.

        Raises:
            OSError: the server cannot be reached at first; later it is waited for.
        """
        return Live(lambda ending: self._events(globs, cursor, ending))

    def _events(
        self, globs: Sequence[str], cursor: str | None, ending: Ending
    ) -> Generator[Event, None, None]:
        follow = Follow(self._api, globs, cursor)
        while not ending.is_over:
            try:
                yield from self._receive(follow, ending)
            except OSError:
                if not (follow.has_begun or ending.is_over):
                    raise
            ending.wait(follow.pause_s())

    def _receive(self, follow: Follow, ending: Ending) -> Generator[Event, None, None]:
        with (
            self._api.reaching(SILENCE_S),
            contextlib.closing(self._connect(SILENCE_S)) as connection,
            ending.of(_connected(connection)),
            _ask(connection, follow.request()) as response,
        ):
            if not follow.is_accepted(response.status, response.headers):
                follow.refused(response.status, response.headers, response.read())
                return
            while data := response.read1(1 << 16):
                yield from follow.feed(data)

    def _send(self, request: Request) -> Any:
        with (
            self._api.reaching(self._api.timeout_s),
            contextlib.closing(self._connect(self._api.timeout_s)) as connection,
            _ask(connection, request) as response,
        ):
            body = response.read()
        return answer(response.status, response.headers, body)

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._api.is_tls else http.client.HTTPConnection
        return kind(self._api.host, self._api.port, timeout=timeout_s)


def _connected(connection: http.client.HTTPConnection) -> socket.socket | None:
    connection.connect()
    return connection.sock


def _ask(connection: http.client.HTTPConnection, request: Request) -> http.client.HTTPResponse:
    connection.request(request.method, request.target, request.body, dict(request.headers))
    return connection.getresponse()

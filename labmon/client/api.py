"""What is asked and what is answered, without sockets; shared by both clients.

The trap: the host and port of the address go into the Host header as they were given, because the
server lists the names that it answers to.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgpack
import numpy as np

from labmon.client.values import Columns, History, Reading, RequestError, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from email.message import Message

MSGPACK: Final = "application/msgpack"


class Request(NamedTuple):
    """What goes out: method, path with query, body, headers."""

    method: str
    target: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Api:
    """Makes the requests to one server."""

    def __init__(self, address: str, timeout_s: float) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{address!r} is no address such as http://127.0.0.1:8765")
        self.host = parts.hostname
        self.is_tls = parts.scheme == "https"
        self.port = parts.port or (443 if self.is_tls else 80)
        self.timeout_s = timeout_s
        self._address = address
        self._root = parts.path.rstrip("/")

    @contextlib.contextmanager
    def reaching(self, timeout_s: float) -> Iterator[None]:
        """Name the address in whatever keeps an answer from coming.

        Raises:
            OSError: of the kind that it was; `ConnectionError` where what came is no HTTP.
        """
        try:
            yield
        except (OSError, EOFError, http.client.HTTPException) as error:
            raise self._unreached(error, timeout_s) from None

    def _unreached(self, error: Exception, timeout_s: float) -> OSError:
        address = self._address
        if isinstance(error, TimeoutError):
            text = f"{address} has not answered within {timeout_s:g} s"
            return TimeoutError(errno.ETIMEDOUT, text)
        if isinstance(error, ConnectionRefusedError):
            text = f"{address}: connection refused; does labmon run, and on this port?"
            return ConnectionRefusedError(errno.ECONNREFUSED, text)
        if isinstance(error, OSError) and not isinstance(error, http.client.HTTPException):
            return type(error)(error.errno, f"{address}: {error.strerror or error}")
        return ConnectionError(f"{address} gave no whole answer: {error}".strip())

    def head(self, request: Request) -> bytes:
        """A request without body as bytes; the answer ends with the connection."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            f"GET {request.target} HTTP/1.0\r\nHost: {host}:{self.port}\r\n{headers}\r\n".encode()
        )

    def get(self, path: str, query: Iterable[tuple[str, Any]] = ()) -> Request:
        """A GET below /api/v1; parameters that are None are left out."""
        text = urlencode([(name, value) for name, value in query if value is not None])
        target = f"{self._root}/api/v1/{path}" + (f"?{text}" if text else "")
        return Request("GET", target, headers=(("Accept", MSGPACK),))

    def post(self, path: str, value: object, key: str | None = None) -> Request:
        """A POST of plain data, with an idempotency key or without."""
        headers = [("Accept", MSGPACK), ("Content-Type", MSGPACK)]
        if key is not None:
            headers.append(("Idempotency-Key", key))
        body = msgpack.packb(value, default=_plain)
        return Request("POST", self._root + path, body, tuple(headers))

    def call(self, method: str, args: Any, kwargs: Any, key: str | None) -> Request:
        """A command, its parameters by position or by name."""
        if args and kwargs:
            raise TypeError(f"{method}: give parameters by position or by name, not both")
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": kwargs or list(args)}
        return self.post("/rpc", request | ({} if key is None else {"idempotency_key": key}))

    def append(self, readings: Iterable[Mapping[str, Any]], key: str | None) -> Request:
        """Readings from outside."""
        return self.post("/api/v1/append", [_timed(reading) for reading in readings], key)

    def data(self, streams: str | Sequence[str], query: Mapping[str, Any]) -> Request:
        """The history of streams."""
        names = [streams] if isinstance(streams, str) else streams
        fields = query.get("fields")
        if fields is not None and not isinstance(fields, str):
            fields = ",".join(fields)
        times = {name: _time(query[name]) for name in ("start", "end") if name in query}
        plain = {**query, **times, "fields": fields}
        return self.get("data", [*(("stream", name) for name in names), *plain.items()])


def selection(globs: Iterable[str], tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """The query that selects streams by globs and tags."""
    return [*(("path", glob) for glob in globs), *((f"tag.{tag}", tags[tag]) for tag in tags)]


def answer(status: int, headers: Message, body: bytes) -> Any:
    """The decoded body of a good answer.

    Raises:
        RequestError: it is none.
    """
    is_msgpack = headers.get("Content-Type", "").startswith(MSGPACK)
    try:
        value = msgpack.unpackb(body, ext_hook=_column) if is_msgpack else json.loads(body)
    except ValueError:
        raise RequestError(status, "no_answer", "the answer is not labmon's") from None
    if status < 400 or (isinstance(value, dict) and "jsonrpc" in value):
        return value
    error = value["error"]
    raise RequestError(status, error["code"], error["message"], error.get("details"))


def _column(code: int, data: bytes) -> np.ndarray:
    """An array of numbers: one byte of dtype code, then little-endian data."""
    if code != 1:
        raise ValueError(f"unknown extension type {code}")
    return np.frombuffer(data, f"<{data[:1].decode()}", offset=1)


def _timed(reading: Mapping[str, Any]) -> dict[str, Any]:
    """A reading as it travels: a whole number is a time in nanoseconds, a float in seconds."""
    if not isinstance(reading, Mapping):
        example = "{'stream': 'room/temperature', 'value': 21.4}"
        raise TypeError(f"a reading is a dict such as {example}, not {str(reading)[:60]!r}")
    sent = dict(reading)
    if "time_ns" in sent:
        sent["time"] = int(sent.pop("time_ns"))
    elif isinstance(sent.get("time"), int | float | np.number):
        sent["time"] = float(sent["time"])
    elif "time" in sent:
        sent["time"] = _time(sent["time"])
    return sent


def _time(time: Any) -> Any:
    """A time as it travels: those of Python and numpy (UTC) as ISO 8601, others as they are.

    Raises:
        ValueError: a datetime without a zone, which may be meant as local time or as UTC.
    """
    if isinstance(time, np.datetime64):
        return f"{np.datetime_as_string(time.astype('M8[ns]'))}Z"
    if not isinstance(time, datetime):
        return time
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone: use datetime.now(UTC), or .astimezone()")
    return time.astimezone(UTC).isoformat()


def _plain(value: Any) -> Any:
    """Numpy's numbers and arrays as Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, int):
        raise OverflowError(f"{str(value)[:40]} is beyond 64 bits: send a float, or text")
    raise TypeError(f"{type(value).__name__} cannot be sent: use numbers, text, lists, dicts")


def latest(answer: Any) -> dict[str, Reading]:
    """The readings of an answer to `latest`, by path."""
    return {
        each["path"]: Reading(each["path"], each["t"], each["value"], each["quality"], each["unit"])
        for each in answer["readings"]
    }


def history(answer: Any) -> History:
    """The columns of an answer to `data`, by path."""
    about = ("path", "unit", "granularity", "bucket_s")
    columns = {
        each["path"]: Columns(
            **{name: each[name] for name in about},
            columns={name: column for name, column in each.items() if name not in about},
        )
        for each in answer["streams"]
    }
    return History(columns, answer["cursor"])


def result(reply: Any) -> Any:
    """The result of a command.

    Raises:
        RpcError: it was refused, or failed.
    """
    if error := reply.get("error"):
        raise RpcError(error["code"], error["message"], error.get("data"))
    return reply["result"]

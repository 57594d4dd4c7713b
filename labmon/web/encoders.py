"""What goes out live, as bytes: WebSocket frames with JSON or msgpack, and chunks of SSE.

The expensive half, the readings, is encoded once for a topic; `addressed` puts the subscription's
id in front, so that clients with the same id share the very same bytes.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, Final, Protocol

from labmon.reading import ArrayBatch
from labmon.web.wire import encode_json, encode_msgpack, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon.paths import Selection
    from labmon.reading import AnyBatch

SubscriptionId = int | str
Row = tuple[Any, ...]
"""A reading on the wire: path, time (in the encoder's unit), value, quality.

Where it stands for several, an array or what was thinned, these are those of the newest, and behind
them are the minimum, the maximum, how many there are, and the mean.
"""

TEXT: Final = 0x1
BINARY: Final = 0x2
_FIN: Final = 0x80
_LINES: Final = re.compile(r"\r\n|\r|\n")


class Encoder(Protocol):
    """One format of live messages; stateless, shared by all connections."""

    @property
    def name(self) -> str:
        """For the key of topics, and for the counters."""
        ...

    def time(self, time_ns: int) -> float | int:
        """A time as this format has it."""
        ...

    def readings(self, sent_ns: int, cursor: str, rows: list[Row]) -> bytes:
        """The half of a message that all subscribers share."""
        ...

    def addressed(self, body: bytes, id: SubscriptionId | None) -> bytes:
        """The message for a subscription, ready for the socket."""
        ...

    def message(self, kind: str, fields: dict[str, Any]) -> bytes:
        """Any other message, ready for the socket."""
        ...


class JsonEncoder:
    """WebSocket text frames; times are Unix seconds."""

    name = "json"

    def time(self, time_ns: int) -> float:
        """Unix seconds."""
        return seconds(time_ns)

    def readings(self, sent_ns: int, cursor: str, rows: list[Row]) -> bytes:
        """Everything behind the id, up to the closing brace."""
        body = encode_json({"t": self.time(sent_ns), "cursor": cursor, "readings": rows})
        return body[1:]

    def addressed(self, body: bytes, id: SubscriptionId | None) -> bytes:
        """A text frame."""
        return websocket_frame(b'{"type":"readings","id":' + encode_json(id) + b"," + body, TEXT)

    def message(self, kind: str, fields: dict[str, Any]) -> bytes:
        """A text frame."""
        return websocket_frame(encode_json({"type": kind, **fields}), TEXT)

    def plain(self, value: object) -> bytes:
        """A frame of a value as it is: replies of RPC."""
        return websocket_frame(encode_json(value), TEXT)


class MsgpackEncoder:
    """WebSocket binary frames; times are int nanoseconds."""

    name = "msgpack"
    _HEAD: Final = b"\x85" + encode_msgpack("type") + encode_msgpack("readings")
    _ID: Final = encode_msgpack("id")

    def time(self, time_ns: int) -> int:
        """Nanoseconds."""
        return time_ns

    def readings(self, sent_ns: int, cursor: str, rows: list[Row]) -> bytes:
        """Three of the five pairs of the map."""
        return encode_msgpack({"t": sent_ns, "cursor": cursor, "readings": rows})[1:]

    def addressed(self, body: bytes, id: SubscriptionId | None) -> bytes:
        """A binary frame."""
        return websocket_frame(self._HEAD + self._ID + encode_msgpack(id) + body, BINARY)

    def message(self, kind: str, fields: dict[str, Any]) -> bytes:
        """A binary frame."""
        return websocket_frame(encode_msgpack({"type": kind, **fields}), BINARY)

    def plain(self, value: object) -> bytes:
        """A frame of a value as it is: replies of RPC."""
        return websocket_frame(encode_msgpack(value), BINARY)


class SseEncoder:
    """Server-sent events; times are Unix seconds, the cursor is the event's id."""

    name = "sse"

    def time(self, time_ns: int) -> float:
        """Unix seconds."""
        return seconds(time_ns)

    def readings(self, sent_ns: int, cursor: str, rows: list[Row]) -> bytes:
        """The whole event."""
        if not rows:
            return self.position(cursor)
        data = encode_json({"t": self.time(sent_ns), "readings": rows})
        return b"event: readings\nid: " + cursor.encode() + b"\ndata: " + data + b"\n\n"

    def addressed(self, body: bytes, id: SubscriptionId | None) -> bytes:
        """The same: an SSE connection has one subscription."""
        return body

    def message(self, kind: str, fields: dict[str, Any]) -> bytes:
        """An event of this kind, its id left out."""
        fields = {name: value for name, value in fields.items() if name != "id"}
        return sse_event(kind, encode_json(fields).decode())

    def position(self, cursor: str) -> bytes:
        """No event, only the id from which the client would come back."""
        return b"id: " + cursor.encode() + b"\n\n"


JSON: Final = JsonEncoder()
MSGPACK: Final = MsgpackEncoder()
SSE: Final = SseEncoder()


def websocket_frame(payload: bytes, opcode: int) -> bytes:
    """One unfragmented, unmasked frame, as servers send it (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return struct.pack("!BB", _FIN | opcode, length) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", _FIN | opcode, 126, length) + payload
    return struct.pack("!BBQ", _FIN | opcode, 127, length) + payload


def sse_event(kind: str, data: str) -> bytes:
    """One event; data with line ends of any kind stays one event of several lines."""
    lines = "".join(f"data: {line}\n" for line in _LINES.split(data))
    return f"event: {_LINES.sub(' ', kind)}\n{lines}\n".encode()


def rows_of(
    batches: Iterable[AnyBatch], selection: Selection, encoder: Encoder, after_seq: int = 0
) -> list[Row]:
    """The selected readings of batches, numbered after `after_seq`, as rows of a message.

    An array is one row, whole or not at all.
    """
    rows: list[Row] = []
    for batch in batches:
        if isinstance(batch, ArrayBatch):
            if batch.last_seq > after_seq and batch.paths[0] in selection:
                rows.append(_array_row(batch, encoder))
            continue
        time = encoder.time(batch.time_ns)
        indexes = selection.indexes(batch.paths)
        if indexes is None and batch.seq > after_seq:
            rows += [
                (path, time, value, quality)
                for path, value, quality in zip(
                    batch.paths, batch.values, batch.qualities, strict=True
                )
            ]
        else:
            rows += [
                (batch.paths[i], time, batch.values[i], batch.qualities[i])
                for i in (range(len(batch)) if indexes is None else indexes)
                if batch.seq + i > after_seq
            ]
    return rows


def _array_row(batch: ArrayBatch, encoder: Encoder) -> Row:
    path, time_ns, value, quality = batch.newest
    low, high, mean = batch.band
    return path, encoder.time(time_ns), value, quality, low, high, len(batch), mean


def row_count(row: Row) -> int:
    """How many readings a row stands for."""
    return row[6] if len(row) > 4 else 1

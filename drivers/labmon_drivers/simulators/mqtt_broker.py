"""What `sim://tasmota` and `sim://esphome` share: an MQTT broker with one device behind it.

Specification: OASIS "MQTT Version 3.1.1". The trap: a packet may come in pieces, and its length is
one to four bytes long.
"""

from __future__ import annotations

from typing import Final, NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP = 10, 11, 12, 13
MAX_PACKET: Final = 1 << 16


class Packet(NamedTuple):
    """A packet of MQTT: its type, the flags beside it, and the rest."""

    kind: int
    flags: int
    body: bytes

    def encode(self) -> bytes:
        """As it travels."""
        size, length = len(self.body), bytearray()
        while True:
            size, digit = divmod(size, 128)
            length.append(digit | (0x80 if size else 0))
            if not size:
                return bytes([self.kind << 4 | self.flags, *length]) + self.body


class MqttBroker:
    """A broker for one client at a time, and the device that publishes through it.

    A device derives from it, says in `retained` what the broker keeps, in `heard()` what it does
    with a message, and in `said()` what it publishes by itself.

    Args:
        period_s: how often the device publishes by itself.
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.retained: dict[str, str] = {}
        self._topics: set[str] = set()
        self._buffer = bytearray()
        self._due_s: float | None = None

    def heard(self, topic: str, payload: str) -> dict[str, str]:
        """What the device publishes in answer to a message."""
        del topic, payload
        return {}

    def said(self) -> dict[str, str]:
        """What it publishes by itself, each `period_s`."""
        return {}

    def feed(self, data: bytes) -> bytes:
        """Answer the packets that are complete."""
        self._buffer += data
        answers = bytearray()
        while (packet := self._next()) is not None:
            answers += self._answer(packet)
        return bytes(answers)

    def tick(self, now_s: float) -> bytes:
        """Publish what is due."""
        if self._due_s is None:
            self._due_s = now_s + self.period_s
        if now_s < self._due_s:
            return b""
        self._due_s = now_s + self.period_s
        return self._published(self.said())

    def _next(self) -> Packet | None:
        size, at = 0, 1
        while at < len(self._buffer) and at <= 4:
            size |= (self._buffer[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if not self._buffer[at - 1] & 0x80:
                break
        else:
            return None
        if size > MAX_PACKET:
            self._buffer.clear()
        if len(self._buffer) < at + size:
            return None
        head, body = self._buffer[0], bytes(self._buffer[at : at + size])
        del self._buffer[: at + size]
        return Packet(head >> 4, head & 0x0F, body)

    def _answer(self, packet: Packet) -> bytes:
        number = packet.body[:2]
        if packet.kind == CONNECT:
            self._topics.clear()
            return Packet(CONNACK, 0, b"\0\0").encode()
        if packet.kind == SUBSCRIBE:
            return self._subscribe(number, packet.body[2:])
        if packet.kind == UNSUBSCRIBE:
            return Packet(UNSUBACK, 0, number).encode()
        if packet.kind == PINGREQ:
            return Packet(PINGRESP, 0, b"").encode()
        return self._take(packet) if packet.kind == PUBLISH else b""

    def _subscribe(self, number: bytes, rest: bytes) -> bytes:
        filters = []
        while rest:
            name, rest = _text(rest)
            filters.append(name)
            rest = rest[1:]  # how reliably; here nothing is lost
        self._topics.update(filters)
        kept = [
            _publish(topic, payload, is_retained=True)
            for topic, payload in self.retained.items()
            if any(matches(each, topic) for each in filters)
        ]
        return Packet(SUBACK, 0, number + bytes(len(filters))).encode() + b"".join(kept)

    def _take(self, packet: Packet) -> bytes:
        topic, rest = _text(packet.body)
        answer = b""
        if packet.flags & 0x06:  # the sender wants to know that it came
            answer = Packet(PUBACK, 0, rest[:2]).encode()
            rest = rest[2:]
        return answer + self._published(self.heard(topic, rest.decode("utf-8", "replace")))

    def _published(self, messages: dict[str, str]) -> bytes:
        return b"".join(
            _publish(topic, payload)
            for topic, payload in messages.items()
            if any(matches(each, topic) for each in self._topics)
        )


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic is one that a filter with `+` and `#` stands for."""
    levels, wanted = topic.split("/"), topic_filter.split("/")
    if wanted[-1] == "#":
        return matches("/".join(wanted[:-1]), "/".join(levels[: len(wanted) - 1]))
    pairs = zip(wanted, levels, strict=False)
    return len(wanted) == len(levels) and all(each in {"+", level} for each, level in pairs)


def _publish(topic: str, payload: str, *, is_retained: bool = False) -> bytes:
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + payload.encode()
    return Packet(PUBLISH, int(is_retained), body).encode()


def _text(data: bytes) -> tuple[str, bytes]:
    end = 2 + int.from_bytes(data[:2], "big")
    return data[2:end].decode("utf-8", "replace"), data[end:]

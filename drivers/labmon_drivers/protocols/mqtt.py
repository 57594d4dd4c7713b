"""`Broker`: one connection to an MQTT broker, for one thread; the one file that needs paho-mqtt.

paho-mqtt is driven from here: it gets no thread of its own. The trap: paho remembers a broken
connection and says nothing; every step of it is asked whether it still stands.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from labmon.device import InstrumentError, InstrumentTimeoutError, OfflineError
from labmon.device.transports.waiting import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
MAX_MESSAGES: Final = 10_000
MAX_BYTES: Final = 1 << 16
SLICE_S: Final = 0.05
QOS: Final = 1
REFUSED: Final = 0x80


class Message(NamedTuple):
    """What was published.

    Attributes:
        arrival_ns: when it came here.
        retained: whether the broker kept it from before; nobody knows how old it is.
    """

    arrival_ns: int
    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is, and how to log in."""

    host: str
    port: int
    is_tls: bool = False
    username: str = ""
    password: str = ""
    ca_file: str = ""

    @classmethod
    def parse(cls, text: str, **login: str) -> Address:
        """From `mqtt://HOST:PORT`, `mqtts://HOST` or `HOST`.

        Raises:
            ValueError: it is no address.
        """
        parts = urlsplit(text if "://" in text else f"mqtt://{text}")
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"broker: {text!r} is no mqtt:// or mqtts:// address")
        if parts.username or parts.path.strip("/"):
            raise ValueError("broker: only host and port; the login has keys of its own")
        is_tls = parts.scheme == "mqtts"
        return cls(parts.hostname, parts.port or PORTS[parts.scheme], is_tls, **login)


class _ClosingSocket(ssl.SSLSocket):
    """paho-mqtt leaves the socket open where the broker is not to be trusted."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on keys, or close."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class Broker:
    """A connection to a broker; everything but `close()` on the device's thread.

    Args:
        address: where it is.
        timeout_s: for each answer of the broker.
        keepalive_s: a broker that says nothing for about so long is gone.
    """

    def __init__(self, address: Address, timeout_s: float, keepalive_s: int) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self._refusal = ""
        self._granted: dict[int, list[Any]] = {}
        self._is_up = False
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, clean_session=True, reconnect_on_failure=False
        )
        self._client.connect_timeout = timeout_s
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message
        if address.username:
            self._client.username_pw_set(address.username, address.password or None)
        if address.is_tls:
            context = ssl.create_default_context(cafile=address.ca_file or None)
            context.sslsocket_class = _ClosingSocket
            self._client.tls_set_context(context)
        self._open(keepalive_s)

    def _open(self, keepalive_s: int) -> None:
        where = f"{self._address.host}:{self._address.port}"
        try:
            self._client.connect(self._address.host, self._address.port, keepalive_s)
        except TimeoutError:
            raise InstrumentTimeoutError(f"the broker {where} does not answer") from None
        except OSError as error:
            raise OfflineError(f"cannot reach the broker {where}: {error}") from None
        try:
            self._until(lambda: self._is_up or bool(self._refusal), "the login")
        except BaseException:
            self.close()
            raise
        if self._refusal:
            self.close()
            raise InstrumentError(f"the broker {where} refuses: {self._refusal}")

    def subscribe(self, topics: Iterable[str]) -> None:
        """Hear of topics from now on.

        Raises:
            InstrumentError: the broker refuses.
        """
        wanted = sorted(set(topics))
        if not wanted:
            return
        _, number = self._client.subscribe([(topic, QOS) for topic in wanted])
        self._until(lambda: number in self._granted, "the subscription")
        for topic, granted in zip(wanted, self._granted.pop(number or 0), strict=False):
            if granted.value >= REFUSED:
                raise InstrumentError(f"the broker refuses the topic {topic}: {granted}")

    def publish(self, topic: str, payload: str) -> None:
        """Tell all who subscribed; returns once the broker has it.

        Raises:
            InstrumentError: the broker did not take it in time, or is gone.
        """
        sent = self._client.publish(topic, payload, qos=QOS)
        self._until(sent.is_published, f"the message to {topic}")

    def messages(self, timeout_s: float) -> list[Message]:
        """What has come; waits for the first.

        Raises:
            OfflineError: the broker is gone.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._step(max(0.0, min(SLICE_S, deadline_s - time.monotonic())))
            if self._messages or time.monotonic() >= deadline_s:
                return [self._messages.popleft() for _ in range(len(self._messages))]

    def close(self) -> None:
        """Say good-bye."""
        self._client.disconnect()
        if self._client.want_write():
            self._client.loop_write()
        if (sock := self._client.socket()) is not None:
            sock.close()

    def abort(self) -> None:
        """Cut the connection, from another thread; whoever waits on it returns."""
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is cut already

    def _until(self, is_done: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + self._timeout_s
        while not is_done():
            self._step(SLICE_S)
            if time.monotonic() >= deadline_s and not is_done():
                raise InstrumentTimeoutError(f"the broker did not answer {what} in time")

    def _step(self, wait_s: float) -> None:
        """Read what there is, write what waits, keep the connection alive."""
        sock = self._client.socket()
        codes = []
        if isinstance(sock, socket.socket):  # SSL sockets are such too, with a buffer of their own
            pending = getattr(sock, "pending", None)
            if (pending is not None and pending()) or readable(sock, wait_s):
                codes.append(self._client.loop_read())
            if self._client.want_write():
                codes.append(self._client.loop_write())
            codes.append(self._client.loop_misc())
        if not self._refusal and (
            not codes or any(code != MQTTErrorCode.MQTT_ERR_SUCCESS for code in codes)
        ):
            raise OfflineError("the connection to the broker is lost")

    def _connected(self, _c: Any, _u: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
        self._is_up = not reason.is_failure

    def _subscribed(self, _c: Any, _u: Any, number: int, reasons: Any, _properties: Any) -> None:
        self._granted[number] = list(reasons)

    def _message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        if len(message.payload) <= MAX_BYTES:
            came = Message(
                time.time_ns(), message.topic, bytes(message.payload), bool(message.retain)
            )
            self._messages.append(came)

"""`Records`: EPICS records over Channel Access; the one file that needs caproto.

caproto searches, connects and listens on threads of its own, and comes back to records by itself.
The trap: its callbacks run on those threads and are held weakly; here they copy, and are kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import caproto
from caproto.threading.client import Context, SharedBroadcaster

from labmon.device import InstrumentError, InstrumentTimeoutError, OfflineError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_UPDATES: Final = 10_000
SERVER_PORT: Final = 5064
WRITE: Final = 2
TEXT_TYPES: Final = (caproto.ChannelType.STRING, caproto.ChannelType.CHAR)

# lost servers are said by labmon, once
logging.getLogger("caproto").setLevel(logging.CRITICAL)


class Update(NamedTuple):
    """What a record said.

    Attributes:
        arrival_ns: when it was heard.
        record: its name.
        data: its elements, or text; None where the connection to it was lost.
        severity: of its alarm: 0 none, 1 minor, 2 major, 3 invalid.
        stamp_ns: its own time.
    """

    arrival_ns: int
    record: str
    data: Any
    severity: int
    stamp_ns: int


class Facts(NamedTuple):
    """What a record says of itself.

    Attributes:
        unit: of its value.
        digits: after the point; None where it says none.
        words: of an enumeration.
        limits: what may be set; (0, 0) where it says none.
    """

    unit: str = ""
    digits: int | None = None
    words: tuple[str, ...] = ()
    limits: tuple[float, float] = (0.0, 0.0)


class _Broadcaster(SharedBroadcaster):
    """Searches where the configuration says; and does not wait for its threads when it ends."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = [parse_address(each) for each in addresses]
        super().__init__(registration_retry_time=60.0)

    def send(self, *commands: Any) -> None:
        """Send datagrams to each address.

        One that cannot be sent is lost as others are, and sent again: an error would end caproto's
        thread that searches, when the network is away for a moment or the socket was just closed.
        """
        with suppress(OSError, caproto.CaprotoError):
            if not self._addresses:
                super().send(*commands)
                return
            data = self.broadcaster.send(*commands)
            for address in self._addresses:
                if (sock := self.udp_sock) is not None:
                    sock.sendto(data, address)

    def disconnect(self, *, wait: bool = True) -> None:
        """End."""
        del wait  # its threads look for the end twice a second; nobody has the time
        super().disconnect(wait=False)


class Records:
    """Connections to records; `updates()` and the rest on the device's thread.

    Args:
        names: of the records.
        addresses: where to search, `HOST` or `HOST:PORT`; else as EPICS_CA_ADDR_LIST says.
        timeout_s: for finding them, and for each answer.

    Raises:
        InstrumentTimeoutError: none was found.
    """

    def __init__(self, names: Sequence[str], addresses: Sequence[str], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._updates: deque[Update] = deque(maxlen=MAX_UPDATES)
        self._news = threading.Event()
        self._context = Context(_Broadcaster(addresses), timeout=timeout_s)
        self._callbacks: list[Any] = []
        self._subscriptions: dict[str, Any] = {}
        try:
            found = self._context.get_pvs(*names, connection_state_callback=self._changed)
            self._records: dict[str, Any] = {each.name: each for each in found}
            self._find()
        except BaseException:
            self.close()
            raise

    @property
    def connected(self) -> list[str]:
        """The records that are there."""
        return [name for name, record in self._records.items() if record.connected]

    def _find(self) -> None:
        deadline_s = time.monotonic() + self._timeout_s
        for record in self._records.values():
            try:
                record.wait_for_connection(timeout=max(0.01, deadline_s - time.monotonic()))
            except TimeoutError:
                continue
        if not self.connected:
            raise InstrumentTimeoutError(f"none of {', '.join(self._records)} was found")

    def listen(self) -> None:
        """Hear of each change from now on; also of records that are found later."""
        for name, record in self._records.items():
            subscription = record.subscribe(data_type="time")
            callback = self._listener(name)
            self._callbacks.append(callback)
            subscription.add_callback(callback)
            self._subscriptions[name] = subscription

    def facts(self, name: str) -> Facts:
        """What a record says of itself.

        Raises:
            InstrumentError: it does not answer.
        """
        record = self._records[name]
        if record.channel.native_data_type in TEXT_TYPES:
            return Facts()
        said = self._asked(name, lambda: record.read(data_type="control")).metadata
        return Facts(
            unit=text(getattr(said, "units", b"")),
            digits=getattr(said, "precision", None),
            words=tuple(text(each) for each in getattr(said, "enum_strings", ())),
            limits=(
                float(getattr(said, "lower_ctrl_limit", 0)),
                float(getattr(said, "upper_ctrl_limit", 0)),
            ),
        )

    def put(self, name: str, value: float | str) -> None:
        """Set a record; returns when it was processed.

        Raises:
            OfflineError: it is not connected.
            InstrumentError: it refuses, or does not answer.
        """
        record = self._records[name]
        if not record.connected:
            raise OfflineError(f"{name} is not connected")
        if not record.access_rights & WRITE:
            raise InstrumentError(f"{name} may not be written from here")
        data: Any = value
        if isinstance(value, str):
            data = (
                (value.encode(), 0) if record.channel.native_data_type == TEXT_TYPES[1] else value
            )
            data = data[0] if isinstance(data, tuple) else data
        response = self._asked(name, lambda: record.write(data, wait=True, notify=True))
        if response is not None and not response.status.success:
            raise InstrumentError(f"{name} refused {value!r}: {response.status.description}")

    def updates(self, timeout_s: float) -> list[Update]:
        """What was said; waits for the first."""
        if not self._updates:
            self._news.wait(timeout_s)
        self._news.clear()
        return [self._updates.popleft() for _ in range(len(self._updates))]

    def wake(self) -> None:
        """Let `updates()` return now; from any thread."""
        self._news.set()

    def close(self) -> None:
        """Leave them."""
        self._context.disconnect(wait=False)

    def _asked(self, name: str, ask: Any) -> Any:
        try:
            return ask()
        except TimeoutError:
            raise InstrumentTimeoutError(f"{name} did not answer") from None
        except caproto.CaprotoError as error:
            raise InstrumentError(f"{name}: {error}") from None

    def _listener(self, name: str) -> Any:
        def heard(_subscription: Any, response: Any) -> None:
            said = response.metadata
            stamp_ns = int(said.timestamp * 1e9)
            self._put(Update(time.time_ns(), name, response.data, int(said.severity), stamp_ns))

        return heard

    def _changed(self, record: Any, state: str) -> None:
        if state == "disconnected":
            self._put(Update(time.time_ns(), record.name, None, 0, 0))

    def _put(self, update: Update) -> None:
        self._updates.append(update)
        self._news.set()


def parse_address(address: str) -> tuple[str, int]:
    """`HOST` or `HOST:PORT`.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = address.partition(":")
    if not host or (colon and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536)):
        raise ValueError(f"{address!r} is no address: HOST or HOST:PORT")
    return host, int(port or SERVER_PORT)


def text(raw: Any) -> str:
    """Text as EPICS has it: bytes up to the first zero."""
    if isinstance(raw, str):
        return raw
    data = bytes(raw)
    return data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()

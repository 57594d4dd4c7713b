"""One open port for several devices: RS-485 and other buses, where each has an address.

Devices whose `port` is the same text share the stream; whoever asks keeps the line until the answer
is there. The trap: one that found the port broken must not be given it again when it reconnects.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from labmon.device.transports.stream import ByteStream

P = ParamSpec("P")
R = TypeVar("R")

_lock = threading.Lock()
_ports: dict[str, _Port] = {}


class _Port:
    """An open stream with those who use it."""

    def __init__(self, stream: ByteStream, setup: Hashable) -> None:
        self.stream = stream
        self.setup = setup
        self.users = 0
        self.is_broken = False
        self.turn = threading.RLock()

    def discard(self) -> None:
        """Close it under its users, so that it can be opened anew before all of them notice."""
        self.is_broken = True
        with self.turn:
            self.stream.close()


class SharedStream:
    """One device's share of a port; closed for real by the last one.

    Attributes:
        turn: held from a request to its answer.
    """

    def __init__(self, name: str, port: _Port) -> None:
        self._name = name
        self._port = port
        self._is_open = True
        self.turn = port.turn

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived."""
        return self._checked(self._port.stream.read_some, wait_s)

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Hand bytes over."""
        return self._checked(self._port.stream.write_some, data, wait_s)

    def drop_input(self) -> None:
        """Throw away what has arrived."""
        self._checked(self._port.stream.drop_input)

    def drop_output(self) -> None:
        """Throw away what is not yet sent; nobody can go on with this stream after that."""
        self._port.stream.drop_output()
        self._port.discard()

    def close(self) -> None:
        """Give the share back."""
        with _lock:
            if not self._is_open:
                return
            self._is_open = False
            self._port.users -= 1
            if self._port.users:
                return
            if _ports.get(self._name) is self._port:
                del _ports[self._name]
        self._port.stream.close()

    def _checked(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._port.is_broken:
            raise OSError("another device of this bus found the port broken")
        try:
            return call(*args, **kwargs)
        except OSError:
            self._port.discard()
            raise


def share(name: str, setup: Hashable, open_stream: Callable[[], ByteStream]) -> SharedStream:
    """A share of the port of this name, which is opened if it is not open.

    Args:
        name: the port as configured.
        setup: speed and the like; all who share a port need the same.
        open_stream: opens the port.

    Raises:
        OSError: it cannot be opened, or is open with another setup.
    """
    with _lock:
        port = _ports.get(name)
        if port is not None and not port.is_broken:
            return _joined(name, port, setup)
    stream = open_stream()  # not under the lock: this may take seconds
    with _lock:
        port = _ports[name] = _Port(stream, setup)
        return _joined(name, port, setup)


def _joined(name: str, port: _Port, setup: Hashable) -> SharedStream:
    if port.setup != setup:
        raise OSError("another device of this bus has set it up differently")
    port.users += 1
    return SharedStream(name, port)

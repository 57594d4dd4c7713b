"""Plain TCP: `tcp://HOST:PORT`, also written `socket://`.

The trap: a peer that lost its power says nothing, so keep-alive is on and unacknowledged bytes
have a deadline; otherwise a listening device would wait for the dead for hours.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final
from urllib.parse import urlsplit

from labmon.device.transports.waiting import readable, writable
from labmon.errors import ConfigError

CHUNK_BYTES: Final = 4096
KEEPALIVE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
USER_TIMEOUT_MS: Final = 10_000


def parse_address(url: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of `tcp://HOST[:PORT]`.

    Raises:
        ConfigError: no host, or no port and the instrument has no usual one.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or default_port
    except ValueError as error:
        raise ConfigError(f"{url!r} is no address: {error}") from None
    if not host or port is None or parts.query or parts.path.strip("/"):
        raise ConfigError(f"{url!r} is no address: write tcp://HOST:PORT")
    return host, port


class TcpStream:
    """A connected, non-blocking socket."""

    def __init__(self, address: tuple[str, int], connect_timeout_s: float) -> None:
        """Raises OSError where nobody answers in time."""
        self._socket = socket.create_connection(address, timeout=connect_timeout_s)
        try:
            self._socket.setblocking(False)
            _keep_alive(self._socket)
        except BaseException:
            self._socket.close()
            raise

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived; raises ConnectionResetError at the end of the stream."""
        if not readable(self._socket, wait_s):
            return b""
        try:
            data = self._socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise ConnectionResetError("the other side closed the connection")
        return data

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Hand bytes over as far as there is room."""
        if not writable(self._socket, wait_s):
            return 0
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def drop_input(self) -> None:
        """Read until nothing is left, at most 1 MiB of it."""
        for _ in range(256):
            if not self.read_some(0):
                return

    def drop_output(self) -> None:
        """TCP takes nothing back: `close()` will reset the connection instead."""
        linger_no_time = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_no_time)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

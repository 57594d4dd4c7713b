"""A simulator for other programs: on a TCP port, or on a pseudo-terminal as a serial port.

Each server has one thread that moves the bytes. The trap: a pseudo-terminal echoes and translates
newlines until it is made raw, which is done before anybody may open it.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from labmon.device.transports.waiting import readable

if TYPE_CHECKING:
    from pathlib import Path

    from labmon.device.simulator import Simulator

TICK_S: Final = 0.01
CHUNK_BYTES: Final = 4096
MAX_UNSENT_BYTES: Final = 1 << 16
PSEUDO_TERMINALS: Final = ("/dev/pts/", "/dev/ttys")
"""How their names begin on Linux, and on macOS."""


class SimulatorServer(ABC):
    """Serves one simulator from a thread of its own, between `start()` and `close()`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    @property
    @abstractmethod
    def port(self) -> str:
        """What a driver writes as its `port`."""

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop and close; the other side sees the port go."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait(self, timeout_s: float) -> bool:
        """Whether it still serves after so long; it ends by itself when its port is unplugged."""
        self._thread.join(timeout_s)
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except ConnectionResetError:  # a simulated fault, or the other side is gone for good
            return
        finally:
            self._shut()

    @abstractmethod
    def _step(self) -> None:
        """Wait a tick for bytes, and answer them."""

    @abstractmethod
    def _shut(self) -> None:
        """Close what was opened."""

    def _answer(self, data: bytes) -> bytes:
        said = self.simulator.tick(time.monotonic())
        return said + (self.simulator.feed(data) if data else b"")


class TcpSimulatorServer(SimulatorServer):
    """A simulator on a TCP port, for one client at a time as most instruments have it.

    Args:
        simulator: who answers.
        host: where to listen.
        tcp_port: 0: any that is free.
    """

    def __init__(self, simulator: Simulator, host: str = "127.0.0.1", tcp_port: int = 0) -> None:
        super().__init__(simulator)
        self._listener = socket.create_server((host, tcp_port))
        self._client: socket.socket | None = None
        host, bound_port = self._listener.getsockname()[:2]
        self._port = f"tcp://{host}:{bound_port}"

    @property
    def port(self) -> str:
        """`tcp://HOST:PORT`."""
        return self._port

    def drop_client(self) -> None:
        """Close the present connection, as a converter does that reboots."""
        if client := self._client:
            client.shutdown(socket.SHUT_RDWR)

    def _step(self) -> None:
        if self._client is None:
            if readable(self._listener, TICK_S):
                self._client = self._listener.accept()[0]
            else:
                with suppress(ConnectionResetError):  # unplugged; who comes later may find it back
                    self._answer(b"")
            return
        try:
            data = b""
            if readable(self._client, TICK_S):
                data = self._client.recv(CHUNK_BYTES)
                if not data:
                    raise ConnectionResetError
            self._client.sendall(self._answer(data))
        except OSError:
            self._client.close()
            self._client = None

    def _shut(self) -> None:
        self._listener.close()
        if self._client:
            self._client.close()


def _open_terminal() -> tuple[int, int, str]:
    """A pseudo-terminal that changes no byte: our end, the other end and its name."""
    if sys.platform == "win32":
        raise OSError("there are no pseudo-terminals on Windows")
    import tty

    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    return ours, theirs, os.ttyname(theirs)


class PtySimulatorServer(SimulatorServer):
    """A simulator on a pseudo-terminal; Windows has none.

    Args:
        simulator: who answers.
        link: a symbolic link to make, as udev makes `/dev/serial/by-id/...`; none where None. One
            to another pseudo-terminal, or to nothing, is replaced; anything else is left alone.

    Raises:
        OSError: the link cannot be made.
    """

    def __init__(self, simulator: Simulator, link: Path | None = None) -> None:
        super().__init__(simulator)
        self._unsent = bytearray()
        self._ours, self._theirs, self._name = _open_terminal()
        self._link = link
        if link:
            try:
                self._make(link)
            except OSError:
                self._close_both()
                raise

    @property
    def port(self) -> str:
        """The name of the terminal, or of the link to it."""
        return str(self._link or self._name)

    def _step(self) -> None:
        data = b""
        if readable(self._ours, TICK_S):
            data = os.read(self._ours, CHUNK_BYTES)
        self._unsent += self._answer(data)
        del self._unsent[:-MAX_UNSENT_BYTES]  # nobody reads: lost, as on a real line
        with suppress(BlockingIOError):
            del self._unsent[: os.write(self._ours, self._unsent)]

    def _make(self, link: Path) -> None:
        if link.is_symlink() and (
            not link.exists() or str(link.readlink()).startswith(PSEUDO_TERMINALS)
        ):
            link.unlink()  # of one that was killed, not udev's own of a real instrument
        link.symlink_to(self._name)

    def _shut(self) -> None:
        if self._link and self._link.is_symlink() and str(self._link.readlink()) == self._name:
            self._link.unlink()  # else another made it its own meanwhile
        self._close_both()

    def _close_both(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)

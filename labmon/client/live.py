"""`Live`: what comes for ever, for one thread that takes it, and any thread that ends it.

The trap: nobody can close a generator while another thread waits in it. So the connection is ended
in its place, and who waits is woken by that.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import TracebackType

T = TypeVar("T")


class Ending:
    """Whether somebody has had enough; ends the connection in use. Of any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has come."""
        return self._event.is_set()

    def wait(self, time_s: float) -> None:
        """Let so much time go by, unless it comes before."""
        self._event.wait(time_s)

    @contextlib.contextmanager
    def of(self, connection: socket.socket | None) -> Iterator[None]:
        """The connection that is in use meanwhile."""
        with self._lock:
            self._socket = connection
        try:
            if self.is_over:
                self._wake()
            yield
        finally:
            with self._lock:  # its number may soon be another's
                self._socket = None

    def come(self) -> None:
        """Now; who waits ends soon."""
        self._event.set()
        self._wake()

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                # not the method of an SSLSocket, which takes it apart below who reads from it
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Live(Generic[T]):
    """An iterator over what comes, for ever; `close` ends it, also from another thread.

    Where the loop is left early, close it, or use it in a `with`.
    """

    def __init__(self, follow: Callable[[Ending], Generator[T, None, None]]) -> None:
        self._ending = Ending()
        self._coming = follow(self._ending)

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> T:
        """Wait for the next one."""
        if self._ending.is_over:
            raise StopIteration
        return next(self._coming)

    def close(self) -> None:
        """End it: a loop that waits for the next one ends soon. May be called again."""
        self._ending.come()
        with contextlib.suppress(ValueError):  # another thread is in it, and was woken
            self._coming.close()

    def __enter__(self) -> Self:
        """Take it for a while."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

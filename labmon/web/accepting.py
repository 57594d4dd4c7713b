"""New connections, a few in each turn of the event loop.

A building whose power comes back connects at once, and so do the pages of a server that was started
again. The trap: without file descriptors `accept` fails while the connection goes on waiting, and
the loop would spin; so accepting pauses then.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from tornado.ioloop import IOLoop

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""A connection costs up to two milliseconds until its first reading is out."""
PAUSE_S: Final = 1.0


class Acceptor:
    """Accepts on one listening socket, from `start` to `stop`, which closes it. On the event loop.

    Args:
        listener: listens already, non-blocking.
        accepted: told of each connection, and of the address that it comes from.
    """

    def __init__(
        self, listener: socket.socket, accepted: Callable[[socket.socket, Any], None]
    ) -> None:
        self._listener = listener
        self._accepted = accepted
        self._loop = IOLoop.current()
        self._resume: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._resume = None
        self._loop.add_handler(self._listener, self._accept, IOLoop.READ)

    def stop(self) -> None:
        """Accept nothing more; what waits in the kernel is refused there."""
        if self._resume is None:
            self._loop.remove_handler(self._listener)
        else:
            self._resume.cancel()
        self._listener.close()

    def _accept(self, listener: socket.socket, _events: int) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue  # it was closed while it waited: FreeBSD says so
            except OSError as error:
                self._pause(error)
                return
            self._accepted(connection, address)

    def _pause(self, error: OSError) -> None:
        """Leave those that wait in the kernel alone for a moment: there may be room then."""
        log.error("no connection can be accepted for %g s: %s", PAUSE_S, error)
        self._loop.remove_handler(self._listener)
        self._resume = asyncio.get_running_loop().call_later(PAUSE_S, self.start)

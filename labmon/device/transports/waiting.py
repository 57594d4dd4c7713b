"""Waiting for a socket or file descriptor: poll() where there is one.

The trap: select() refuses descriptors from 1024 on, so a device that reconnects while a thousand
browsers are connected would not come back. Windows has no poll(), but no such end either.
"""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


def readable(source: int | socket.socket, wait_s: float) -> bool:
    """Whether there is something to read, or to fail on, within a time."""
    if sys.platform == "win32":
        return bool(select.select([source], [], [], wait_s)[0])
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def writable(source: int | socket.socket, wait_s: float) -> bool:
    """Whether there is room to write, or something to fail on, within a time."""
    if sys.platform == "win32":
        return bool(select.select([], [source], [], wait_s)[1])
    poll = select.poll()
    poll.register(source, select.POLLOUT)
    return bool(poll.poll(wait_s * 1000))

"""What `Link` asks of anything that moves bytes.

The trap: no call may wait longer than it is told to, because between two calls the link looks
whether somebody closed it from another thread.
"""

from __future__ import annotations

from typing import Protocol


class ByteStream(Protocol):
    """An open connection. Used by one thread; whatever fails raises `OSError`."""

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived, waiting at most `wait_s` for the first byte; empty if nothing came."""
        ...

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Hand bytes over, waiting at most `wait_s` for room; returns how many were taken."""
        ...

    def drop_input(self) -> None:
        """Throw away what the operating system holds for us."""
        ...

    def drop_output(self) -> None:
        """Throw away what is written but not yet sent, where that is possible."""
        ...

    def close(self) -> None:
        """Close; harmless when closed already."""
        ...

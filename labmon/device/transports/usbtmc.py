"""USBTMC through the kernel: `/dev/usbtmc0` on Linux, without VISA.

A message goes out, a message comes back. The trap: reading when nothing was asked makes the driver
of the kernel wait, and then break off the transfer; so nothing is read before a question.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import threading
from typing import Final

CHUNK_BYTES: Final = 4096
SET_TIMEOUT: Final = 0x40045B0A
"""ioctl USBTMC_IOCTL_SET_TIMEOUT, Linux 4.20 and newer; milliseconds."""
CLEAR: Final = 0x5B02
"""ioctl USBTMC_IOCTL_CLEAR."""
NOT_YET: Final = {errno.ETIMEDOUT, errno.EAGAIN}
NO_TERMINAL: Final = getattr(os, "O_NOCTTY", 0)
"""Windows has neither the flag nor such devices."""


class UsbtmcStream:
    """An open USBTMC device.

    Args:
        path: `/dev/usbtmc0`, or a link to it.
        timeout_s: how long one message may take.
    """

    def __init__(self, path: str, timeout_s: float) -> None:
        self._fd = os.open(path, os.O_RDWR | NO_TERMINAL)
        self._is_asked = False
        self._pause = threading.Event()
        # older kernels wait 5 s whatever they are told
        self._control(SET_TIMEOUT, struct.pack("I", max(100, int(timeout_s * 1000))))

    def read_some(self, wait_s: float) -> bytes:
        """The message that answers, or nothing; waits longer than told if it was asked for."""
        if not self._is_asked:
            self._pause.wait(wait_s)
            return b""
        try:
            data = os.read(self._fd, CHUNK_BYTES)
        except OSError as error:
            if error.errno in NOT_YET:
                return b""
            raise
        self._is_asked = len(data) == CHUNK_BYTES  # then there is more of it
        return data

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Send one message; the kernel takes it as a whole."""
        del wait_s
        self._is_asked = b"?" in data
        return os.write(self._fd, data)

    def drop_input(self) -> None:
        """Forget an answer that nobody took."""
        if self._is_asked:
            self._is_asked = False
            self._control(CLEAR, b"")

    def drop_output(self) -> None:
        """Clear the instrument's input."""
        self._control(CLEAR, b"")

    def close(self) -> None:
        """Close the device."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _control(self, request: int, argument: bytes) -> None:
        if sys.platform == "win32":  # where there is no /dev/usbtmc0
            return
        import fcntl

        try:
            fcntl.ioctl(self._fd, request, argument)
        except OSError as error:
            if error.errno not in {errno.ENOTTY, errno.EINVAL}:
                raise

"""`sim://NAME?option=value` for pyserial: a port whose other end is a simulator in this process.

pyserial finds this module by its name. The trap: a simulator speaks by itself as time goes by, so
whoever waits for bytes must keep giving it the time.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from serial.serialutil import PortNotOpenError, SerialBase, SerialException, Timeout

from labmon.device.simulator import make_simulator

if TYPE_CHECKING:
    from labmon.device.simulator import Simulator

TICK_S: Final = 0.01
MAX_WAITING_BYTES: Final = 1 << 16
"""As a kernel's buffer: what nobody reads is lost in the end."""


class Serial(SerialBase):
    """A port without hardware; used from any thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._simulator: Simulator | None = None
        self._arrived = bytearray()
        self._is_cancelled = False
        self._changed = threading.Condition()
        super().__init__(*args, **kwargs)

    def open(self) -> None:
        """Make the simulator.

        Raises:
            SerialException: it is open already, or no port was named.
            ConfigError: there is no such simulator.
        """
        if self.is_open:
            raise SerialException("the port is open already")
        if self.portstr is None:
            raise SerialException("no port was named")
        with self._changed:
            self._simulator = make_simulator(self.portstr)
            self._arrived.clear()
            self._is_cancelled = False
            self.is_open = True

    def close(self) -> None:
        """Close; a read that waits raises."""
        with self._changed:
            self.is_open = False
            self._simulator = None
            self._changed.notify_all()

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read at once."""
        with self._changed:
            self._take_in(b"")
            return len(self._arrived)

    @property
    def out_waiting(self) -> int:
        """Bytes not yet sent: none, ever."""
        return 0

    def read(self, size: int = 1, /) -> bytes:
        """So many bytes, or fewer when the timeout passes or `cancel_read()` is called."""
        timeout = Timeout(self.timeout)  # pyright: ignore[reportArgumentType]  # None: no end
        with self._changed:
            while True:
                self._take_in(b"")
                if len(self._arrived) >= size or self._is_cancelled or timeout.expired():
                    break
                left_s = timeout.time_left()
                self._changed.wait(TICK_S if left_s is None else min(TICK_S, left_s))
            self._is_cancelled = False
            data = bytes(self._arrived[:size])
            del self._arrived[:size]
            return data

    def write(self, data: Any, /) -> int:
        """Give bytes to the simulator, which takes them all."""
        with self._changed:
            self._take_in(bytes(data))
            self._changed.notify_all()
            return len(data)

    def cancel_read(self) -> None:
        """Let a read in another thread return."""
        with self._changed:
            self._is_cancelled = True
            self._changed.notify_all()

    def flush(self) -> None:
        """Everything is sent at once."""

    def reset_input_buffer(self) -> None:
        """Forget what has arrived."""
        with self._changed:
            self._take_in(b"")
            self._arrived.clear()

    def reset_output_buffer(self) -> None:
        """Nothing waits to be sent."""

    def _take_in(self, data: bytes) -> None:
        """Give the simulator bytes and the time, and keep what it says."""
        if self._simulator is None:
            raise PortNotOpenError
        try:
            self._arrived += self._simulator.tick(time.monotonic())
            if data:
                self._arrived += self._simulator.feed(data)
        except OSError as error:  # a simulated fault
            raise SerialException(str(error)) from error
        del self._arrived[:-MAX_WAITING_BYTES]

    def _reconfigure_port(self) -> None:
        """There is no line whose speed could be set."""

    def _update_rts_state(self) -> None:
        """There is no line RTS."""

    def _update_dtr_state(self) -> None:
        """There is no line DTR."""

    def _update_break_state(self) -> None:
        """There is no line to break."""

    @property
    def cts(self) -> bool:
        """Always clear to send."""
        return True

    @property
    def dsr(self) -> bool:
        """Always ready."""
        return True

    @property
    def ri(self) -> bool:
        """Nobody rings."""
        return False

    @property
    def cd(self) -> bool:
        """Always connected."""
        return True

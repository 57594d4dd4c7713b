"""Everything that pyserial opens: serial devices, `rfc2217://`, `sim://`, `usb://SERIALNUMBER`.

The trap: RTS and DTR. pyserial raises both at every open, which resets many boards and is an error
on some pseudo-terminals; here they stay as they are unless the configuration asks.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import serial
import serial.rfc2217
from serial.tools import list_ports

from labmon.device.transports.waiting import readable, writable
from labmon.errors import ConfigError

if TYPE_CHECKING:
    import queue
    import socket
    from collections.abc import Iterator

    from labmon.device.transports.settings import LinkSettings
    from labmon.device.transports.stream import ByteStream

if sys.platform == "win32":
    TERMINAL_ERRORS: tuple[type[Exception], ...] = ()
else:
    import termios

    TERMINAL_ERRORS = (termios.error,)  # which is no OSError

CHUNK_BYTES: Final = 4096
SLICE_S: Final = 0.05
PSEUDO_TERMINALS: Final = "/dev/pts/"
HANDLERS: Final = "labmon.device"  # has protocol_sim

if HANDLERS not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append(HANDLERS)


def open_serial(port: str, settings: LinkSettings) -> ByteStream:
    """Open what pyserial can open.

    Raises:
        ConfigError: a URL of a kind that does not exist, or a setting that it cannot have.
        OSError: there is no such port, or it is in use.
    """
    if port.startswith("usb://"):
        port = find_usb_port(port.removeprefix("usb://"))
    with _as_os_errors():
        try:
            handle = _make_port(port, settings)
            handle.open()
        except (ValueError, NotImplementedError) as error:
            raise ConfigError(f"port {port}: {error}") from None
    if os.name == "posix" and "://" not in port:
        return PosixStream(handle)
    return PyserialStream(handle)


def find_usb_port(serial_number: str) -> str:
    """The present name of the adapter with this serial number, wherever it is plugged in.

    Raises:
        ConfigError: several have it.
        OSError: none has it; lists those that there are.
    """
    known = {p.device: p.serial_number for p in list_ports.comports() if p.serial_number}
    found = sorted(name for name, number in known.items() if number == serial_number)
    if len(found) > 1:
        raise ConfigError(f"USB serial number {serial_number} fits {', '.join(found)}")
    if not found:
        there = ", ".join(sorted({str(n) for n in known.values()})) or "none"
        raise FileNotFoundError(
            f"no USB port has serial number {serial_number}; there are: {there}"
        )
    return found[0]


class PyserialStream:
    """A port that pyserial implements without a file descriptor: sim://, rfc2217://, Windows."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived; waits in pyserial, at most one slice."""
        with _as_os_errors():
            waiting = self._port.in_waiting
            if not waiting and wait_s > 0:
                first = self._port.read(1)
                return first + self._port.read(min(self._port.in_waiting, CHUNK_BYTES))
            return bytes(self._port.read(min(waiting, CHUNK_BYTES)))

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Hand bytes over; pyserial's own write timeout ends it."""
        del wait_s
        with _as_os_errors():
            try:
                return self._port.write(data) or 0
            except serial.SerialTimeoutException:
                return 0

    def drop_input(self) -> None:
        """Throw away what has arrived."""
        with _as_os_errors():
            self._port.reset_input_buffer()

    def drop_output(self) -> None:
        """Throw away what waits to be sent."""
        with _as_os_errors():
            self._port.reset_output_buffer()

    def close(self) -> None:
        """Close the port."""
        with _as_os_errors():
            self._port.close()


class PosixStream:
    """A serial device or pseudo-terminal: pyserial opens and configures, we move the bytes.

    pyserial would wait with select(), see `waiting`.
    """

    def __init__(self, port: Any) -> None:
        self._port = port
        self._fd: int = port.fileno()

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived; OSError once the device was unplugged."""
        if not readable(self._fd, wait_s):
            return b""
        try:
            data = os.read(self._fd, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise ConnectionResetError("the port was unplugged")
        return data

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Hand bytes over as far as the driver has room."""
        if not writable(self._fd, wait_s):
            return 0
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def drop_input(self) -> None:
        """Throw away what has arrived."""
        with _as_os_errors():
            self._port.reset_input_buffer()

    def drop_output(self) -> None:
        """Throw away what waits to be sent, lest close() wait half a minute for it."""
        with _as_os_errors():
            self._port.reset_output_buffer()

    def close(self) -> None:
        """Close the port."""
        self._port.close()


class _LinesUntouched:
    """Mixin for pyserial's ports: sets RTS and DTR only where asked."""

    asked_rts: bool | None = None
    asked_dtr: bool | None = None

    def _update_rts_state(self) -> None:
        if self.asked_rts is not None:
            super()._update_rts_state()  # pyright: ignore[reportAttributeAccessIssue]

    def _update_dtr_state(self) -> None:
        if self.asked_dtr is not None:
            super()._update_dtr_state()  # pyright: ignore[reportAttributeAccessIssue]


class _Device(_LinesUntouched, serial.Serial):
    pass


class _Rfc2217(_LinesUntouched, serial.rfc2217.Serial):
    """pyserial's, but for what it does to each request, and to a converter that went first."""

    _read_buffer: queue.Queue[bytes | None]
    _socket: socket.socket | None

    def reset_input_buffer(self) -> None:
        """Forget what has arrived here; pyserial would ask the converter too, and wait for it."""
        while self._read_buffer.qsize():
            self._read_buffer.get_nowait()

    def close(self) -> None:
        """Close the socket also where the converter closed it first: pyserial forgets it then."""
        left = self._socket
        super().close()
        if left is not None:
            left.close()


def _make_port(port: str, settings: LinkSettings) -> Any:
    """The port, configured but not yet open."""
    # a pseudo-terminal has no parity; asked for it again, the C library says "invalid argument"
    is_real = not os.path.realpath(port).startswith(PSEUDO_TERMINALS)
    options: dict[str, Any] = {
        "baudrate": settings.baud_rate,
        "bytesize": settings.data_bits if is_real else 8,
        "parity": settings.parity[0].upper() if is_real else "N",
        "stopbits": settings.stop_bits,
        "xonxoff": settings.xonxoff,
        "rtscts": settings.rtscts,
        "timeout": SLICE_S,
    }
    if port.startswith("rfc2217://"):  # knows no write timeout; its socket has one of 5 s
        handle = _Rfc2217(None, **options)
        handle.port = port
    elif "://" in port:
        options["write_timeout"] = settings.write_timeout_s
        handle = serial.serial_for_url(port, do_not_open=True, **options)
    else:
        options |= {"write_timeout": settings.write_timeout_s, "exclusive": True}
        handle = _Device(None, **options)
        handle.port = port
    for line, wanted in (("rts", settings.rts), ("dtr", settings.dtr)):
        if wanted is not None:
            setattr(handle, f"asked_{line}", wanted)
            setattr(handle, line, wanted)
    return handle


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Turn what is no OSError, but means the same, into one."""
    try:
        yield
    except TERMINAL_ERRORS as error:
        raise OSError(*error.args) from None
    except serial.SerialException as error:
        # pyserial packs the text of the cause into its own: say it once
        cause = error.__context__
        if isinstance(cause, OSError) and cause.errno:
            raise OSError(cause.errno, cause.strerror) from None
        raise

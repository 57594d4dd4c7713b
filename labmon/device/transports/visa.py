"""VISA: `visa://TCPIP0::192.168.1.5::INSTR`, or the name of the resource alone; GPIB, USB, VXI-11.

Needs the extra `visa` (pyvisa with pyvisa-py), or pyvisa with a maker's VISA library; imported when
first used. The trap: instruments that speak in messages (`INSTR` but for serial ports) may take a
short wait for a breakdown; they are read only when asked, with the whole time for an answer.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from labmon.device.transports.serial_port import PSEUDO_TERMINALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.device.transports.settings import LinkSettings
    from labmon.device.transports.stream import ByteStream

SCHEME: Final = "visa://"
CHUNK_BYTES: Final = 4096
EXTRA: Final = "VISA needs pyvisa: pip install labmon-server[visa]"
_RESOURCE: Final = re.compile(
    r"(TCPIP|USB|GPIB|ASRL|PXI|VXI|VICP|PRLGX-)[^\s:]*::\S+", re.IGNORECASE
)


def is_visa(port: str) -> bool:
    """Whether a port is the name of a VISA resource."""
    return port.startswith(SCHEME) or _RESOURCE.match(port) is not None


def open_visa(port: str, settings: LinkSettings) -> ByteStream:
    """Open a resource.

    Raises:
        OSError: it cannot be opened, or pyvisa is missing.
    """
    try:
        import pyvisa
    except ImportError as error:
        raise OSError(EXTRA if error.name == "pyvisa" else f"{EXTRA} ({error})") from None
    with _as_os_errors():
        resource: Any = pyvisa.ResourceManager().open_resource(
            port.removeprefix(SCHEME), open_timeout=int(settings.connect_timeout_s * 1000)
        )
    try:
        with _as_os_errors():
            return _stream(resource, settings)
    except BaseException:
        resource.close()
        raise


def _stream(resource: Any, settings: LinkSettings) -> ByteStream:
    from pyvisa.constants import InterfaceType

    if resource.interface_type == InterfaceType.asrl:
        _set_up_line(resource, settings)
        return SerialStream(resource, settings)
    if resource.resource_class.upper() == "SOCKET":
        return SocketStream(resource, settings)
    return MessageStream(resource, settings)


def _set_up_line(resource: Any, settings: LinkSettings) -> None:
    from pyvisa.constants import ControlFlow, Parity, SerialTermination, StopBits

    resource.baud_rate = settings.baud_rate
    path = str(resource.resource_name).removeprefix("ASRL").partition("::")[0]
    if not os.path.realpath(path).startswith(PSEUDO_TERMINALS):  # which have no parity
        resource.data_bits = settings.data_bits
        resource.parity = Parity[settings.parity]
    resource.stop_bits = StopBits.one if settings.stop_bits == 1 else StopBits.two
    flow = ControlFlow.xon_xoff if settings.xonxoff else ControlFlow.none
    resource.flow_control = ControlFlow.rts_cts if settings.rtscts else flow
    resource.end_input = SerialTermination.none  # `Link` looks for the end itself


class SocketStream:
    """A resource that is a stream of bytes: `TCPIP::HOST::PORT::SOCKET`.

    It is read byte by byte: what a longer read had when its time was up, pyvisa throws away. It is
    written to with the whole time for that, as nobody can tell how much of it was taken.

    Args:
        resource: of pyvisa.
        settings: with the time for writing.
    """

    def __init__(self, resource: Any, settings: LinkSettings) -> None:
        self._resource = resource
        self._write_ms = _milliseconds(settings.write_timeout_s)

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived."""
        data = bytearray(self._byte(wait_s))
        while data and len(data) < CHUNK_BYTES and (more := self._byte(0)):
            data += more
            if more == b"\n":  # most likely that was all, and looking for more takes time
                break
        return bytes(data)

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Hand bytes over, all of them."""
        del wait_s
        with _as_os_errors():
            self._resource.timeout = self._write_ms
            return self._resource.write_raw(data)

    def drop_input(self) -> None:
        """Read until nothing is left, at most 64 KiB of it."""
        for _ in range(16):
            if not self.read_some(0):
                return

    def drop_output(self) -> None:
        """It is sent."""

    def close(self) -> None:
        """Close the resource."""
        with _as_os_errors():
            self._resource.close()

    def _byte(self, wait_s: float) -> bytes:
        with _as_os_errors():
            self._resource.timeout = _milliseconds(wait_s)
            return _or_nothing(lambda: self._resource.read_bytes(1))


class SerialStream(SocketStream):
    """A serial port: `ASRL/dev/ttyUSB0::INSTR`, `ASRL3::INSTR`."""

    def read_some(self, wait_s: float) -> bytes:
        """What has arrived; VISA says how much that is."""
        data = self._byte(wait_s)
        if not data:
            return b""
        with _as_os_errors():
            waiting = min(self._resource.bytes_in_buffer, CHUNK_BYTES)
            return data + (self._resource.read_bytes(waiting) if waiting else b"")

    def drop_input(self) -> None:
        """Throw away what has arrived."""
        from pyvisa.constants import BufferOperation

        with _as_os_errors():
            self._resource.flush(BufferOperation.discard_read_buffer)

    def drop_output(self) -> None:
        """Throw away what waits to be sent."""
        from pyvisa.constants import BufferOperation

        with _as_os_errors():
            self._resource.flush(BufferOperation.discard_write_buffer)


class MessageStream:
    """A resource that speaks in messages: GPIB, USBTMC, VXI-11, HiSLIP.

    Args:
        resource: of pyvisa.
        settings: with the time for an answer, and what ends a line.
    """

    def __init__(self, resource: Any, settings: LinkSettings) -> None:
        self._resource = resource
        self._end = settings.received_end
        self._reply_ms = _milliseconds(settings.reply_timeout_s)
        self._write_ms = _milliseconds(settings.write_timeout_s)
        self._is_asked = False
        self._pause = threading.Event()

    def read_some(self, wait_s: float) -> bytes:
        """The message that answers, or nothing; waits longer than told if it was asked for."""
        if not self._is_asked:
            self._pause.wait(wait_s)
            return b""
        with _as_os_errors():
            self._resource.timeout = self._reply_ms
            data = _or_nothing(self._resource.read_raw)
        self._is_asked = not data
        # the end of a message ends the line, whether it is written or not
        return data + self._end if data and not data.endswith(self._end) else data

    def write_some(self, data: bytes, wait_s: float) -> int:
        """Send one message as a whole."""
        del wait_s
        with _as_os_errors():
            self._resource.timeout = self._write_ms
            self._resource.write_raw(data)
        self._is_asked = b"?" in data
        return len(data)

    def drop_input(self) -> None:
        """Forget an answer that nobody took."""
        if self._is_asked:
            self.drop_output()

    def drop_output(self) -> None:
        """Clear the instrument's input and output."""
        self._is_asked = False
        with _as_os_errors():
            self._resource.clear()

    def close(self) -> None:
        """Close the resource."""
        with _as_os_errors():
            self._resource.close()


def _or_nothing(read: Any) -> bytes:
    """What was read; nothing where the time is up."""
    from pyvisa import VisaIOError
    from pyvisa.constants import StatusCode

    try:
        return read()
    except VisaIOError as error:
        if error.error_code == StatusCode.error_timeout:
            return b""
        raise


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Turn whatever a VISA library throws into OSError; pyvisa-py throws bare exceptions too."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  a library of unknown make, and all of it means this
        text = str(error).splitlines()
        raise OSError(text[0] if text else type(error).__name__) from None

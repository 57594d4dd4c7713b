"""`open_link`: one byte link to an instrument, with a timeout on everything and bounded lines.

Whatever fails is an `InstrumentError` that says where; nothing else comes out. The trap: a link
that failed stays closed, for good: the device opens a new one when it reconnects.
"""

from __future__ import annotations

import errno
import re
import threading
import time
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, TypeVar, Unpack

from labmon.device.simulator import SCHEME
from labmon.device.transports.port_name import TCP_SCHEMES
from labmon.device.transports.serial_port import open_serial
from labmon.device.transports.settings import LinkKeys, LinkSettings
from labmon.device.transports.shared import share
from labmon.device.transports.tcp import TcpStream, parse_address
from labmon.device.transports.usbtmc import UsbtmcStream
from labmon.device.transports.visa import is_visa, open_visa
from labmon.errors import ConfigError, InstrumentError, InstrumentTimeoutError, OfflineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from labmon.device.transports import ByteStream

__all__ = ["MAX_LINE_BYTES", "Link", "LinkKeys", "LinkSettings", "as_number", "open_link"]

MAX_LINE_BYTES: Final = 4096
SLICE_S: Final = 0.05
"""How long a call waits before it looks whether the link was closed from another thread."""
MAX_QUIET_S: Final = 0.5
MAX_QUOTED: Final = 40
CAUSES: Final = {
    errno.ENOENT: "there is no such port; is it plugged in?",
    errno.EACCES: "no permission; on Linux, the user must be in the group dialout",
    errno.EAGAIN: "another program is using it",
    errno.EBUSY: "another program is using it",
    errno.EIO: "it was unplugged",
    errno.ENXIO: "it was unplugged",
}
NUMBER: Final = re.compile(
    r"[+-]?(?:(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][+-]?\d{1,4})?|inf|nan)", re.ASCII | re.I
)

Reply = TypeVar("Reply")


def open_link(port: str, settings: LinkSettings | None = None, **keys: Unpack[LinkKeys]) -> Link:
    """Open a byte link.

    Args:
        port: a serial device (`/dev/ttyUSB0`, `COM3`), `usb://SERIALNUMBER` of its adapter,
            `tcp://HOST:PORT`, `rfc2217://HOST:PORT`, `/dev/usbtmc0`, a VISA resource, or
            `sim://NAME` for a simulator.
        settings: speed, terminators and times; the defaults where None.
        keys: single ones of `LinkKeys` that differ: `open_link(port, baud_rate=19200)`.

    Raises:
        ConfigError: the port is none of these.
        OfflineError: it cannot be opened now.
    """
    settings = (settings or LinkSettings()).changed(**keys)
    try:
        stream = _open_stream(port, settings)
    except OSError as error:
        raise OfflineError(f"cannot open {port}: {_cause(error)}") from None
    link = Link(stream, port, settings)
    try:
        link.settle(settings.settle_s)
    except BaseException:
        link.close()
        raise
    return link


def _open_stream(port: str, settings: LinkSettings) -> ByteStream:
    if not port.strip():
        raise ConfigError("the port is empty: name a serial device, tcp://HOST:PORT or sim://NAME")
    if port.startswith(SCHEME):  # each simulates an instrument of its own
        return open_serial(port, settings)
    if port.startswith(TCP_SCHEMES):
        address = parse_address(port, settings.tcp_port)
        return share(port, address, lambda: TcpStream(address, settings.connect_timeout_s))
    if "usbtmc" in PurePath(port).name:
        return share(port, None, lambda: UsbtmcStream(port, settings.reply_timeout_s))
    if is_visa(port):
        return share(port, settings.line, lambda: open_visa(port, settings))
    return share(port, settings.line, lambda: open_serial(port, settings))


class Link:
    """A request goes out, an answer comes in; called on the device's thread, closed from any.

    Attributes:
        port: where it leads, as configured.
        settings: how it is set up.
        turn: held from a request to its answer, as other devices may use the same port; a driver
            with exchanges of several steps holds it around them: `with self.link.turn:`.
        is_owed: an answer, or the end of one, did not come in time, and may still come; of an
            instrument that answered before.
    """

    def __init__(self, stream: ByteStream, port: str, settings: LinkSettings) -> None:
        self.port = port
        self.settings = settings
        self._stream = stream
        self._buffer = bytearray()
        self._is_overflowing = False  # in the middle of a line that was too long
        self._busy = threading.Lock()  # held while the stream is used
        self._closed = threading.Event()
        self.turn: threading.RLock = getattr(stream, "turn", None) or threading.RLock()
        self._last_used_s = -float("inf")
        self.is_owed = False
        self._has_heard = False
        self._asked = b""

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return not self._closed.is_set()

    def close(self) -> None:
        """Close it, from any thread, more than once; a call that waits on it raises at once."""
        self._closed.set()
        self._close_stream()

    def settle(self, quiet_s: float) -> None:
        """Give the instrument time, and forget what it said meanwhile."""
        if quiet_s > 0:
            self._pause(quiet_s)
            self.drop_input()

    def wait_until_quiet(self, quiet_s: float, at_most_s: float = MAX_QUIET_S) -> bool:
        """Forget what comes until nothing came for a while: the rest of an answer to somebody else.

        Without it, the end of an answer that came too late could pass for the next one.

        Returns:
            whether it became quiet.
        """
        deadline_s = time.monotonic() + at_most_s
        with self.turn:
            while (data := self.read_some(quiet_s)) and not self._is_over(deadline_s):
                self._buffer.clear()
        self._is_overflowing = self._has_heard = False
        return not data

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            InstrumentTimeoutError: they were not taken in time; the link is closed then, since
                nobody knows what was sent.
        """
        self._pause(self._last_used_s + self.settings.gap_s - time.monotonic())
        self.is_owed = False
        self._asked = data
        deadline_s = time.monotonic() + self.settings.write_timeout_s
        with self._in_use("sending"):
            while data:
                taken = self._stream.write_some(data, SLICE_S)
                data = data[taken:]
                if data and self._is_over(deadline_s):
                    self._stream.drop_output()
                    self._closed.set()
                    raise InstrumentTimeoutError(
                        f"{self.port} took no more bytes for {self.settings.write_timeout_s:g} s"
                    )
        self._last_used_s = time.monotonic()

    def write_line(self, text: str) -> None:
        """Send a line with its terminator."""
        self.write(text.encode("latin-1") + self.settings.sent_end)

    def read_some(self, timeout_s: float = 0.0) -> bytes:
        """What there is, waiting at most so long for the first byte; empty when nothing came."""
        if not self._buffer:
            self._fill(time.monotonic() + timeout_s)
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def read_exactly(self, size: int, timeout_s: float | None = None) -> bytes:
        """So many bytes.

        Raises:
            InstrumentTimeoutError: they did not all come in time.
        """
        deadline_s, timeout_s = self._deadline(timeout_s)
        while len(self._buffer) < size:
            if not self._fill(deadline_s):
                raise self._too_late(timeout_s, self._buffer)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def read_line(self, timeout_s: float | None = None, end: bytes | None = None) -> bytes:
        """One line, without its terminator.

        Raises:
            InstrumentTimeoutError: it did not come, or did not end, in time.
            InstrumentError: it is longer than 4 KiB; reading goes on after its end.
        """
        end = end or self.settings.received_end
        deadline_s, timeout_s = self._deadline(timeout_s)
        searched = 0
        while True:
            at = self._buffer.find(end, searched)
            if at >= 0 and (line := self._cut(at, end)) is not None:
                return line
            searched = 0 if at >= 0 else max(0, len(self._buffer) - len(end) + 1)
            if at < 0 and len(self._buffer) > MAX_LINE_BYTES:
                self._overflow(end)
                raise self._too_long()
            if at < 0 and not self._fill(deadline_s):
                raise self._too_late(timeout_s, self._buffer)

    def query(self, text: str, timeout_s: float | None = None) -> str:
        """Send a line and read the line that answers it, as text without surrounding spaces.

        What came before the request cannot be its answer and is dropped.
        """
        with self.turn:
            self.drop_input()
            self.write_line(text)
            return self.decode(self.read_line(timeout_s))

    def query_number(self, text: str, timeout_s: float | None = None) -> float:
        """Send a line and read the number that answers it.

        Raises:
            InstrumentError: the answer is no number.
        """
        return as_number(self.query(text, timeout_s))

    def exchange(
        self,
        request: bytes,
        feed: Callable[[bytes], Sequence[Reply]],
        timeout_s: float | None = None,
    ) -> Reply:
        """Send a request, and feed what comes back to a parser until it yields the first reply.

        Args:
            request: bytes as they go out; none are sent where it is empty.
            feed: takes bytes as they come, returns the replies that they complete.
            timeout_s: time for the answer; the link's own where None.
        """
        with self.turn:
            if request:
                self.drop_input()
                self.write(request)
            deadline_s, timeout_s = self._deadline(timeout_s)
            heard = b""
            while True:
                data = self.read_some(max(0.0, deadline_s - time.monotonic()))
                heard += data[: MAX_QUOTED - len(heard)]
                if replies := feed(data):
                    return replies[0]
                if self._is_over(deadline_s):
                    raise self._too_late(timeout_s, heard)

    def drop_input(self) -> None:
        """Forget what has arrived so far."""
        self._buffer.clear()
        self._is_overflowing = False
        with self._in_use("reading"):
            self._stream.drop_input()

    def decode(self, line: bytes) -> str:
        """An answer as text.

        Raises:
            InstrumentError: it has bytes that no answer in ASCII has.
        """
        try:
            return line.decode("ascii").strip(" \t\r\n\0")
        except UnicodeDecodeError:
            raise InstrumentError(f"{self.port} sent garbage: {line[:40]!r}") from None

    def _fill(self, deadline_s: float) -> bool:
        """Add what arrives to the buffer; false when nothing came before the deadline."""
        while True:
            wait_s = max(0.0, min(SLICE_S, deadline_s - time.monotonic()))
            with self._in_use("reading"):
                data = self._stream.read_some(wait_s)
            if data:
                self._has_heard = True
                self._buffer += data
                self._last_used_s = time.monotonic()
            if data or self._is_over(deadline_s):
                return bool(data)

    def _cut(self, at: int, end: bytes) -> bytes | None:
        """Take the line that ends at a position; None where it is the rest of one too long."""
        line = bytes(self._buffer[:at])
        del self._buffer[: at + len(end)]
        if self._is_overflowing:
            self._is_overflowing = False
            return None
        if len(line) > MAX_LINE_BYTES:
            raise self._too_long()
        return line

    def _overflow(self, end: bytes) -> None:
        """Drop a line that does not end, but for what may be the beginning of its terminator."""
        self._is_overflowing = True
        del self._buffer[: len(self._buffer) - len(end) + 1]

    def _pause(self, seconds: float) -> None:
        """Wait, unless the link is closed meanwhile."""
        if seconds > 0 and self._closed.wait(seconds):
            raise OfflineError(f"the link to {self.port} was closed")

    def _deadline(self, timeout_s: float | None) -> tuple[float, float]:
        timeout_s = self.settings.reply_timeout_s if timeout_s is None else timeout_s
        return time.monotonic() + timeout_s, timeout_s

    def _is_over(self, deadline_s: float) -> bool:
        return time.monotonic() >= deadline_s

    def _too_long(self) -> InstrumentError:
        return InstrumentError(f"{self.port} sent a line of more than {MAX_LINE_BYTES} bytes")

    def _too_late(self, timeout_s: float, heard: bytes | bytearray) -> InstrumentTimeoutError:
        self.is_owed = bool(heard) or self._has_heard
        got = f"only {bytes(heard[:MAX_QUOTED])!r}" if heard else "nothing"
        asked = f" after {self._asked[:MAX_QUOTED]!r}" if self._asked else ""
        return InstrumentTimeoutError(f"{self.port} sent {got} within {timeout_s:g} s{asked}")

    @contextmanager
    def _in_use(self, doing: str) -> Iterator[None]:
        """Use the stream; whatever fails closes the link, for good."""
        try:
            with self._busy:
                if self._closed.is_set():
                    raise OfflineError(f"the link to {self.port} is closed")
                yield
        except OSError as error:
            self._closed.set()
            raise OfflineError(f"{self.port} failed while {doing}: {_cause(error)}") from None
        finally:
            if self._closed.is_set():  # maybe by a thread that left closing the stream to us
                self._close_stream()
        if self._closed.is_set():
            raise OfflineError(f"the link to {self.port} was closed")

    def _close_stream(self) -> None:
        """Close the stream, or leave that to the thread that is using it."""
        if self._busy.acquire(blocking=False):
            try:
                self._stream.close()
            except OSError:
                return  # it is gone; there is nothing left to close
            finally:
                self._busy.release()


def as_number(text: str) -> float:
    """The number that an instrument wrote.

    Raises:
        InstrumentError: it is none.
    """
    if NUMBER.fullmatch(text.strip()) is None:
        raise InstrumentError(f"{text[:40]!r} is no number")
    return float(text)


def _cause(error: OSError) -> str:
    return CAUSES.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__

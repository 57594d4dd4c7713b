"""The window protocol of Agilent (Varian): ion pumps 4UHV, IPCMini; turbo pumps TwisTorr, TV.

    02 | 80+address | window, 3 digits | '0' read or '1' write | data | 03 | CRC, 2 hex digits

The CRC is the exclusive or of all bytes after 02 up to and with 03. The answer has the same form
with the data, or one byte of result. Manual: Agilent "4UHV Ion Pump Controller User Manual",
87-900-139-01. The trap: the CRC of 0A is `0A`, always two digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from labmon.device import InstrumentError

STX: Final = 0x02
ETX: Final = 0x03
MAX_BYTES: Final = 64
ACK: Final = 0x06
RESULTS: Final = {
    0x15: "not acknowledged",
    0x32: "unknown window",
    0x33: "wrong data type",
    0x34: "out of range",
    0x35: "window disabled now",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `window` is None where only a result came."""

    address: int
    window: int | None
    is_write: bool
    data: str
    result: int = ACK

    def encode(self) -> bytes:
        """As it goes over the line."""
        content = bytes([self.result])
        if self.window is not None:
            text = f"{self.window:03d}{'1' if self.is_write else '0'}{self.data}"
            content = text.encode("latin-1")
        body = bytes([0x80 + self.address]) + content + bytes([ETX])
        return bytes([STX]) + body + crc(body)


def crc(body: bytes) -> bytes:
    """Two upper-case hexadecimal digits."""
    value = 0
    for byte in body:
        value ^= byte
    return f"{value:02X}".encode()


def read(address: int, window: int) -> Message:
    """Ask for a window."""
    return Message(address, window, False, "")


def decode(frame: bytes) -> Message:
    """A message from its bytes, STX and CRC included.

    Raises:
        InstrumentError: it is damaged.
    """
    body, given = frame[1:-2], frame[-2:]
    if crc(body) != given:
        raise InstrumentError(f"the CRC of {frame!r} is wrong")
    address, content = body[0] - 0x80, body[1:-1]
    if len(content) == 1:
        return Message(address, None, False, "", content[0])
    window, action, data = content[:3], content[3:4], content[4:]
    if address < 0 or not window.isdigit() or action not in {b"0", b"1"}:
        raise InstrumentError(f"{frame!r} is no message")
    return Message(address, int(window), action == b"1", data.decode("latin-1"))


class Messages:
    """Cuts bytes into messages, whatever stands between them."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now.

        Raises:
            InstrumentError: one is damaged; the next may be good.
        """
        self._rest += data
        messages: list[Message] = []
        while (frame := self._frame()) is not None:
            messages.append(decode(frame))
        return messages

    def _frame(self) -> bytes | None:
        start = self._rest.find(STX)
        if start < 0:
            self._rest.clear()
            return None
        del self._rest[:start]
        end = self._rest.find(ETX)
        if end < 0 or len(self._rest) < end + 3:
            if len(self._rest) > MAX_BYTES:
                self._rest.clear()
                raise InstrumentError("a message without end")
            return None
        frame = bytes(self._rest[: end + 3])
        del self._rest[: end + 3]
        if len(frame) < 6:
            raise InstrumentError(f"{frame!r} is no message")
        return frame


def checked(answer: Message, request: Message) -> str:
    """The data of an answer.

    Raises:
        InstrumentError: it answers something else, or refuses.
    """
    if answer.address != request.address:
        raise InstrumentError(f"address {answer.address} answered, not {request.address}")
    if answer.window is None:
        if answer.result == ACK and request.is_write:
            return ""
        said = RESULTS.get(answer.result, f"result {answer.result:#04x}")
        raise InstrumentError(f"window {request.window}: {said}")
    if answer.window != request.window:
        raise InstrumentError(f"window {answer.window} came, not {request.window}")
    return answer.data.strip()

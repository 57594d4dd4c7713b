"""Modbus, without sockets: one request and its answer; the one file that needs pymodbus.

Frames and messages are pymodbus's, in its forms TCP (MBAP), RTU and ASCII. The trap: only TCP
numbers its requests; on a serial line what answers another unit, or another question, looks as
good, so unit, function and length are compared.
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Any, Final, Literal

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from labmon.device import InstrumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

Framing = Literal["tcp", "rtu", "ascii"]
FRAMERS: Final = {"tcp": FramerSocket, "rtu": FramerRTU, "ascii": FramerAscii}
MAX_BYTES: Final = 1024
"""More than any answer has."""
BITS, REGISTERS = (1, 2), (3, 4)
MAX_COUNTS: Final = {1: 2000, 2: 2000, 3: 125, 4: 125}
READS: Final[dict[int, type[ModbusPDU]]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
BIT_WRITES: Final[dict[int, type[ModbusPDU]]] = {
    5: WriteSingleCoilRequest,
    15: WriteMultipleCoilsRequest,
}
REGISTER_WRITES: Final[dict[int, type[ModbusPDU]]] = {
    6: WriteSingleRegisterRequest,
    16: WriteMultipleRegistersRequest,
}
EXCEPTIONS: Final = {
    1: "it does not know this function",
    2: "it has no such address",
    3: "it does not take this value, or not so many at once",
    4: "it failed",
    5: "it needs more time",
    6: "it is busy",
    7: "it refuses",
    8: "its memory is damaged",
    10: "the gateway has no path to it",
    11: "the gateway got no answer from it",
}

# what it has to say of answers to somebody else is no news on a shared line
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class RefusedError(InstrumentError):
    """The instrument understood, and answered with an exception of Modbus."""


class Exchange:
    """One request, and the parser of its answer: for `Link.exchange(it.frame, it.feed)`.

    Args:
        framing: the form of the frames.
        request: with unit and address.
        number: of the request, for TCP; 1 to 65535.
    """

    def __init__(self, framing: Framing, request: ModbusPDU, number: int) -> None:
        self._framer = FRAMERS[framing](DecodePDU(is_server=False))
        request.transaction_id = number if framing == "tcp" else 0
        self._request = request
        self._buffer = bytearray()
        self.frame: bytes = self._framer.buildFrame(request)

    def feed(self, data: bytes) -> list[ModbusPDU]:
        """Take bytes; returns the answer once it is complete.

        Raises:
            InstrumentError: the instrument refused, or sent garbage.
        """
        self._buffer += data
        if len(self._buffer) > MAX_BYTES:
            raise self._garbage()
        while self._buffer:
            try:
                used, unit, number, message = self._framer.decode(bytes(self._buffer))
            except (ModbusException, struct.error, IndexError, ValueError):
                raise self._garbage() from None
            if not used:
                break
            del self._buffer[:used]
            is_ours = unit == self._request.dev_id and number == self._request.transaction_id
            if message and is_ours and (answer := self._answer(message)):
                return [answer]
        return []

    def _garbage(self) -> InstrumentError:
        self._buffer.clear()
        return InstrumentError(f"unit {self._request.dev_id} sent garbage")

    def _answer(self, message: bytes) -> ModbusPDU | None:
        """The answer in a message; None where it answers another question."""
        if message[0] & 0x7F != self._request.function_code:
            return None
        try:
            answer = self._framer.decoder.decode(message)
        except (ModbusException, struct.error, IndexError, ValueError):
            answer = None
        if answer is None:
            raise InstrumentError(f"unit {self._request.dev_id} sent a damaged answer")
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            why = EXCEPTIONS.get(code, "for a reason of its own")
            raise RefusedError(f"{describe(self._request)}: {why} (exception {code})")
        return answer


def read_request(unit: int, function: int, address: int, count: int) -> ModbusPDU:
    """Ask for registers or bits."""
    return READS[function](address=address, count=count, dev_id=unit)


def write_request(unit: int, function: int, address: int, values: Sequence[Any]) -> ModbusPDU:
    """Set registers (6, 16) or bits (5, 15)."""
    if function in BIT_WRITES:
        return BIT_WRITES[function](address=address, bits=list(values), dev_id=unit)
    return REGISTER_WRITES[function](address=address, registers=list(values), dev_id=unit)


def read_values(request: ModbusPDU, answer: ModbusPDU) -> list[int]:
    """The registers or bits that were asked for.

    Raises:
        InstrumentError: there are not so many.
    """
    is_bits = request.function_code in BITS
    found = [int(value) for value in (answer.bits if is_bits else answer.registers)]
    expected = (request.count + 7) // 8 * 8 if is_bits else request.count  # bits come in bytes
    if len(found) != expected:
        raise InstrumentError(f"{describe(request)}: {len(found)} came, not {expected}")
    return found[: request.count]


def check_written(request: ModbusPDU, answer: ModbusPDU) -> None:
    """An instrument repeats what it was told.

    Raises:
        InstrumentError: it repeats something else.
    """
    is_same = answer.address == request.address
    if request.function_code == 6:
        is_same = is_same and list(answer.registers) == list(request.registers)
    if not is_same:
        raise InstrumentError(f"{describe(request)}: it says that it did something else")


def describe(request: ModbusPDU) -> str:
    """A request in words."""
    return f"unit {request.dev_id}, function {request.function_code}, address {request.address}"

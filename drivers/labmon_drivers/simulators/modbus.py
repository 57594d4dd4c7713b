"""`sim://modbus`: a heater's controller with two zones, over RTU or TCP.

Holding registers 0 and 1: temperatures in 0.1 °C; 2 and 3: setpoints; 10 to 11: power in W as
float32; 12 to 13: energy in Wh as uint32; input register 0: state (0 off, 1 heating, 2 error);
coils 0 and 1: zones on. It knows nothing of pymodbus. The trap: on a serial line it must be silent
when somebody else is asked, or when a frame is damaged.
"""

from __future__ import annotations

import struct
from typing import Final, Literal

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
LONGEST: Final = 260
LENGTHS: Final = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8}
"""Of requests as RTU frames; those of 15 and 16 say theirs."""


class RefusedError(Exception):
    """The unit refuses: an exception code of Modbus."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Modbus:
    """A heater's controller with two zones, over Modbus RTU or TCP.

    Args:
        framing: `rtu` or `tcp`.
        unit: its number.
        power_w: in its registers.
    """

    def __init__(self, framing: str = "rtu", unit: int = 1, power_w: float = 412.5) -> None:
        self.framing: Literal["rtu", "tcp"] = "tcp" if framing == "tcp" else "rtu"
        self.unit = unit
        self.holding = dict.fromkeys(range(16), 0)
        self.holding |= {0: 1234, 1: 65536 - 56, 2: 1200, 3: 0}
        for at, number in ((10, struct.pack(">f", power_w)), (12, struct.pack(">I", 123_456))):
            self.holding[at], self.holding[at + 1] = struct.unpack(">HH", number)
        self.inputs = {0: 1}
        self.coils = {0: 1, 1: 0}
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Answer the requests that are for us."""
        self._buffer += data
        answers = bytearray()
        while (request := self._next()) is not None:
            answers += request
        if len(self._buffer) > LONGEST:
            self._buffer.clear()
        return bytes(answers)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _next(self) -> bytes | None:
        """The answer to the next whole request; None where there is none."""
        return self._next_tcp() if self.framing == "tcp" else self._next_rtu()

    def _next_tcp(self) -> bytes | None:
        if len(self._buffer) < 8:
            return None
        number, protocol, length, unit = struct.unpack(">HHHB", self._buffer[:7])
        if protocol or not 2 <= length <= LONGEST:
            self._buffer.clear()
            return None
        if len(self._buffer) < 6 + length:
            return None
        message = bytes(self._buffer[7 : 6 + length])
        del self._buffer[: 6 + length]
        if unit != self.unit:
            return b""
        answer = self._answer(message)
        return struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer

    def _next_rtu(self) -> bytes | None:
        if len(self._buffer) < 8:
            return None
        length = LENGTHS.get(self._buffer[1], 9 + self._buffer[6])
        if len(self._buffer) < length:
            return None
        frame = bytes(self._buffer[:length])
        if crc(frame):  # damaged: what follows is not to be understood either
            self._buffer.clear()
            return None
        del self._buffer[:length]
        if frame[0] != self.unit:
            return b""
        answer = frame[:1] + self._answer(frame[1:-2])
        return answer + crc(answer).to_bytes(2, "little")

    def _answer(self, message: bytes) -> bytes:
        function = message[0]
        try:
            return bytes([function]) + self._do(function, message[1:])
        except RefusedError as error:
            return bytes([function | 0x80, error.code])
        except (struct.error, IndexError):
            return bytes([function | 0x80, ILLEGAL_VALUE])

    def _do(self, function: int, body: bytes) -> bytes:
        address, value = struct.unpack(">HH", body[:4])
        if function in {1, 2}:
            bits = self._of(self.coils, address, value)
            data = sum(bit << i for i, bit in enumerate(bits)).to_bytes((value + 7) // 8, "little")
        elif function in {3, 4}:
            table = self.holding if function == 3 else self.inputs
            data = struct.pack(f">{value}H", *self._of(table, address, value))
        else:
            return self._write(function, address, value, body)
        return bytes([len(data)]) + data

    def _write(self, function: int, address: int, value: int, body: bytes) -> bytes:
        if function == 5:
            self._set(self.coils, address, [value == 0xFF00])
        elif function == 6:
            self._set(self.holding, address, [value])
        elif function == 15:
            bits = int.from_bytes(body[5:], "little")
            self._set(self.coils, address, [bits >> i & 1 for i in range(value)])
        elif function == 16:
            self._set(self.holding, address, struct.unpack(f">{value}H", body[5:]))
        else:
            raise RefusedError(ILLEGAL_FUNCTION)
        return body[:4]

    def _of(self, table: dict[int, int], address: int, count: int) -> list[int]:
        if not 1 <= count <= 125:
            raise RefusedError(ILLEGAL_VALUE)
        if any(i not in table for i in range(address, address + count)):
            raise RefusedError(ILLEGAL_ADDRESS)
        return [table[i] for i in range(address, address + count)]

    def _set(
        self, table: dict[int, int], address: int, values: tuple[int, ...] | list[int]
    ) -> None:
        self._of(table, address, len(values))
        table.update({address + i: int(value) for i, value in enumerate(values)})


def crc(frame: bytes) -> int:
    """The checksum of an RTU frame; 0 for a frame with its checksum behind it."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value

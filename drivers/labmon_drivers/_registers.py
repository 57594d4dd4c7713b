"""Values in Modbus registers: types, word orders, and a channel as the configuration describes it.

The trap: Modbus says how 16 bits travel and nothing of larger numbers; each maker has an order of
its own, and with the wrong one a value is nonsense that may look like a small number.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from labmon.device import InstrumentError, Quality, Value
from labmon.errors import BadRequestError, OutOfLimitsError
from labmon_drivers._channels import ChannelSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labmon.device import Channel

NumberType = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
Type = Literal[NumberType, "bool"]
WordOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
FORMATS: Final = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}
BITS_FUNCTIONS: Final = (1, 2)
WRITABLE_FUNCTIONS: Final = (1, 3)
Address = Annotated[int, Field(ge=0, le=65535)]


class RegisterChannel(ChannelSettings):
    """A value in one register or several, or a bit."""

    address: Address = Field(description="Of the first register, counted from 0.")
    function: Literal[1, 2, 3, 4] = Field(
        default=3, description="1 coils, 2 discrete inputs, 3 holding, 4 input registers."
    )
    type: Type = Field(default="uint16", description="What its registers make together.")
    word_order: WordOrder | None = Field(default=None, description="If not the device's.")
    bit: Annotated[int, Field(ge=0, le=15)] | None = Field(
        default=None, description="Of the register, the lowest is 0; for bool."
    )
    no_signal: list[int] = Field(
        default_factory=list, description="Raw values that mean that there is none."
    )
    words: dict[int, str] = Field(default_factory=dict, description="What numbers mean.")
    every_s: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Least time between two readings; 0: with each poll."
    )
    writable: bool = Field(default=False, description="Whether it can be set.")
    write_function: Literal[5, 6, 15, 16] | None = Field(
        default=None, description="5 and 15 for coils, 6 and 16 for registers, if not the usual."
    )
    confirm: str = Field(default="", description="A question that the browser asks before.")

    @model_validator(mode="after")
    def _fits_together(self) -> RegisterChannel:
        is_bits = self.function in BITS_FUNCTIONS
        if (is_bits or self.bit is not None) and self.type not in {"bool", "uint16"}:
            raise ValueError(f"a bit is a bool, not {self.type}")
        if is_bits and self.bit is not None:
            raise ValueError("bit is for registers: functions 3 and 4")
        if self.writable and self.function not in WRITABLE_FUNCTIONS:
            raise ValueError(f"function {self.function} cannot be written, only 1 and 3")
        if self.write_function and (self.write_function in {5, 15}) != is_bits:
            raise ValueError(f"write_function {self.write_function} does not go with it")
        if self.write_function in {5, 6} and self.count > 1:
            raise ValueError(f"{self.type} needs write_function 16")
        if self.address + self.count > 65536:
            raise ValueError("the last address is 65535")
        if self.scale == 0:
            raise ValueError("scale cannot be 0")
        return self

    def channel(self) -> Channel:
        """What labmon is told of it."""
        return super().channel().described(every_s=self.every_s)

    @property
    def is_bool(self) -> bool:
        """Whether it is true or false."""
        return self.type == "bool" or self.bit is not None or self.function in BITS_FUNCTIONS

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        is_scaled = (self.scale, self.offset) != (1.0, 0.0)
        return not self.is_bool and not self.type.startswith("float") and not is_scaled

    @property
    def count(self) -> int:
        """How many registers, or bits, it takes."""
        return 1 if self.is_bool else struct.calcsize(FORMATS[self.type]) // 2

    def raw(self, registers: Sequence[int], order: WordOrder) -> float | int | bool:
        """The number in its registers, or its bit."""
        if self.is_bool:
            return bool(registers[0] >> self.bit & 1 if self.bit is not None else registers[0])
        return decode(registers, self.type, self.word_order or order)

    def reading(self, registers: Sequence[int], order: WordOrder) -> Value:
        """What its registers say."""
        raw = self.raw(registers, order)
        if raw in self.no_signal and not self.is_bool:
            return Value(None, Quality.NO_SIGNAL)
        if self.words:
            word = self.words.get(int(raw)) if math.isfinite(raw) else None
            return Value(str(raw), Quality.FAULT) if word is None else Value(word)
        if self.is_whole or (self.is_bool and self.kind == "nominal"):
            return Value(raw)
        value = self.value(float(raw))
        if self.type.startswith("float") or not isinstance(value.value, float):
            return value
        return Value(float(f"{value.value:.14g}"), value.quality)  # 0.1 * 56 is 5.6, no more

    def to_write(self, value: Any, order: WordOrder) -> list[int]:
        """The registers for a value.

        Raises:
            BadRequestError: none of the words.
            OutOfLimitsError: it does not fit.
        """
        if self.words:
            numbers = {word: number for number, word in self.words.items()}
            if value not in numbers:
                raise BadRequestError(f"{value!r} is none of {', '.join(numbers)}")
            raw: float = numbers[value]
        elif self.is_whole or self.is_bool:
            raw = int(value)
        else:
            raw = (float(value) - self.offset) / self.scale
        if self.is_bool:
            return [int(bool(raw))]
        return encode(raw, self.type, self.word_order or order)


def decode(registers: Sequence[int], kind: str, order: WordOrder) -> float | int:
    """The number in 1, 2 or 4 registers.

    Raises:
        InstrumentError: there are not as many as the type needs.
    """
    try:
        return struct.unpack(FORMATS[kind], b"".join(_ordered(registers, order)))[0]
    except (struct.error, OverflowError):
        raise InstrumentError(f"{len(registers)} registers are no {kind}") from None


def encode(number: float, kind: str, order: WordOrder) -> list[int]:
    """The registers of a number.

    Raises:
        OutOfLimitsError: it does not fit into the type.
    """
    try:
        value = number if kind.startswith("float") else round(number)
        data = struct.pack(FORMATS[kind], value)
    except (struct.error, OverflowError, ValueError):
        raise OutOfLimitsError(f"{number:g} does not fit into {kind}") from None
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    return [int.from_bytes(word, "big") for word in _ordered(words, order)]


def _ordered(registers: Sequence[int], order: WordOrder) -> list[bytes]:
    """The bytes of registers, most significant first; the same way back."""
    words = registers[::-1] if order in {"CDAB", "DCBA"} else registers
    byte_order = "little" if order in {"BADC", "DCBA"} else "big"
    return [word.to_bytes(2, byte_order) for word in words]

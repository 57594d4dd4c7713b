"""Channels, parameters and commands of `scpi`, as the configuration describes them.

The trap: where a channel takes many numbers, some of them may be none (9.91E37): a mean is that of
the others, a list has null in their place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from labmon.device import InstrumentError, Quality, Value
from labmon_drivers._channels import ChannelSettings, StatusWords
from labmon_drivers.protocols.scpi import parse_number
from labmon_drivers.protocols.scpi_answer import Answer, BlockType, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labmon.device import Channel

MAX_LISTED: Final = 10_000
_OF_MANY: Final = {"min": np.min, "max": np.max}


class AnswerSettings(ChannelSettings):
    """A value within the answer to a query."""

    query: str = Field(default="", description="What is asked; the same query is sent once a poll.")
    column: Annotated[int, Field(ge=1)] = Field(
        default=1, description="Which of the values between commas, from 1."
    )
    pattern: str = Field(default="", description="A regular expression with one group, the value.")

    def read(self, answer: Answer, words: StatusWords) -> Value:
        """The value in an answer.

        Raises:
            InstrumentError: it is not there.
        """
        if self.pattern:
            match = re.search(self.pattern, answer.text)
            if match is None or match[1] is None:
                raise InstrumentError(f"{answer.text[:60]!r} does not match {self.pattern!r}")
            return self._value(match[1], words)
        return self._value(answer.word(self.column), words)

    def _value(self, text: str, words: StatusWords) -> Value:
        if self.kind == "nominal" or text in words:
            return self.value(text, words)
        number = parse_number(text)
        return number if number.value is None else self.value(number.value)


class ScpiChannel(AnswerSettings):
    """A channel that is asked for."""

    every_s: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Least time between two queries; 0: with each poll."
    )
    block: BlockType | None = Field(
        default=None, description="What is in the block (`#nLLL...`) that stands at `column`."
    )
    byte_order: Literal["big", "little"] = Field(default="big", description="In the block.")
    take: Literal["one", "samples", "all", "mean", "min", "max"] = Field(
        default="one",
        description="Of many numbers, those of a block or all cells from `column` on: the one at"
        " `index`; each as a value of its own (`samples`); or what they make together, `all` a"
        " list.",
    )
    index: Annotated[int, Field(ge=1)] = Field(default=1, description="Of the number in a block.")
    rate_hz: Annotated[float, Field(ge=0, le=1e9)] = Field(
        default=0.0, description="How many samples a second; for `take: samples`."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> ScpiChannel:
        if self.pattern and (self.block is not None or self.take != "one"):
            raise ValueError("pattern gives one value: it does not go with block or take")
        if (self.take == "samples") != (self.rate_hz > 0):
            raise ValueError("take: samples and rate_hz go together")
        return self

    def channel(self) -> Channel:
        """What labmon is told of it."""
        is_text = self.take == "all" or self.block == "text"
        kind = "nominal" if is_text else self.kind
        return super().channel().described(kind=kind, every_s=self.every_s)

    def read(self, answer: Answer, words: StatusWords) -> Value:
        """The value in an answer.

        Raises:
            InstrumentError: it is not there.
        """
        if self.block == "text":
            return Value(answer.word(self.column))
        if self.block is None and self.take == "one":
            return super().read(answer, words)
        return self._of_many(self.many(answer, words))

    def many(self, answer: Answer, words: StatusWords) -> NDArray[np.float64]:
        """All numbers of a block, or of the cells from `column` on; NaN where one is none.

        Raises:
            InstrumentError: they are not there.
        """
        cell = answer.cell(self.column)
        if self.block is None:
            places = range(self.column, len(answer.cells) + 1)
            found = [self._value(answer.word(place), words).value for place in places]
            return np.array([np.nan if each is None else each for each in found], np.float64)
        if isinstance(cell, str):
            raise InstrumentError(f"{cell[:60]!r} is no block")
        values = numbers(cell, self.block, self.byte_order) * self.scale + self.offset
        return np.where(np.isfinite(values), values, np.nan)

    def _of_many(self, many: NDArray[np.float64]) -> Value:
        if self.take == "all":
            if len(many) > MAX_LISTED:
                raise InstrumentError(f"{len(many)} numbers are more than {MAX_LISTED}")
            return Value([None if np.isnan(each) else float(each) for each in many])
        if self.take == "one":
            if self.index > len(many):
                raise InstrumentError(f"the block has {len(many)} numbers, not {self.index}")
            many = many[self.index - 1 : self.index]
        good = many[np.isfinite(many)]
        if not len(good):
            return Value(None, Quality.NO_SIGNAL)
        return Value(float(_OF_MANY.get(self.take, np.mean)(good)))


class ScpiParameter(AnswerSettings):
    """A quantity that can be set and is read back."""

    write: str = Field(description="The command, with {value} or {value:.3f} in it.")
    type: Literal["number", "integer", "boolean", "text"] = Field(
        default="number", description="Of its value."
    )
    choices: list[str] = Field(default_factory=list, description="All that may be set.")
    true_word: str = Field(default="1", description="How the instrument writes true.")
    false_word: str = Field(default="0", description="How the instrument writes false.")
    every_s: Annotated[float, Field(ge=0)] = Field(
        default=10.0, description="Least time between two readings of the readback."
    )
    confirm: str = Field(default="", description="A question that the browser asks before.")


class ScpiCommand(BaseModel):
    """A named action: lines that are sent one after the other."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    send: list[str] = Field(description="Lines, in their order.")
    description: str = Field(default="", description="What it does, in a sentence.")
    confirm: str = Field(default="", description="A question that the browser asks before.")

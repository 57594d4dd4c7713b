"""`ChannelSettings`: a channel as the configuration describes it, for drivers that know none.

The trap: a status decides, not the number beside it; an instrument that is off still sends one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from labmon.device import Channel, InstrumentError, Quality, Value
from labmon.device.transport import as_number
from labmon.reading import quality_from_words

if TYPE_CHECKING:
    from collections.abc import Mapping

QualityWord = Literal["ok", "no_signal", "over_range", "under_range", "limit", "fault"]
StatusWords = dict[str, QualityWord]
NO_NUMBER = frozenset({Quality.NO_SIGNAL, Quality.OVER_RANGE, Quality.UNDER_RANGE, Quality.FAULT})
"""Qualities that come without a value: what the instrument sends beside them is no measurement."""


class ChannelSettings(BaseModel):
    """One channel: what it is called, and how its value is made from what the instrument says."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    unit: str = Field(default="", description="What stands behind the value.")
    label: str = Field(default="", description="What stands on the tile; else its name.")
    description: str = Field(default="", description="One sentence for the tooltip.")
    digits: Annotated[int, Field(ge=0, le=15)] = Field(
        default=2, description="After the point; of the mantissa where `scientific`."
    )
    scientific: bool = Field(default=False, description="Written as 2.31e-9.")
    accuracy: float | None = Field(
        default=None, description="In `unit`; printed digits below it are shown pale."
    )
    limits: tuple[float | None, float | None] = Field(
        default=(None, None),
        description="What it can be, and what may be asked for; `null` is open.",
    )
    kind: Literal["numeric", "nominal"] = Field(
        default="numeric", description="`nominal`: words or lists in place of numbers."
    )
    scale: float = Field(default=1.0, description="What the number is multiplied with.")
    offset: float = Field(default=0.0, description="What is added after that.")

    def channel(self) -> Channel:
        """What labmon is told of it."""
        return Channel(
            unit=self.unit,
            description=self.description,
            label=self.label,
            digits=self.digits,
            scientific=self.scientific,
            accuracy=self.accuracy,
            limits=self.limits,
            kind=self.kind,
        )

    def value(self, raw: Any, words: Mapping[str, QualityWord] | None = None) -> Value:
        """A value from what the instrument says.

        Args:
            raw: text or a number; a text that is one of `words` is a quality without value.
            words: what the instrument's words mean.

        Raises:
            InstrumentError: it is no number.
        """
        if words and str(raw).strip() in words:
            quality = quality_of(str(raw), words)
            if quality in NO_NUMBER:
                return Value(None, quality)
        if self.kind == "nominal":
            return Value(raw.strip() if isinstance(raw, str) else raw)
        number = as_number(raw) if isinstance(raw, str) else _number(raw)
        if math.isnan(number):
            return Value(None, Quality.NO_SIGNAL)
        return Value(number * self.scale + self.offset)


def _number(raw: Any) -> float:
    try:
        return float(raw)
    except (TypeError, ValueError, OverflowError):
        raise InstrumentError(f"{str(raw)[:40]!r} is no number") from None


def quality_of(status: str, words: Mapping[str, QualityWord]) -> int:
    """What a status word means; one that nobody explained is a fault."""
    word = words.get(status.strip())
    return Quality.FAULT if word is None else quality_from_words(word)

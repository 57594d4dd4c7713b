"""MQTT channels: which topic, where in its message, and what the words in it mean.

The trap: what the broker kept from before (*retained*) is of any age; it is no measurement of now,
and is passed over unless the configuration wants it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, model_validator

from labmon.device import InstrumentError, Quality, Value
from labmon.errors import BadRequestError
from labmon_drivers._channels import ChannelSettings, StatusWords
from labmon_drivers.protocols.scpi import filled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labmon_drivers.protocols.mqtt import Message

WILDCARDS: Final = frozenset("+#")
UNKNOWN: Final[StatusWords] = {
    "": "no_signal",
    "None": "no_signal",
    "null": "no_signal",
    "unknown": "no_signal",
    "unavailable": "no_signal",
    "nan": "no_signal",
}
MISSING: Final = object()


class TopicChannel(ChannelSettings):
    """A value that is published, that can be set by publishing, or both."""

    topic: str = Field(default="", description="Where it is published.")
    pointer: str = Field(default="", description="Where in the JSON: /BME280/Temperature.")
    retained: bool = Field(default=False, description="Take what the broker kept from before.")
    type: Literal["number", "boolean", "text"] = Field(
        default="number", description="Of its value."
    )
    true_word: str = Field(default="ON", description="How true is published.")
    false_word: str = Field(default="OFF", description="How false is published.")
    set_topic: str = Field(default="", description="Where it is set.")
    set_payload: str = Field(default="{value}", description="What is published to set it.")
    confirm: str = Field(default="", description="A question that the browser asks before.")

    @model_validator(mode="after")
    def _fits_together(self) -> TopicChannel:
        for topic in (self.topic, self.set_topic):
            if WILDCARDS & set(topic):
                raise ValueError(f"{topic!r}: + and # stand for several topics, not for one")
        if self.pointer and not self.pointer.startswith("/"):
            raise ValueError(f"{self.pointer!r}: a JSON pointer begins with /")
        return self

    def reading(self, raw: Any, words: StatusWords) -> Value:
        """What a published value means; a fault where it is none."""
        if raw is None:
            return Value(None, Quality.NO_SIGNAL)
        if self.type == "boolean":
            return self._truth(raw, words)
        if self.type == "text" and self.kind != "nominal":
            return self.model_copy(update={"kind": "nominal"}).reading(raw, words)
        try:
            return self.value(raw, words)
        except InstrumentError:
            return Value(None, Quality.FAULT)

    def payload(self, value: Any) -> str:
        """What is published to set it.

        Raises:
            BadRequestError: the value does not fit.
        """
        if self.type == "boolean":
            value = self.true_word if value else self.false_word
        elif self.type == "number":
            value = (value - self.offset) / self.scale
            value = int(value) if value == int(value) else value
        try:
            return filled(self.set_payload, value)
        except ValueError as error:
            raise BadRequestError(str(error)) from None

    def _truth(self, raw: Any, words: StatusWords) -> Value:
        if isinstance(raw, bool):
            return Value(float(raw))
        word = str(raw).strip()
        if word in {self.true_word, self.false_word}:
            return Value(float(word == self.true_word))
        return Value(None, Quality.NO_SIGNAL if word in words else Quality.FAULT)


@dataclass(frozen=True, slots=True)
class Route:
    """From a place in the messages of a topic to a channel."""

    topic: str
    pointer: str
    name: str
    channel: TopicChannel


class Routes:
    """All routes, by topic."""

    def __init__(self, routes: Iterable[Route], words: StatusWords) -> None:
        self._by_topic: dict[str, list[Route]] = {}
        self._words = words
        for route in routes:
            self._by_topic.setdefault(route.topic, []).append(route)

    @property
    def topics(self) -> list[str]:
        """What must be subscribed."""
        return list(self._by_topic)

    def readings(self, message: Message) -> dict[str, Value]:
        """What a message says of the channels; a channel that it does not have is left out."""
        routes = [
            route
            for route in self._by_topic.get(message.topic, ())
            if route.channel.retained or not message.retained
        ]
        text = message.payload.decode("utf-8", "replace").strip()
        document = parsed(text) if any(route.pointer for route in routes) else None
        readings: dict[str, Value] = {}
        for route in routes:
            raw = at(document, route.pointer) if route.pointer else text
            if raw is not MISSING:
                readings[route.name] = route.channel.reading(raw, self._words)
        return readings


def parsed(text: str) -> Any:
    """A JSON document; `MISSING` where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return MISSING


def at(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; `MISSING` where it leads nowhere."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document


def escaped(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")

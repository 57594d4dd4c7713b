r"""`serial_line`: boards and instruments that answer, or print, lines of text.

An Arduino that prints `temperature=21.4 humidity=40`, a gauge that answers `PR?`, a board that
sends CSV or JSON: the configuration says which. The trap: many boards reset when their port is
opened, and the first line heard is seldom whole.

## Wiring

A serial port or a socket; 115200 baud where nothing else is said.

## Configuration

```yaml
devices:
  room:                       # an Arduino that prints: temperature=21.38 humidity=41.2
    driver: serial_line
    port: /dev/ttyACM0
    settle_s: 2               # the board resets when its port is opened
    channels:
      temperature: {label: Temperature, unit: °C}
      humidity: {label: Humidity, unit: "%", digits: 1}

  chamber:                    # a gauge that answers PR? with: 0,2.31E-09
    driver: serial_line
    port: tcp://192.168.1.20:4001
    request: "PR?\r\n"
    pattern: '^(?P<state>\d),(?P<pressure>[\d.E+-]+)$'
    status_words: {0: ok, 1: under_range, 2: over_range, 3: fault, 5: no_signal}
    channels:
      pressure: {unit: mbar, scientific: true, status: state}
```

## Quirks

- A line is used as a whole or not at all: two lines that ran together, or one with a damaged piece,
  give no value.
- A board that prints by itself is followed: every line is recorded when it comes, but for one that
  was under way when the port was opened. One that prints less often than every 10 s needs a longer
  `silence_s`: twice the time between two lines, say.

## Without hardware

```yaml
devices:
  chamber:
    driver: serial_line
    port: sim://gauge
    request: "PR?\r\n"
    channels:
      chamber: {unit: mbar, scientific: true, status: chamber_status}
    status_words: {ok: ok, under: under_range, over: over_range, off: no_signal}
```

## Manual

That of the board.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Unpack

from pydantic import Field

from labmon.device import (
    InstrumentError,
    InstrumentTimeoutError,
    Limits,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Port,
    Value,
)
from labmon_drivers._channels import NO_NUMBER, ChannelSettings, StatusWords, quality_of
from labmon_drivers.protocols.lines import (
    LineSplitter,
    column_parser,
    parse_json,
    parse_pairs,
    pattern_parser,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LISTEN_S: Final = 0.5


class LineChannel(ChannelSettings):
    """A channel of lines."""

    key: str = Field(default="", description="Its name in the line; the channel's if empty.")
    status: str = Field(default="", description="The name in the line of the word for its state.")


class SerialLine(LinkDriver):
    r"""A board or instrument that answers a request with a line, or prints lines by itself.

    Args:
        channels: what stands in the lines, by channel: `key` (its name in the line), `unit`,
            `label`, `digits`, `scientific`, `scale`, `offset`, `limits`, `status`.
        request: what is sent for each poll, such as `PR?\r\n`, as it stands; empty: the board
            prints by itself.
        format: `name_value`: `name=value[unit] ...`; `csv`: see `columns`; `json`: an object in
            each line; `pattern`: see `pattern`.
        pattern: a regular expression with a named group for each value.
        columns: names of the columns of a CSV line in their order; an empty one is skipped.
        separator: between the columns; a space stands for any white space.
        status_words: the instrument's words for its state, and which quality each means.
        start: sent once after connecting, as it stands.
        model: what stands in the head of the card.
        identify: what asks the instrument who it is, as it stands; shown in the head of the card.
        silence_s: a board that prints by itself is gone after so long without a good line.
    """

    link_settings: ClassVar = LinkSettings(baud_rate=115200, terminator="\n")
    model = "Line protocol"

    def __new__(cls, *_args: Any, request: str = "", **_settings: Any) -> SerialLine:
        """A board that prints by itself is another class: it has `stream()` instead of `poll()`."""
        chosen: type[SerialLine] = _Printer if cls is SerialLine and not request else cls
        return object.__new__(chosen)

    def __init__(
        self,
        port: Port,
        channels: dict[str, LineChannel],
        request: str = "",
        format: Literal["name_value", "csv", "json", "pattern"] = "name_value",
        pattern: str = "",
        columns: list[str] | None = None,
        separator: str = ",",
        status_words: StatusWords | None = None,
        start: str = "",
        model: str = "",
        identify: str = "",
        silence_s: Annotated[float, Limits(0.1, 86400, unit="s")] = 10.0,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        if pattern and format == "name_value":
            format = "pattern"
        self._parse = _parser(format, pattern, columns or [], separator)
        self._described = channels
        self.channels = {name: channel.channel() for name, channel in channels.items()}
        self._words = status_words or {}
        self._request = unescaped(request)
        self.model = model or type(self).model
        self._identify = unescaped(identify)
        self._start = unescaped(start)
        self._silence_s = silence_s
        self._lines = LineSplitter(self.settings.received_end)

    def prepare(self) -> None:
        """Send what the configuration wants to be sent first."""
        self._lines = LineSplitter(self.settings.received_end)
        if self._start:
            self.link.write(self._start)

    def identify(self) -> str:
        """What the instrument answers to `identify`."""
        if not self._identify:
            return ""
        self._lines = LineSplitter(self.settings.received_end)
        line = self.link.exchange(self._identify, self._whole_lines)
        return line.decode("utf-8", "replace").strip()[:80]

    def poll(self) -> dict[str, Value]:
        """The values of the line that answers."""
        self._lines = LineSplitter(self.settings.received_end)
        return self.values(self.link.exchange(self._request, self._whole_lines))

    def values(self, line: bytes) -> dict[str, Value]:
        """What a line says of the channels.

        Raises:
            InstrumentError: it is damaged, or says nothing of any channel.
        """
        found = self._parse(line.decode("utf-8", "replace").strip())
        values: dict[str, Value] = {}
        for name, channel in self._described.items():
            key = channel.key or name
            if key in found:
                values[name] = self._value(channel, found[key], found)
        if not values:
            raise InstrumentError(f"{line[:80]!r} says nothing of {', '.join(self._described)}")
        return values

    def _value(self, channel: LineChannel, raw: Any, found: dict[str, Any]) -> Value:
        if not channel.status:
            return channel.value(raw, self._words)
        if channel.status not in found:
            raise InstrumentError(f"the line does not say {channel.status}")
        quality = quality_of(str(found[channel.status]), self._words)
        if quality in NO_NUMBER:
            return Value(None, quality)
        value = channel.value(raw, self._words)
        return Value(value.value, quality or value.quality)

    def _whole_lines(self, data: bytes) -> list[bytes]:
        """Lines that are complete, without the empty ones between."""
        return [line for line in self._lines.feed(data) if line.strip()]


class _Printer(SerialLine):
    """A board that prints by itself: every line is recorded when it comes."""

    def prepare(self) -> None:
        """Begin at the start of a line: of one that is under way the beginning was not heard."""
        super().prepare()
        self._lines.skip_to_end()

    def stream(self) -> Iterator[dict[str, Value] | None]:
        """The values of each line; a damaged one is left out.

        Raises:
            InstrumentTimeoutError: no good line came for too long.
        """
        heard_s, problem = time.monotonic(), "nothing came"
        data = self.link.read_some(LISTEN_S)
        if not data:  # no line was under way when the port was opened: the first one is whole
            self._lines = LineSplitter(self.settings.received_end)
        while True:
            for line in self._whole_lines(data):
                try:
                    values = self.values(line)
                except InstrumentError as error:
                    problem = f"the last said: {error}"
                else:
                    heard_s, problem = time.monotonic(), "nothing came"
                    yield values
            if time.monotonic() - heard_s > self._silence_s:
                raise InstrumentTimeoutError(
                    f"{self.port} sent no good line for {self._silence_s:g} s (silence_s);"
                    f" {problem}"
                )
            yield None
            data = self.link.read_some(LISTEN_S)


def unescaped(text: str) -> bytes:
    r"""Bytes as they go out: `\r`, `\n`, `\t` and `\xNN` may be spelled out."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


def _parser(
    kind: str, pattern: str, columns: list[str], separator: str
) -> Callable[[str], dict[str, Any]]:
    if kind == "pattern":
        return pattern_parser(pattern)
    if kind == "csv":
        return column_parser(columns, separator)
    return parse_json if kind == "json" else parse_pairs

"""`scpi`: bench instruments that are described in the configuration alone.

Which query gives which channel, what is set by which command, what is sent after connecting. The
trap: most instruments are silent when they refuse a command; `error_query` asks them after each.

## Wiring

Whatever the instrument has: LAN (port 5025 where none is said), USB (`/dev/usbtmc0`), a serial
port, GPIB by VISA (`GPIB0::8::INSTR`). The terminator of lines is `terminator`.

## Configuration

```yaml
devices:
  supply:
    driver: scpi
    port: tcp://192.168.1.22:5555
    error_query: "SYST:ERR?"
    start: ["*CLS"]
    channels:
      voltage: {query: "MEAS:ALL? CH1", column: 1, unit: V, digits: 3}
      current: {query: "MEAS:ALL? CH1", column: 2, unit: A, digits: 3}
      mode: {query: "OUTP:MODE? CH1", kind: nominal, every_s: 5}
      peak: {query: "TRAC? CH1", block: float32, take: max, unit: V}
      trace: {query: "TRAC? CH1", block: float32, take: samples, rate_hz: 1000, unit: V}
    parameters:
      target: {query: "SOUR1:VOLT?", write: "SOUR1:VOLT {value:.3f}", unit: V, limits: [0, 32]}
    actions:
      reset: {send: ["*RST"], confirm: "Back to the factory's settings?"}
```

More in [examples](../../examples/README.md).

## Channels

Those of the configuration, and two for each of `parameters`: its readback, and `NAME_setpoint`.

## Commands

`set_NAME` and `get_NAME` for each of `parameters`, and each of `actions` by its name.

## Quirks

- 9.9E37 is *over range*, -9.9E37 *under range*, 9.91E37 *no signal*.
- An instrument that was switched off and on between two polls has forgotten what `start` told it,
  and answers as if nothing had happened. `power_on_query: "*ESR?"` notices it, and `start` is sent
  anew; over a serial port nothing else does.
- A query that several channels share is sent once a poll.
- A definite-length block (`#3200...`) may hold any byte. One of unknown length (`#0`) ends at the
  first line end: over a network or serial line nothing else says where it ends. Answers may have
  1 MiB.
- An empty line is no answer.
- Of samples only their rate is known, not their times: each array is laid between the end of the
  last one and its arrival. The query must give what was sampled since it was last asked.

## Without hardware

```yaml
devices:
  supply:
    driver: scpi
    port: sim://scpi
    error_query: "SYST:ERR?"
    channels:
      voltage: {query: "MEAS:VOLT?", unit: V, digits: 3}
      ripple: {query: "TRAC?", block: float32, take: max, unit: V, digits: 3}
    parameters:
      target: {query: "VOLT?", write: "VOLT {value:.3f}", unit: V, limits: [0, 30]}
```

## Manual

SCPI Consortium, "SCPI-1999"; IEEE 488.2; and that of the instrument. Tested with its simulator,
with simulators of lewis, and through VISA.
"""

from __future__ import annotations

import re
import time
from typing import Any, ClassVar, Literal, Unpack

import numpy as np

from labmon.device import (
    InstrumentError,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Parameter,
    Port,
    Quality,
    Samples,
    Value,
)
from labmon.device.command import Command, Options
from labmon.errors import BadRequestError
from labmon_drivers._channels import StatusWords
from labmon_drivers._sample_clock import SampleClock
from labmon_drivers._scpi_channels import ScpiChannel, ScpiCommand, ScpiParameter
from labmon_drivers.protocols.scpi import MAX_ERRORS, POWER_ON, filled, parse_error
from labmon_drivers.protocols.scpi_answer import Answer, Answers


class Scpi(LinkDriver):
    """An instrument with queries and commands in lines of text, described in the configuration.

    Args:
        channels: by name: `query`, where in the answer (`column`, or `pattern` with one group; of
            a `block` or list what to `take`), how often (`every_s`), and as everywhere `unit`,
            `label`, `digits`, `scale`, `limits`.
        parameters: what can be set, by name: `write`, `query`, `type`, `choices`, `limits`.
        actions: further commands, by name: the lines to `send`.
        start: lines that are sent after connecting.
        idn_query: what asks who it is; empty: nothing.
        error_query: what asks for the next error after each command; empty: nothing.
        status_words: answers that are no numbers, and which quality each means.
        power_on_query: what says, after each poll, whether it was switched on since it was last
            asked: `*ESR?`; empty: nothing.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\n", reply_timeout_s=2.0, tcp_port=5025
    )
    model = "SCPI instrument"

    def __init__(
        self,
        port: Port,
        channels: dict[str, ScpiChannel],
        parameters: dict[str, ScpiParameter] | None = None,
        actions: dict[str, ScpiCommand] | None = None,
        start: list[str] | None = None,
        idn_query: str = "*IDN?",
        error_query: str = "",
        status_words: StatusWords | None = None,
        power_on_query: str = "",
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._described = channels
        self._start = start or []
        self._idn_query = idn_query
        self._error_query = error_query
        self._words = status_words or {}
        self._power_on_query = power_on_query
        self._due_s: dict[str, float] = {}
        self._clocks = _clocks(channels)
        for each in [*channels.values(), *(parameters or {}).values()]:
            _check_pattern(each.pattern)
        if missing := [name for name, each in channels.items() if not each.query]:
            raise ValueError(f"channels.{missing[0]}: query is missing")
        self.channels = {name: channel.channel() for name, channel in channels.items()}
        self.parameters = {n: self._parameter(n, p) for n, p in (parameters or {}).items()}
        self.commands = {name: _action(name, each) for name, each in (actions or {}).items()}

    def prepare(self) -> None:
        """Send what the configuration wants to be sent first; everything is due."""
        self._due_s = {}
        self._clocks = _clocks(self._described)
        if self._error_query:
            self._errors()  # of somebody before us
        if self._power_on_query:
            self.link.query(self._power_on_query)  # which forgets that it was
        for line in self._start:
            self.send(line)

    def identify(self) -> str:
        """Maker and model, from the four fields of `*IDN?`."""
        if not self._idn_query:
            return ""
        answer = self.link.query(self._idn_query)
        return " ".join(field.strip() for field in answer.split(",")[:2])[:80]

    def poll(self) -> dict[str, Value | Samples]:
        """Ask what is due; a query that several channels share is sent once.

        Raises:
            InstrumentError: it was switched off meanwhile, and has forgotten its settings.
        """
        now_s = time.monotonic()
        answers: dict[str, Answer] = {}
        values: dict[str, Value | Samples] = {}
        for name, channel in self._described.items():
            if now_s < self._due_s.get(name, now_s):
                continue
            if channel.query not in answers:
                answers[channel.query] = self.ask(channel.query)
            answer = answers[channel.query]
            if channel.take == "samples":
                values[name] = self._samples(name, channel, answer)
            else:
                values[name] = channel.read(answer, self._words)
            self._due_s[name] = now_s + channel.every_s
        if self._power_on_query and int(self.link.query_number(self._power_on_query)) & POWER_ON:
            raise InstrumentError("it was switched off and on, and has forgotten its settings")
        return values

    def _samples(self, name: str, channel: ScpiChannel, answer: Answer) -> Samples:
        many = channel.many(answer, self._words)
        start_ns, step_ns = self._clocks[name].place(len(many), time.time_ns())
        quality = np.where(np.isnan(many), Quality.NO_SIGNAL, Quality.OK)
        return Samples.spaced(many, start_ns, step_ns, quality)

    def ask(self, query: str) -> Answer:
        """The answer to a query; it may be longer than a line, and hold blocks of any bytes.

        An empty line is none: some instruments send one after each command.
        """
        request = query.encode("latin-1") + self.settings.sent_end
        answers = Answers(self.settings.received_end)
        return self.link.exchange(
            request, lambda data: [each for each in answers.feed(data) if each.cells != ("",)]
        )

    def send(self, line: str) -> None:
        """Send a command and ask whether it was understood.

        Raises:
            InstrumentError: it was not.
        """
        self.link.drop_input()
        self.link.write_line(line)
        if self._error_query and (said := self._errors()):
            raise InstrumentError(f"{line} was refused: {'; '.join(said)}")

    def _errors(self) -> list[str]:
        """Empty the error queue."""
        said: list[str] = []
        while len(said) < MAX_ERRORS:
            error = parse_error(self.link.query(self._error_query))
            if not error or (said and error == said[-1]):  # a register, which gives it again
                break
            said.append(error)
        return said

    def _parameter(self, name: str, settings: ScpiParameter) -> Parameter[Any]:
        def read(driver: Scpi) -> Any:
            return driver.read_back(name, settings)

        def write(driver: Scpi, value: Any) -> None:
            driver.write_value(settings, value)

        kinds: dict[str, Any] = {"number": float, "integer": int, "boolean": bool, "text": str}
        kind = kinds[settings.type]
        if settings.choices:
            kind = Literal[tuple(settings.choices)]  # pyright: ignore[reportInvalidTypeForm]
        return Parameter(
            unit=settings.unit,
            limits=settings.limits,
            channel=settings.channel().described(tile=False),
            every_s=settings.every_s,
            confirm=settings.confirm,
            read=read if settings.query else None,
            write=write,
            kind=kind,
        )

    def read_back(self, name: str, settings: ScpiParameter) -> Any:
        """What the instrument says of a parameter.

        Raises:
            InstrumentError: it is no value of its type.
        """
        answer = self.ask(settings.query)
        if settings.type == "text" or settings.choices:
            return answer.word(settings.column)
        if settings.type != "boolean":
            number = settings.read(answer, self._words).value
            return (
                int(number) if settings.type == "integer" and isinstance(number, float) else number
            )
        word = answer.word(settings.column)
        if word not in {settings.true_word, settings.false_word}:
            raise InstrumentError(f"{name} is {word[:40]!r}: neither true nor false")
        return word == settings.true_word

    def write_value(self, settings: ScpiParameter, value: Any) -> None:
        """Set a parameter.

        Raises:
            BadRequestError: the value does not fit into the command.
            InstrumentError: the instrument refused.
        """
        if settings.type == "boolean":
            value = settings.true_word if value else settings.false_word
        elif settings.type in {"number", "integer"}:
            value = (value - settings.offset) / settings.scale
            whole = settings.type == "integer" and abs(value - round(value)) < 1e-9
            value = round(value) if whole else value
        try:
            line = filled(settings.write, value)
        except ValueError as error:
            raise BadRequestError(str(error)) from None
        self.send(line)


def _clocks(channels: dict[str, ScpiChannel]) -> dict[str, SampleClock]:
    return {name: SampleClock(each.rate_hz) for name, each in channels.items() if each.rate_hz}


def _action(name: str, settings: ScpiCommand) -> Command:
    def act(driver: Scpi) -> None:
        for line in settings.send:
            driver.send(line)

    act.__doc__ = settings.description or f"Send {', '.join(settings.send)}."
    act.__qualname__ = name
    return Command(name, act, Options(confirm=settings.confirm))


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"pattern: {pattern!r} is no regular expression: {error}") from None
    if pattern and groups != 1:
        raise ValueError(f"pattern: {pattern!r} needs exactly one group: the value")

"""`modbus`: whatever speaks Modbus over TCP or a serial line; registers from the configuration.

Controllers of heaters and chillers, energy meters, valves, PLCs. Needs the extra `modbus`: `pip
install labmon-server[modbus]`. The trap: many manuals count registers from 1 (or 40001), while 0
is the first that travels; `counts_from`.

## Wiring

- *Modbus TCP*: `port: tcp://ADDRESS`, port 502 where none is said.
- *Modbus RTU* (RS-485, RS-232): `port: /dev/ttyUSB0`, `usb://SERIALNUMBER`, `COM3`. As delivered
  most run at 19200 or 9600 baud with even parity; the driver's defaults are 19200 and `even`.
- *Modbus RTU behind a serial-to-network converter*: `port: tcp://ADDRESS:4001` with
  `framing: rtu`, or `rfc2217://ADDRESS:4001`.

Several units on one line are several devices with the same `port`; name the same `bus` for them.

## Configuration

```yaml
devices:
  oven:
    driver: modbus
    title: Bake-out oven
    port: /dev/ttyUSB0
    baud_rate: 9600
    unit: 3
    bus: rs485
    word_order: CDAB
    channels:
      temperature: {address: 0x1000, type: int16, scale: 0.1, unit: °C, no_signal: [32767]}
      target: {address: 0x1001, type: int16, scale: 0.1, unit: °C, limits: [0, 250], writable: true}
      power: {address: 16, type: float32, unit: W, digits: 0}
      state: {address: 4, function: 4, words: {0: "off", 1: heating, 2: error}, every_s: 5}
      heater: {address: 0, function: 1, type: bool, writable: true, confirm: "Switch the heater?"}

  meter:
    driver: modbus
    port: tcp://192.168.1.40
    counts_from: 1                # its manual calls the first register 1
    channels:
      power: {address: 53, function: 4, type: float32, unit: W, digits: 0}
```

## Channels

Those of the configuration. What is `writable` has two: `target` is what the instrument says,
`target_setpoint` what was asked for.

## Commands

`set_NAME` and `get_NAME` for each `writable` channel. A value outside of `limits`, or one that
does not fit into its registers, is refused before anything is sent. A bit of a register is set by
reading the register, and writing it with this bit changed.

## Quirks

- *Everything is shifted by one*: the manual counts from 1, or from 40001 (holding registers) or
  30001 (input registers). Leave the leading digit away and say `counts_from: 1`.
- *Nonsense values*: the wrong `word_order`, or `type`. Of four registers the order of the words is
  reversed likewise.
- Neighbouring registers are asked for at once, at most 125. Instruments that refuse one of them
  refuse all; the refusal says which address was asked for.
- On a serial line nothing numbers the questions: an answer counts only if unit, function and
  length are right. Between two frames the line is silent for 3.5 characters; `gap_s` makes it more.
- A refusal (an *exception* in the words of Modbus) takes the device offline with its reason, and
  it is tried again.

## Without hardware

```yaml
devices:
  oven:
    driver: modbus
    port: sim://modbus
    channels:
      temperature: {address: 0, type: int16, scale: 0.1, unit: °C, digits: 1}
      target: {address: 2, type: int16, scale: 0.1, unit: °C, limits: [0, 250], writable: true}
      power: {address: 10, type: float32, unit: W}
```

Its registers: holding 0 and 1 temperatures, 2 and 3 setpoints in 0.1 °C, 10 to 11 power in W
(float32), 12 to 13 energy in Wh (uint32); input 0 state; coils 0 and 1 zones on.

## Manual

modbus.org, "MODBUS Application Protocol Specification V1.1b3" and "MODBUS over Serial Line V1.02".
Tested with pymodbus's server over TCP and RTU, and with lewis.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Final, Literal, Unpack

from labmon.device import (
    Limits,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Parameter,
    Port,
    Value,
)
from labmon_drivers._registers import RegisterChannel, WordOrder
from labmon_drivers.protocols import modbus
from labmon_drivers.protocols.modbus import Framing

CHARACTER_BITS: Final = 11
SILENT_CHARACTERS: Final = 3.5
LEAST_SILENCE_S: Final = 0.00175
"""Between two frames on a serial line, as the specification has it."""


class Modbus(LinkDriver):
    """An instrument that speaks Modbus: TCP, RTU or ASCII.

    Args:
        channels: by name: `address`, `type`, `function` (1 coils, 2 discrete inputs, 3 holding, 4
            input registers), `scale`, `offset`, `unit`; `writable: true` where it can be set.
        unit: its number on the line; behind TCP often 1 or 255.
        framing: `tcp`, `rtu` or `ascii`; else TCP for `tcp://` ports, RTU for others. A
            converter from network to serial line needs `rtu`.
        word_order: of numbers in several registers, A is the most significant byte.
        counts_from: 1 where the manual calls the first register 1.
        joined: how many registers that nobody asked for may be read, to ask less often.
        model: what stands in the head of the card.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=19200, parity="even", tcp_port=502, reply_timeout_s=1.0
    )
    model = "Modbus"

    def __init__(
        self,
        port: Port,
        channels: dict[str, RegisterChannel],
        unit: Annotated[int, Limits(1, 255)] = 1,
        framing: Literal["auto", "tcp", "rtu", "ascii"] = "auto",
        word_order: WordOrder = "ABCD",
        counts_from: Literal[0, 1] = 0,
        joined: Annotated[int, Limits(0, 100)] = 0,
        model: str = "",
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._framing: Framing = _usual_framing(port) if framing == "auto" else framing
        if self._framing != "tcp" and "gap_s" not in link:
            silence_s = SILENT_CHARACTERS * CHARACTER_BITS / self.settings.baud_rate
            self.settings = self.settings.changed(gap_s=max(LEAST_SILENCE_S, silence_s))
        self._described = channels
        self._unit = unit
        self._order: WordOrder = word_order
        self._first = counts_from
        self._joined = joined
        self._number = 0
        self._due_s: dict[str, float] = {}
        self.model = model or type(self).model
        for name, channel in channels.items():
            if channel.address < counts_from:
                raise ValueError(f"channels.{name}: the first address is {counts_from}")
        self.parameters = {
            name: self._parameter(name, each) for name, each in channels.items() if each.writable
        }
        self.channels = {
            name: each.channel().described(kind=_kind(each))
            for name, each in channels.items()
            if not each.writable
        }

    def prepare(self) -> None:
        """Everything is due."""
        self._due_s = {}

    def poll(self) -> dict[str, Value]:
        """Ask for the registers that are due; neighbours are asked for at once.

        Parameters with a period of their own are read beside it.
        """
        now_s = time.monotonic()
        due = {
            name: each
            for name, each in self._described.items()
            if now_s >= self._due_s.get(name, now_s) and not (each.writable and each.every_s)
        }
        readings: dict[str, Value] = {}
        for function, address, count, names in grouped(due, self._joined):
            found = self._read(function, address, count)
            for name in names:
                channel = due[name]
                at = channel.address - address
                readings[name] = channel.reading(found[at : at + channel.count], self._order)
                self._due_s[name] = now_s + channel.every_s
        return {name: readings[name] for name in due}

    def read_back(self, name: str) -> Any:
        """What one channel says now."""
        channel = self._described[name]
        found = self._read(channel.function, channel.address, channel.count)
        value = channel.reading(found, self._order).value
        return bool(value) if channel.is_bool and not channel.words else value

    def write_value(self, name: str, value: Any) -> None:
        """Set what can be set.

        Raises:
            OutOfLimitsError: the value does not fit into its registers.
            InstrumentError: the instrument refused.
        """
        channel = self._described[name]
        values = channel.to_write(value, self._order)
        function = channel.write_function or _write_function(channel)
        with self.link.turn:
            if channel.bit is not None:  # its neighbours in the register stay as they are
                word = self._read(channel.function, channel.address, 1)[0]
                mask = 1 << channel.bit
                values = [word | mask if values[0] else word & ~mask]
            address = channel.address - self._first
            request = modbus.write_request(self._unit, function, address, values)
            modbus.check_written(request, self._exchange(request))
        self._due_s.pop(name, None)

    def _read(self, function: int, address: int, count: int) -> list[int]:
        request = modbus.read_request(self._unit, function, address - self._first, count)
        return modbus.read_values(request, self._exchange(request))

    def _exchange(self, request: Any) -> Any:
        self._number = self._number % 0xFFFF + 1
        exchange = modbus.Exchange(self._framing, request, self._number)
        return self.link.exchange(exchange.frame, exchange.feed)

    def _parameter(self, name: str, channel: RegisterChannel) -> Parameter[Any]:
        def read(driver: Modbus) -> Any:
            return driver.read_back(name)

        def write(driver: Modbus, value: Any) -> None:
            driver.write_value(name, value)

        kind: Any = float
        if channel.words:
            kind = Literal[tuple(channel.words.values())]  # pyright: ignore[reportInvalidTypeForm]
        elif channel.is_bool or channel.is_whole:
            kind = bool if channel.is_bool else int
        return Parameter(
            unit=channel.unit,
            limits=channel.limits,
            channel=channel.channel(),
            every_s=channel.every_s,
            confirm=channel.confirm,
            read=read,
            write=write,
            kind=kind,
        )


def grouped(
    channels: dict[str, RegisterChannel], joined: int = 0
) -> list[tuple[int, int, int, list[str]]]:
    """Requests that read all channels: (function, address, count, names of the channels in it).

    Args:
        channels: by name.
        joined: how many registers between two channels may be read for nothing.
    """
    groups: list[tuple[int, int, int, list[str]]] = []
    for name in sorted(
        channels, key=lambda name: (channels[name].function, channels[name].address)
    ):
        channel = channels[name]
        end = channel.address + channel.count
        if groups:
            function, first, count, names = groups[-1]
            whole = max(first + count, end) - first
            is_near = channel.address <= first + count + joined
            if function == channel.function and is_near and whole <= modbus.MAX_COUNTS[function]:
                groups[-1] = (function, first, whole, [*names, name])
                continue
        groups.append((channel.function, channel.address, channel.count, [name]))
    return groups


def _usual_framing(port: str) -> Framing:
    return "tcp" if port.startswith(("tcp://", "socket://")) else "rtu"


def _write_function(channel: RegisterChannel) -> int:
    if channel.function in modbus.BITS:
        return 5
    return 6 if channel.count == 1 else 16


def _kind(channel: RegisterChannel) -> Literal["numeric", "nominal"]:
    return "nominal" if channel.words else channel.kind

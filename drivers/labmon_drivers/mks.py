"""`mks`: vacuum gauge controllers 937A, 937B and 946 by MKS.

937B and 946: `@254PR1?;FF` is answered with `@001ACK2.3E-09;FF`, or `@001NAK150;FF`. 937A: `P1` is
answered with the pressure. The trap: in place of a pressure stand words such as `OFF`, `ATM` and
`LO<E-11`.

## Wiring

RS-232 or RS-485, 9600 baud as delivered, no parity; or behind a converter.

## Configuration

```yaml
devices:
  gauges:
    driver: mks
    title: Gauges
    model: 937B
    port: /dev/ttyUSB0
    address: 1
    gauges: [1, 3, 5]
    labels: [Main chamber, Load lock, Foreline]
```

## Quirks

- `address: 254` is answered by every controller on the line: name the own one where there are two.
- Words: `OFF`, `WAIT`, no gauge are *no signal*; `ATM` and `>` *over range*; `LO<` *under range*;
  `MISCONN` and `LOWEMIS` a *fault*.
- The unit is asked for with each poll, and pressures are converted; a poll during which it was
  changed gives nothing.
- A 937A does not tell its unit: say which one its front panel shows.

## Without hardware

```yaml
devices:
  gauges:
    driver: mks
    port: sim://mks
```

## Manual

MKS, "Series 937B Operation and Maintenance Manual", 100016467; "Series 937A", 102793. Agrees with
pymeasure against its simulator; not yet tested with a controller.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal, Unpack

from labmon.device import (
    InstrumentError,
    Limits,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Port,
    Quality,
    Value,
    as_number,
    command,
)
from labmon_drivers._labels import labelled
from labmon_drivers._pressures import PressureUnit, converted, pressure_channel

WORDS: Final = {
    "ATM": Quality.OVER_RANGE,
    "OFF": Quality.NO_SIGNAL,
    "RP_OFF": Quality.NO_SIGNAL,
    "CTRL_OFF": Quality.NO_SIGNAL,
    "PROT_OFF": Quality.NO_SIGNAL,
    "WAIT": Quality.NO_SIGNAL,
    "NOGAUGE": Quality.NO_SIGNAL,
    "NO_GAUGE": Quality.NO_SIGNAL,
    "MISCONN": Quality.FAULT,
    "LOWEMIS": Quality.FAULT,
}
UNITS: Final = {"TORR": "Torr", "MBAR": "mbar", "PASCAL": "Pa", "MICRON": "micron"}
END: Final = b";FF"
_REPLY: Final = re.compile(r"@(\d{3})(ACK|NAK)(.*)", re.DOTALL)


class Mks(LinkDriver):
    """A vacuum gauge controller by MKS: 937A, 937B, 946.

    Args:
        model: `937A`, `937B` or `946`.
        address: of the controller; 254: whoever is there.
        gauges: the channels to read, such as [1, 3].
        labels: what stands on their tiles, in the same order.
        unit: of the pressures, whatever the controller shows (937A: what it is set to).
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\r", reply_timeout_s=1.0, tcp_port=23
    )

    def __init__(
        self,
        port: Port,
        model: Literal["937A", "937B", "946"] = "937B",
        address: Annotated[int, Limits(1, 254)] = 254,
        gauges: list[Annotated[int, Limits(1, 6)]] | None = None,
        labels: list[str] | None = None,
        unit: PressureUnit = "mbar",
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self.model = f"MKS {model}"
        self._is_old = model == "937A"
        self.without_commands = {"switch_gauge"} if self._is_old else ()
        self._address = address
        self._gauges = gauges or [1, 2, 3]
        self._unit: str = unit
        self.channels = {}
        labels_of = labelled(labels, self._gauges)
        for gauge in self._gauges:
            label = labels_of.get(gauge, f"Gauge {gauge}")
            description = f"pressure at channel {gauge}"
            self.channels[f"pressure_{gauge}"] = pressure_channel(unit, label, description)

    def poll(self) -> dict[str, Value]:
        """The pressure at each gauge.

        The unit is asked first: its answer looks like no other, so one to an older question that
        comes late is found out. It is asked again in the end: where it was changed nothing is told.
        """
        shown = self._shown()
        values = {gauge: parse_pressure(self._pressure(gauge)) for gauge in self._gauges}
        if self._shown() != shown:
            return {}
        return {f"pressure_{g}": converted(value, shown, self._unit) for g, value in values.items()}

    @command(confirm="Switch the gauge?")
    def switch_gauge(self, gauge: Annotated[int, Limits(1, 6)], on: bool) -> bool:
        """Switch the power of a cold or hot cathode on or off (937B, 946).

        Args:
            gauge: its channel.
            on: whether it is to measure.

        Returns:
            whether it is on, as read back.
        """
        self.ask(f"CP{gauge}!{'ON' if on else 'OFF'}")
        return self.ask(f"CP{gauge}?").upper() == "ON"

    def ask(self, text: str) -> str:
        """The answer to a command of a 937B or 946.

        Raises:
            InstrumentError: it is refused, or another's.
        """
        with self.link.turn:
            self.link.drop_input()
            self.link.write(f"@{self._address:03d}{text}".encode("ascii") + END)
            line = self.link.decode(self.link.read_line(end=END))
        match = _REPLY.fullmatch(line)
        if match is None or (self._address != 254 and int(match[1]) != self._address):
            raise InstrumentError(f"{line[:60]!r} is no answer of address {self._address}")
        if match[2] == "NAK":
            raise InstrumentError(f"{text} was refused: error {match[3][:10]}")
        return match[3].strip()

    def _shown(self) -> str:
        """The unit that the controller shows; a 937A does not tell."""
        if self._is_old:
            return self._unit
        word = self.ask("U?")
        if word.upper() not in UNITS:
            raise InstrumentError(f"the controller shows {word[:20]!r}, an unknown unit")
        return UNITS[word.upper()]

    def _pressure(self, gauge: int) -> str:
        return self.link.query(f"P{gauge}") if self._is_old else self.ask(f"PR{gauge}?")


def parse_pressure(text: str) -> Value:
    """A pressure, or what the word in its place means.

    Raises:
        InstrumentError: it is neither.
    """
    word = text.strip().upper()
    if word in WORDS:
        return Value(None, WORDS[word])
    if word.startswith("LO"):
        return Value(None, Quality.UNDER_RANGE)
    if word.startswith((">", "HI")):
        return Value(None, Quality.OVER_RANGE)
    return Value(as_number(word))

"""`gamma`: ion pump controllers by Gamma Vacuum: SPCe, MPCe (Digitel), LPCe.

The trap: a pump without high voltage draws no current, and the pressure that the controller then
shows is no measurement.

## Wiring

RS-232 or RS-485, 9600 baud as delivered (115200 with some), no parity; or the controller's own
network socket, port 23, with `protocol: ethernet`, which has no checksums.

## Configuration

```yaml
devices:
  ion_pump:
    driver: gamma
    title: Ion pump
    port: tcp://192.168.1.31
    protocol: ethernet
    unit: mbar
    period_s: 2
```

## Quirks

- It wants 120 ms of rest between two commands (`gap_s`).
- Each pressure comes with its unit behind it, and is converted: who changes the unit at the front
  panel changes nothing here.
- A pump whose voltage is off has no pressure and no current (*no signal*): the numbers that the
  controller then sends, `0.1E-10` and `0.1E-09`, mean just that.
- Some firmware writes wrong checksums: `check_replies: false` takes them.

## Without hardware

```yaml
devices:
  ion_pump:
    driver: gamma
    port: sim://gamma
```

## Manual

Gamma Vacuum, "Digitel SPCe User Manual" and "Digitel MPCe User Manual", chapters on serial
commands. Tested against its simulator; not yet with a controller.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Unpack

from labmon.device import (
    Channel,
    InstrumentError,
    Limits,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Port,
    Quality,
    Value,
    command,
)
from labmon_drivers._pressures import PressureUnit, converted, pressure_channel
from labmon_drivers.protocols import gamma as protocol
from labmon_drivers.protocols.lines import LineSplitter

WORDS: Final = {"current": {"", "A", "AMP", "AMPS"}, "voltage": {"", "V", "VOLT", "VOLTS"}}
"""Units that may stand behind; another one belongs to the answer to another question."""


class Gamma(LinkDriver):
    """An ion pump controller by Gamma Vacuum.

    Args:
        address: of the controller, 1 to 255.
        supplies: the outputs of an MPCe, such as [1, 2]; none for a controller with one.
        unit: of the pressures, whatever the controller shows.
        protocol: `serial` (with checksum) or `ethernet` (the controller's own socket, port 23).
        check_replies: whether a reply with a wrong checksum is refused.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\r", reply_timeout_s=1.0, gap_s=0.12, tcp_port=23
    )
    model = "Gamma ion pump controller"

    def __init__(
        self,
        port: Port,
        address: Annotated[int, Limits(1, 255)] = 1,
        supplies: list[Annotated[int, Limits(1, 4)]] | None = None,
        unit: PressureUnit = "mbar",
        protocol: Literal["serial", "ethernet"] = "serial",
        check_replies: bool = True,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._address = address
        self._supplies: list[int] = supplies or [0]
        self._unit: str = unit
        self._is_bare = protocol == "ethernet"
        self._is_checked = check_replies
        self.channels = {}
        for n in self._supplies:
            pump = f"Pump {n}" if n else "Pump"
            self.channels |= {
                _name("pressure", n): pressure_channel(unit, pump, "pressure, from the current"),
                _name("current", n): Channel(
                    "A", "ion current", f"{pump} current", digits=2, scientific=True
                ),
                _name("voltage", n): Channel("V", "high voltage", f"{pump} voltage", digits=0),
                _name("status", n): Channel(
                    label=f"{pump} status", description="as the controller says it", kind="nominal"
                ),
            }

    def identify(self) -> str:
        """Model and firmware."""
        return f"{self.ask(protocol.MODEL)} {self.ask(protocol.VERSION)}".strip()[:80]

    def poll(self) -> dict[str, Value]:
        """Pressure, current, voltage and status of each pump."""
        values: dict[str, Value] = {}
        for n in self._supplies:
            is_on = self._is_on(n)
            pressure, current = self._pressure(n), self._number(n, "current", protocol.CURRENT)
            off = Value(None, Quality.NO_SIGNAL)
            values[_name("pressure", n)] = pressure if is_on else off
            values[_name("current", n)] = current if is_on else off
            values[_name("voltage", n)] = self._number(n, "voltage", protocol.VOLTAGE)
            values[_name("status", n)] = Value(self.ask(protocol.STATUS, n))
        return values

    @command(confirm="Switch the high voltage on?")
    def start_pump(self, supply: Annotated[int, Limits(0, 4)] = 0) -> bool:
        """Switch the high voltage of a pump on.

        Args:
            supply: output of an MPCe; 0 where there is one only.

        Returns:
            whether it is on, as read back.
        """
        self.ask(protocol.START, supply)
        return self._is_on(supply)

    @command(confirm="Switch the high voltage off?")
    def stop_pump(self, supply: Annotated[int, Limits(0, 4)] = 0) -> bool:
        """Switch the high voltage of a pump off.

        Args:
            supply: output of an MPCe; 0 where there is one only.

        Returns:
            whether it is on, as read back.
        """
        self.ask(protocol.STOP, supply)
        return self._is_on(supply)

    def ask(self, code: int, supply: int = 0) -> str:
        """The data of the answer to a command.

        Raises:
            InstrumentError: it is refused, damaged, or another's.
        """
        data = str(supply) if supply else ""
        lines = LineSplitter(self.settings.received_end)
        if self._is_bare:
            request = f"spc {code:02X} {data}".encode() + protocol.END
            return protocol.decode_bare(self._text(request, lines))
        request = protocol.encode(self._address, code, data)
        return protocol.decode(
            self._text(request, lines), self._address, is_checked=self._is_checked
        )

    def _text(self, request: bytes, lines: LineSplitter) -> str:
        line = self.link.exchange(request, lambda data: [x for x in lines.feed(data) if x.strip()])
        return self.link.decode(line)

    def _is_on(self, supply: int) -> bool:
        answer = self.ask(protocol.IS_ON, supply).upper()
        if answer not in {"YES", "NO"}:
            raise InstrumentError(f"{answer[:20]!r} does not say whether the voltage is on")
        return answer == "YES"

    def _pressure(self, supply: int) -> Value:
        number, word = protocol.parse_quantity(self.ask(protocol.PRESSURE, supply))
        if not word:
            raise InstrumentError("the controller does not say the unit of its pressure")
        if word not in protocol.UNIT_WORDS:
            raise InstrumentError(f"{number:g} {word} is no pressure")
        return converted(Value(number), protocol.UNIT_WORDS[word], self._unit)

    def _number(self, supply: int, what: str, code: int) -> Value:
        number, word = protocol.parse_quantity(self.ask(code, supply))
        if word not in WORDS[what]:
            raise InstrumentError(f"{number:g} {word} is no {what}")
        return Value(number)


def _name(what: str, supply: int) -> str:
    return f"{what}_{supply}" if supply else what

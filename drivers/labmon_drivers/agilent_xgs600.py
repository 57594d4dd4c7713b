r"""`agilent_xgs600`: gauge controller XGS-600 by Agilent (Varian).

`#000F\r` is answered with `>1.5E-09,OPEN,4.2E-03\r`, or with `?FF\r`. The trap: the number of
values depends on the boards in it, and words stand where no gauge measures.

## Wiring

RS-232, 9600 baud as delivered, no parity; or RS-485 with an `address`.

## Configuration

```yaml
devices:
  gauges:
    driver: agilent_xgs600
    title: Gauges
    port: /dev/ttyUSB0
    labels: [Main chamber, Load lock, Foreline]
    unit: mbar
```

## Quirks

- The boards are asked for when connecting; a board that is unknown here is an error, as nobody
  could say to which gauge a value belongs.
- `OPEN`, `NOCBL` and `OFF` are *no signal*.
- The unit is asked for with each poll, and pressures are converted; a poll during which it was
  changed gives nothing.

## Without hardware

```yaml
devices:
  gauges:
    driver: agilent_xgs600
    port: sim://agilent_xgs600
```

## Manual

Agilent, "XGS-600 Gauge Controller Instruction Manual", 6999089060. Tested against its simulator;
not yet with a controller.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Unpack

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
)
from labmon_drivers._labels import labelled
from labmon_drivers._pressures import PressureUnit, converted, pressure_channel

BOARDS: Final = {"10": ("HFIG",), "3A": ("IMG",), "40": ("CNV", "CNV"), "4C": ()}
"""By their codes, the gauges of each; 4C has analog outputs only."""
NO_BOARD: Final = "FE"
UNITS: Final = {"00": "Torr", "01": "mbar", "02": "Pa"}
WORDS: Final = {"OPEN": Quality.NO_SIGNAL, "NOCBL": Quality.NO_SIGNAL, "OFF": Quality.NO_SIGNAL}


class AgilentXgs600(LinkDriver):
    """A gauge controller XGS-600 by Agilent.

    Args:
        address: on RS-485; 0 for RS-232.
        labels: what stands on the tiles, in the order of the gauges.
        unit: of the pressures, whatever the controller shows.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\r", reply_timeout_s=1.0, tcp_port=23
    )
    model = "Agilent XGS-600"

    def __init__(
        self,
        port: Port,
        address: Annotated[int, Limits(0, 99)] = 0,
        labels: list[str] | None = None,
        unit: PressureUnit = "mbar",
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._address = address
        self._labels = labels or []
        self._unit: str = unit
        self._gauges: list[str] = []

    def prepare(self) -> None:
        """Ask which boards are in it."""
        self._gauges = parse_boards(self.ask("01"))
        self.channels = {}
        try:
            labels = labelled(self._labels, range(1, len(self._gauges) + 1))
        except ValueError as error:
            raise InstrumentError(str(error)) from None
        for n, kind in enumerate(self._gauges, 1):
            label = labels.get(n, f"{kind} {n}")
            self.channels[f"pressure_{n}"] = pressure_channel(
                self._unit, label, f"pressure at gauge {n} ({kind})"
            )

    def poll(self) -> dict[str, Value]:
        """All pressures, in one answer; nothing where their unit was changed meanwhile."""
        shown = self._shown()
        cells = self.ask("0F").split(",")
        if len(cells) != len(self._gauges):
            raise InstrumentError(f"{len(cells)} pressures came, not {len(self._gauges)}")
        if self._shown() != shown:
            return {}
        return {
            f"pressure_{n}": converted(parse_pressure(cell), shown, self._unit)
            for n, cell in enumerate(cells, 1)
        }

    def _shown(self) -> str:
        code = self.ask("13")
        if code not in UNITS:
            raise InstrumentError(f"the controller shows an unknown unit: {code[:10]!r}")
        return UNITS[code]

    def ask(self, code: str) -> str:
        """The data of the answer to a command of two hexadecimal digits.

        Raises:
            InstrumentError: it is refused.
        """
        answer = self.link.query(f"#{self._address:02X}{code}")
        if not answer.startswith(">"):
            raise InstrumentError(f"command {code} was refused: {answer[:20]!r}")
        return answer[1:].strip()


def parse_boards(text: str) -> list[str]:
    """The gauges in the order of their boards, from two digits for each slot.

    Raises:
        InstrumentError: a board is unknown.
    """
    ids = [text[i : i + 2].upper() for i in range(0, len(text), 2)]
    if unknown := [each for each in ids if each not in BOARDS and each != NO_BOARD]:
        raise InstrumentError(f"{unknown[0][:10]!r} is no board that is known here")
    return [gauge for each in ids if each != NO_BOARD for gauge in BOARDS[each]]


def parse_pressure(text: str) -> Value:
    """A pressure, or what the word in its place means.

    Raises:
        InstrumentError: it is neither.
    """
    word = text.strip().upper()
    return Value(None, WORDS[word]) if word in WORDS else Value(as_number(word))

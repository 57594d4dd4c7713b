"""`pfeiffer`: vacuum gauge controllers TPG 261/262, TPG 361/362/366 and MaxiGauge TPG 256 A.

Pressures are converted to one unit, whatever the front panel shows. The trap: who changes the unit
there changes what the numbers mean, so each poll asks.

## Wiring

RS-232, 9600 baud as delivered (19200 and 38400 can be set), no parity; the 36x also over USB, a
serial port, and LAN, port 8000.

## Configuration

```yaml
devices:
  gauges:
    driver: pfeiffer
    title: Gauges
    port: tcp://192.168.1.34
    gauges: [1, 2]
    labels: [Main chamber, Foreline]
    unit: mbar
```

## Quirks

- After power-up the controller prints a line a second until it hears something; it is silenced.
- The status decides, not the number beside it: *under range*, *over range*, *fault* for a sensor
  error, *no signal* for a gauge that is off or not there.
- A poll during which the unit was changed gives nothing: nobody knows which unit its numbers had.

## Without hardware

```yaml
devices:
  gauges:
    driver: pfeiffer
    port: sim://pfeiffer
```

## Manual

Pfeiffer Vacuum, operating instructions and communication protocols of "TPG 261/262", "TPG
361/362/366" and "MaxiGauge TPG 256 A". Tested against its simulator; not yet with a controller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Unpack

from labmon.device import (
    Channel,
    InstrumentError,
    Limits,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Port,
    Value,
    command,
)
from labmon_drivers._labels import labelled
from labmon_drivers.protocols.lines import LineSplitter
from labmon_drivers.protocols.pfeiffer_tpg import (
    ACK,
    END,
    ENQ,
    ETX,
    NAK,
    UNITS,
    explain_error,
    parse_identities,
    parse_pressures,
    parse_unit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_GAUGES: Final = 6
QUIET_S: Final = 0.2


class Pfeiffer(LinkDriver):
    """A Pfeiffer gauge controller: TPG 26x, TPG 36x, MaxiGauge.

    Args:
        gauges: the inputs to read, such as [1, 2]; by default those with a gauge when connecting.
        labels: what stands on their tiles, in the same order; of the inputs 1, 2, ... by default.
        unit: of the channels, whatever the controller shows.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\r\n", reply_timeout_s=1.0, tcp_port=8000
    )
    model = "Pfeiffer gauge controller"

    def __init__(
        self,
        port: Port,
        gauges: list[Annotated[int, Limits(1, MAX_GAUGES)]] | None = None,
        labels: list[str] | None = None,
        unit: Literal["mbar", "hPa", "Torr", "Pa", "micron"] = "mbar",
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._wanted = gauges or []
        self._said = labels or []
        self._labels = labelled(labels, gauges) if gauges else {}
        self._unit = unit
        self._lines = LineSplitter(END)
        self._gauges: list[int] = []
        self._inputs = 0
        self._has_all = False  # whether it knows PRX
        self._mbar = 0.0
        self._choose(self._wanted, [])

    def prepare(self) -> None:
        """Silence the chatter after power-up, then ask what is plugged in."""
        self.link.write(ETX)
        self.link.settle(QUIET_S)
        self._mbar = parse_unit(self.ask("UNI"))
        identities = parse_identities(self.ask("TID"))
        self._inputs = len(identities)
        present = [i for i, name in enumerate(identities, 1) if name]
        if not self._wanted:
            self._labels = self._of_inputs()
        self._choose(self._wanted or present or list(range(1, self._inputs + 1)), identities)
        try:
            self._has_all = len(parse_pressures(self.ask("PRX"))) == self._inputs
        except InstrumentError:
            self.link.drop_input()  # the MaxiGauge has PR1 to PR6 only
            self._has_all = False

    def identify(self) -> str:
        """`TPG 362, serial 44...` where it tells; the older ones tell their firmware only."""
        try:
            model, _, serial, *_ = self.ask("AYT").split(",")
        except (InstrumentError, ValueError):
            return f"{self.model}, firmware {self.ask('PNR')}"
        return f"Pfeiffer {model.strip()}, serial {serial.strip()}"

    def poll(self) -> dict[str, Value]:
        """The pressure at each gauge."""
        if self._has_all and len(self._gauges) > 1:
            pressures = parse_pressures(self.ask("PRX"))
            if len(pressures) != self._inputs:
                raise InstrumentError(f"{len(pressures)} pressures came, not {self._inputs}")
            values = {gauge: pressures[gauge - 1] for gauge in self._gauges}
        else:
            values = {gauge: parse_pressures(self.ask(f"PR{gauge}"))[0] for gauge in self._gauges}
        mbar = parse_unit(self.ask("UNI"))
        if mbar != self._mbar:  # changed meanwhile: nobody knows which of the numbers it meant
            self._mbar = mbar
            return {}
        factor = mbar / UNITS[self._unit]
        return {f"pressure{gauge}": _scaled(value, factor) for gauge, value in values.items()}

    @command(confirm="Switch the gauge?")
    def switch_gauge(self, gauge: Annotated[int, Limits(1, MAX_GAUGES)], on: bool) -> bool:
        """Switch a gauge with a filament or high voltage on or off.

        Args:
            gauge: its input.
            on: whether it is to measure.

        Returns:
            whether it is on, as read back.
        """
        if gauge > self._inputs:
            raise InstrumentError(f"the controller has {self._inputs} inputs")
        states = ["0"] * self._inputs
        states[gauge - 1] = "2" if on else "1"
        answer = self.ask("SEN," + ",".join(states)).split(",")
        if len(answer) != self._inputs or answer[gauge - 1].strip() not in {"1", "2"}:
            raise InstrumentError(f"gauge {gauge} cannot be switched: {','.join(answer)[:40]}")
        return answer[gauge - 1].strip() == "2"

    def ask(self, mnemonic: str) -> str:
        """One mnemonic and its data.

        Raises:
            InstrumentError: it is refused; says why.
        """
        self._lines = LineSplitter(END)
        line = self.link.exchange(mnemonic.encode("ascii") + END, self._lines.feed)
        if line == NAK:
            raise InstrumentError(f"{mnemonic} was refused: {explain_error(self._enquire())}")
        if line != ACK:
            raise InstrumentError(f"{mnemonic} was answered with {line[:40]!r}")
        return self._enquire()

    def _enquire(self) -> str:
        return self.link.decode(self.link.exchange(ENQ, self._lines.feed))

    def _of_inputs(self) -> dict[int, str]:
        """Where it was not said which gauges: a label stays, whatever is plugged in beside it."""
        try:
            return labelled(self._said, range(1, self._inputs + 1))
        except ValueError as error:
            raise InstrumentError(str(error)) from None

    def _choose(self, gauges: Sequence[int], identities: Sequence[str]) -> None:
        self._gauges = list(gauges)
        if any(gauge > len(identities) for gauge in gauges) and identities:
            raise InstrumentError(f"the controller has {len(identities)} inputs, not {max(gauges)}")
        channels: dict[str, Channel] = {}
        for gauge in gauges:
            kind = f" ({identities[gauge - 1]})" if identities else ""
            label = self._labels.get(gauge, f"Gauge {gauge}")
            channels[f"pressure{gauge}"] = Channel(
                unit=self._unit,
                description=f"pressure at input {gauge}{kind}",
                label=label,
                digits=2,
                scientific=True,
            )
        self.channels = channels


def _scaled(value: Value, factor: float) -> Value:
    if not isinstance(value.value, float):
        return value
    return Value(float(f"{value.value * factor:.5g}"), value.quality)

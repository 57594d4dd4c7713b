"""`pfeiffer_rs485`: turbo pumps, gauges and controllers by Pfeiffer that speak telegrams.

The trap: on a shared line the answer of another address may come late; it is refused, not recorded.

## Wiring

RS-485, 9600 baud, no parity. Several share one line: give each device its `address`, the same
`port` and the same `bus`.

## Configuration

```yaml
devices:
  turbo:
    driver: pfeiffer_rs485
    title: Turbo pump
    port: /dev/ttyUSB0
    bus: pumps
    address: 1
  gauge:
    driver: pfeiffer_rs485
    title: Gauge
    port: /dev/ttyUSB0
    bus: pumps
    address: 2
    instrument: gauge
    parameters:
      correction: {number: 742, type: u_real, digits: 2}
```

## Channels

Those that the `instrument` has, `error`, and `parameters`; what this model does not know is found
out after connecting and left out. For a turbo pump:

## Quirks

- A pressure of `000000` is *under range*, one of `999999` *over range*.
- While it reports an error (`Err...`) its numbers are kept, as *fault*; a warning is told only.

## Without hardware

```yaml
devices:
  turbo:
    driver: pfeiffer_rs485
    port: sim://pfeiffer_rs485
```

## Manual

Pfeiffer Vacuum, "Pfeiffer Vacuum Protocol for RS-485", and the operating instructions of the
drive unit ("TC 110") or gauge. Agrees with the package pfeiffer-vacuum-protocol against its
simulator; not yet tested with a pump.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Unpack

from pydantic import Field

from labmon.device import (
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
from labmon_drivers._channels import ChannelSettings
from labmon_drivers.protocols.lines import LineSplitter
from labmon_drivers.protocols.pfeiffer_telegram import (
    END,
    READERS,
    Kind,
    Telegram,
    checked,
    decode,
    query,
)


class ParameterSettings(ChannelSettings):
    """A channel that is one parameter of the instrument."""

    number: int = Field(ge=0, le=999, description="The parameter's number in the manual.")
    type: Kind = Field(default="u_integer", description="How its six characters are read.")


def _parameter(
    number: int, kind: Kind, unit: str, label: str, digits: int = 0
) -> ParameterSettings:
    return ParameterSettings(number=number, type=kind, unit=unit, label=label, digits=digits)


TURBO: Final = {
    "speed": _parameter(309, "u_integer", "Hz", "Rotor speed"),
    "current": _parameter(310, "u_real", "A", "Drive current", 2),
    "voltage": _parameter(313, "u_real", "V", "Drive voltage", 2),
    "power": _parameter(316, "u_integer", "W", "Drive power"),
    "electronics_temperature": _parameter(326, "u_integer", "°C", "Electronics"),
    "pump_temperature": _parameter(330, "u_integer", "°C", "Pump bottom"),
    "bearing_temperature": _parameter(342, "u_integer", "°C", "Bearing"),
    "motor_temperature": _parameter(346, "u_integer", "°C", "Motor"),
}
GAUGE: Final = {
    "pressure": ParameterSettings(
        number=740, type="u_expo_new", unit="hPa", label="Pressure", scientific=True
    ),
}
PRESETS: Final = {"turbo": TURBO, "gauge": GAUGE, "none": {}}
ERROR: Final = 303
SOFTWARE: Final = 312
NAME: Final = 349
GAUGES: Final = {
    "A1": "CPT 100",
    "A2": "RPT 100",
    "A3": "PPT 100",
    "A4": "HPT 100",
    "A5": "MPT 100",
}
"""What the digital transmitters call themselves."""
PUMPING_STATION: Final = 10
OUT_OF_RANGE: Final = {"000000": Quality.UNDER_RANGE, "999999": Quality.OVER_RANGE}
"""In place of a pressure, whose first four digits are 1000 to 9999."""


class PfeifferRs485(LinkDriver):
    """A turbo pump or gauge by Pfeiffer with the telegram protocol of RS-485.

    Args:
        address: on the line; 1 ex works.
        instrument: which channels there are: those of a `turbo` pump, of a `gauge`, or `none`.
        parameters: further channels: `number` and `type` from the manual, `unit`, `label`, ...
    """

    link_settings: ClassVar = LinkSettings(baud_rate=9600, terminator="\r", reply_timeout_s=0.5)
    model = "Pfeiffer"

    def __init__(
        self,
        port: Port,
        address: Annotated[int, Limits(1, 255)] = 1,
        instrument: Literal["turbo", "gauge", "none"] = "turbo",
        parameters: dict[str, ParameterSettings] | None = None,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._address = address
        self.without_commands = () if instrument == "turbo" else {"switch_pumping_station"}
        self._parameters = {**PRESETS[instrument], **(parameters or {})}
        self._known: dict[str, ParameterSettings] = dict(self._parameters)
        self.channels = {name: each.channel() for name, each in self._parameters.items()}
        self.channels["error"] = ChannelSettings(
            kind="nominal",
            label="Error",
            description="error or warning that it reports; empty: none",
        ).channel()

    def prepare(self) -> None:
        """Leave out what this model does not have."""
        self.ask(ERROR)
        self._known = {}
        for name, parameter in self._parameters.items():
            try:
                self.ask(parameter.number)
            except _UnknownParameterError:
                continue
            self._known[name] = parameter

    def identify(self) -> str:
        """Its name and software, as it tells them."""
        try:
            name = self.ask(NAME).strip()
            return f"Pfeiffer {GAUGES.get(name, name)}, software {self.ask(SOFTWARE).strip()}"
        except _UnknownParameterError:
            return ""

    def poll(self) -> dict[str, Value]:
        """All parameters, and the error that it reports."""
        values = {name: self._value(parameter) for name, parameter in self._known.items()}
        error = self.ask(ERROR).strip()
        values["error"] = Value("" if error in {"000000", "no Err"} else error)
        if error.startswith("Err"):  # broken: its numbers are no measurement, but what they say is
            values |= {n: Value(v.value, Quality.FAULT) for n, v in values.items() if n != "error"}
        return values

    @command(role="operator", confirm="Switch the pumping station?")
    def switch_pumping_station(self, on: bool) -> bool:
        """Start or stop a turbo pump with everything that belongs to it.

        Returns:
            whether it is on, as read back.
        """
        self._exchange(Telegram(self._address, True, PUMPING_STATION, "111111" if on else "000000"))
        return READERS["boolean_old"](self.ask(PUMPING_STATION)) == 1.0

    def ask(self, parameter: int) -> str:
        """The data of a parameter.

        Raises:
            InstrumentError: it is refused, or the answer is another's.
        """
        return self._exchange(query(self._address, parameter))

    def _exchange(self, request: Telegram) -> str:
        lines = LineSplitter(END)
        answer = decode(self.link.exchange(request.encode(), lines.feed))
        if answer.data == "NO_DEF":
            raise _UnknownParameterError(f"it does not know parameter {request.parameter}")
        return checked(answer, request)

    def _value(self, parameter: ParameterSettings) -> Value:
        data = self.ask(parameter.number)
        if parameter.type == "u_expo_new" and data in OUT_OF_RANGE:
            return Value(None, OUT_OF_RANGE[data])
        return parameter.value(READERS[parameter.type](data))


class _UnknownParameterError(InstrumentError):
    """This model does not have the parameter."""

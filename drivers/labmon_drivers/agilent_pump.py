"""`agilent_pump`: ion pump controllers 4UHV and IPCMini, turbo pumps TwisTorr and TV, by Agilent.

They speak the window protocol. The trap: without high voltage there is no ion current, and the
pressure is no measurement.

## Wiring

RS-232 or RS-485 (`address`), 9600 baud, no parity; set the controller's front panel to *serial*
(the mode in which it takes commands). The IPCMini also over USB, which is a serial port.

## Configuration

```yaml
devices:
  ion_pumps:
    driver: agilent_pump
    title: Ion pumps
    port: /dev/ttyUSB0
    instrument: 4uhv
    pumps: [1, 2]
    period_s: 5
```

## Quirks

- The unit is asked for with each poll, and pressures are converted; a poll during which it was
  changed gives nothing.
- A pump that is off has no pressure (*no signal*); its current and voltage are still told.
- Models differ in what they know; who has no model or serial number is not asked for it again.

## Without hardware

```yaml
devices:
  ion_pump:
    driver: agilent_pump
    port: sim://agilent_pump
```

## Manual

Agilent, "4UHV Ion Pump Controller", "IPCMini Ion Pump Controller" and "TwisTorr 304 FS", chapters
on the RS-232/RS-485 window protocol. Tested against its simulator; not yet with a pump.
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
    as_number,
    command,
)
from labmon_drivers._pressures import PressureUnit, converted, pressure_channel
from labmon_drivers.protocols.agilent_window import Message, Messages, checked, read

UNITS: Final = {"0": "Torr", "1": "mbar", "2": "Pa"}
UNIT, ERROR, STATUS, MODEL, SERIAL = 600, 206, 205, 319, 323
TURBO: Final = {
    200: ("current", Channel("mA", "motor current", "Current", digits=0)),
    201: ("voltage", Channel("V", "motor voltage", "Voltage", digits=0)),
    202: ("power", Channel("W", "motor power", "Power", digits=0)),
    203: ("frequency", Channel("Hz", "driving frequency of the rotor", "Rotor", digits=0)),
    204: ("temperature", Channel("°C", "temperature of the pump", "Temperature", digits=0)),
}
TURBO_STATES: Final = (
    "stopped",
    "waiting for interlock",
    "starting",
    "auto-tuning",
    "braking",
    "normal",
    "failed",
)


class AgilentPump(LinkDriver):
    """An ion pump controller or turbo pump by Agilent (Varian) with the window protocol.

    Args:
        instrument: `4uhv`, `ipcmini` or `turbo`.
        address: on RS-485; 0 for RS-232 and USB.
        pumps: the outputs of a 4UHV to read, such as [1, 2].
        unit: of the pressures, whatever the controller shows.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600, terminator="\r", reply_timeout_s=1.0, tcp_port=23
    )

    def __init__(
        self,
        port: Port,
        instrument: Literal["4uhv", "ipcmini", "turbo"] = "ipcmini",
        address: Annotated[int, Limits(0, 31)] = 0,
        pumps: list[Annotated[int, Limits(1, 4)]] | None = None,
        unit: PressureUnit = "mbar",
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._address = address
        self._is_turbo = instrument == "turbo"
        self._pumps = (
            [] if self._is_turbo else pumps or ([1] if instrument == "ipcmini" else [1, 2, 3, 4])
        )
        self._unit: str = unit
        self.model = {"4uhv": "Agilent 4UHV", "ipcmini": "Agilent IPCMini"}.get(
            instrument, "Agilent turbo pump"
        )
        self.channels = self._channels()

    def identify(self) -> str:
        """Model and serial number."""
        try:
            return f"Agilent {self.ask(MODEL)}, serial {self.ask(SERIAL)}"
        except InstrumentError:
            self.link.drop_input()  # older ones do not have these windows
            return ""

    def poll(self) -> dict[str, Value]:
        """All windows; nothing where the unit of the pressures was changed meanwhile."""
        if self._is_turbo:
            return self._poll_turbo()
        values: dict[str, Value] = {}
        shown = self._shown()
        for n in self._pumps:
            is_on = self._is_on(n)
            pressure = Value(as_number(self.ask(802 + 10 * n)))
            values[f"pressure_{n}"] = (
                converted(pressure, shown, self._unit) if is_on else Value(None, Quality.NO_SIGNAL)
            )
            values[f"current_{n}"] = Value(as_number(self.ask(801 + 10 * n)))
            values[f"voltage_{n}"] = Value(as_number(self.ask(800 + 10 * n)))
        values["error"] = Value(self.ask(ERROR).lstrip("0"))
        return values if self._shown() == shown else {}

    @command(confirm="Switch the pump?")
    def switch_pump(self, on: bool, pump: Annotated[int, Limits(1, 4)] = 1) -> bool:
        """Switch the high voltage of an ion pump, or start and stop a turbo pump.

        Args:
            on: whether it is to run.
            pump: output of a 4UHV.

        Returns:
            whether it is on, as read back.
        """
        if not self._is_turbo and pump not in self._pumps:
            raise InstrumentError(f"there is no pump {pump}")
        window = 0 if self._is_turbo else 10 + pump
        self._exchange(Message(self._address, window, True, "1" if on else "0"))
        return self.ask(window) == "1"

    def ask(self, window: int) -> str:
        """The data of a window.

        Raises:
            InstrumentError: it is refused, damaged, or another's.
        """
        return self._exchange(read(self._address, window))

    def _exchange(self, request: Message) -> str:
        messages = Messages()
        return checked(self.link.exchange(request.encode(), messages.feed), request)

    def _shown(self) -> str:
        code = self.ask(UNIT).lstrip("0") or "0"
        if code not in UNITS:
            raise InstrumentError(f"the controller shows an unknown unit: {code[:10]!r}")
        return UNITS[code]

    def _is_on(self, pump: int) -> bool:
        answer = self.ask(10 + pump)
        if answer not in {"0", "1"}:
            raise InstrumentError(f"{answer[:10]!r} does not say whether the voltage is on")
        return answer == "1"

    def _poll_turbo(self) -> dict[str, Value]:
        values = {name: Value(as_number(self.ask(window))) for window, (name, _) in TURBO.items()}
        state = int(as_number(self.ask(STATUS)))
        if not 0 <= state < len(TURBO_STATES):
            raise InstrumentError(f"{state} is no status")
        return {
            **values,
            "status": Value(TURBO_STATES[state]),
            "error": Value(self.ask(ERROR).lstrip("0")),
        }

    def _channels(self) -> dict[str, Channel]:
        channels = {name: channel for name, channel in TURBO.values() if self._is_turbo}
        if self._is_turbo:
            channels["status"] = Channel(label="Status", kind="nominal")
        for n in self._pumps:
            channels |= {
                f"pressure_{n}": pressure_channel(
                    self._unit, f"Pump {n}", "pressure, from the ion current"
                ),
                f"current_{n}": Channel(
                    "A", "ion current", f"Pump {n} current", digits=2, scientific=True
                ),
                f"voltage_{n}": Channel("V", "high voltage", f"Pump {n} voltage", digits=0),
            }
        channels["error"] = Channel(
            label="Error", description="error code that it reports; empty: none", kind="nominal"
        )
        return channels

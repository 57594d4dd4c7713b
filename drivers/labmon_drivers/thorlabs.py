"""`thorlabs`: power meters PM100D, PM100USB, PM16, PM400, and the logger TSP01 revision A.

TSP01 revision B is no USBTMC instrument and does not work. The trap: the wavelength decides what a
watt is; with another one set the number looks as good and is wrong.

## Wiring

USB: `/dev/usbtmc0` on Linux, without VISA (the user needs the right to open it), or a VISA resource
such as `USB0::0x1313::0x8078::P0001234::INSTR`. The PM100D also RS-232.

## Configuration

```yaml
devices:
  power_meter:
    driver: thorlabs
    title: Power at the cell
    port: /dev/usbtmc0
    wavelength: 780
    period_s: 0.5

  room:
    driver: thorlabs
    instrument: tsp01
    port: /dev/usbtmc1
    period_s: 10
```

## Channels

Of a power meter `power`, or `energy` (J) where the sensor measures pulses, and `sensor_temperature`
where it has a thermometer; of a TSP01 `temperature`, `probe_1`, `probe_2` and `humidity`.

## Quirks

- A wavelength that the sensor does not take is refused: it is read back.
- Power is in W, also where the meter was set to show dBm: each poll asks for its unit. One during
  which that changed gives nothing, as nobody knows which unit its number had.
- 9.91E37 (no probe) is *no signal*, 9.9E37 *over range*.
- `average` measurements of 0.3 ms make one; an energy meter measures each pulse.

## Without hardware

```yaml
devices:
  power_meter:
    driver: thorlabs
    port: sim://thorlabs
```

## Manual

Thorlabs, "PM100D Operation Manual", chapter "SCPI commands"; "TSP01". Agrees with pymeasure
against its simulator; not yet tested with a meter.
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
    Parameter,
    Port,
    Value,
)
from labmon_drivers.protocols.scpi import parse_error, parse_number

POWER, ENERGY, HAS_WAVELENGTH, HAS_TEMPERATURE = 1, 2, 32, 256
WATT_DBM: Final = 30.0
TSP: Final = {
    "temperature": ("MEAS:TEMP1?", Channel("°C", "temperature inside", "Temperature", 2)),
    "probe_1": ("MEAS:TEMP2?", Channel("°C", "temperature of probe 1", "Probe 1", 2)),
    "probe_2": ("MEAS:TEMP3?", Channel("°C", "temperature of probe 2", "Probe 2", 2)),
    "humidity": ("MEAS:HUM?", Channel("%", "relative humidity", "Humidity", 1)),
}


class Thorlabs(LinkDriver):
    """A power meter by Thorlabs, or the temperature and humidity logger TSP01 revision A.

    Args:
        instrument: `power_meter` or `tsp01`.
        wavelength: set after connecting, in nm; 0: it stays as it is.
        average: how many measurements of 0.3 ms make one.
    """

    link_settings: ClassVar = LinkSettings(terminator="\n", reply_timeout_s=3.0)
    model = "Thorlabs"

    def __init__(
        self,
        port: Port,
        instrument: Literal["power_meter", "tsp01"] = "power_meter",
        wavelength: Annotated[float, Limits(0, 30_000, unit="nm")] = 0.0,
        average: Annotated[int, Limits(1, 10_000)] = 100,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._is_logger = instrument == "tsp01"
        self._wanted_nm = wavelength
        self._average = average
        self._flags = 0
        self._shown = "W"
        self.channels = {name: channel for name, (_, channel) in TSP.items()}
        if self._is_logger:
            self.parameters = {}
        else:
            self.channels = {"power": _power("power of the light")}

    @Parameter(
        unit="nm",
        limits=(150.0, 30_000.0),
        every_s=10.0,
        channel=Channel(label="Wavelength", digits=1, tile=False),
    )
    def wavelength(self) -> float:
        """Wavelength for which the sensor is calibrated."""
        return self.link.query_number("SENS:CORR:WAV?")

    @wavelength.setter
    def set_wavelength(self, value: float) -> None:
        """Tell the meter which light it measures."""
        self._send(f"SENS:CORR:WAV {value:.2f}")
        if abs((now := self.wavelength) - value) > 0.1:
            raise InstrumentError(f"the sensor takes {now:g} nm, not {value:g} nm")

    def prepare(self) -> None:
        """Learn what the sensor is, and set it up."""
        self.link.write_line("*CLS")
        if self._is_logger:
            return
        name, serial, _, _, _, flags = self._sensor()
        self._flags = flags
        if not flags & (POWER | ENERGY):
            raise InstrumentError("no sensor is plugged in")
        if flags & POWER:
            self.channels = {"power": _power(f"power at sensor {name}, {serial}")}
        else:
            self.channels = {"energy": _energy(f"energy of a pulse at sensor {name}, {serial}")}
        if flags & HAS_TEMPERATURE:
            self.channels["sensor_temperature"] = Channel("°C", "of the sensor", "Sensor", 1)
        if self._wanted_nm and flags & HAS_WAVELENGTH:
            self.set_wavelength(self._wanted_nm)
        if flags & POWER:
            self._send("SENS:POW:RANG:AUTO 1")
            self._send(f"SENS:AVER:COUN {self._average}")
            self._shown = self._unit()

    def identify(self) -> str:
        """Maker and model."""
        fields = self.link.query("*IDN?").split(",")
        return " ".join(field.strip() for field in fields[:2])[:80]

    def poll(self) -> dict[str, Value]:
        """One measurement."""
        if self._is_logger:
            return {name: parse_number(self.link.query(query)) for name, (query, _) in TSP.items()}
        if self._flags & POWER:
            values = self._measured_power()
        else:
            values = {"energy": parse_number(self.link.query("MEAS:ENER?"))}
        if self._flags & HAS_TEMPERATURE:
            values["sensor_temperature"] = parse_number(self.link.query("MEAS:TEMP?"))
        return values

    def _measured_power(self) -> dict[str, Value]:
        power = parse_number(self.link.query("MEAS:POW?"))
        before, self._shown = self._shown, self._unit()
        if self._shown != before:
            return {}
        if self._shown == "DBM" and isinstance(power.value, float):
            power = Value(float(f"{10 ** ((power.value - WATT_DBM) / 10):.7g}"), power.quality)
        return {"power": power}

    def _unit(self) -> str:
        unit = self.link.query("SENS:POW:UNIT?").upper()
        if unit not in {"W", "DBM"}:
            raise InstrumentError(f"{unit[:20]!r} is no unit of a power")
        return unit

    def _sensor(self) -> tuple[str, str, str, str, str, int]:
        answer = self.link.query("SYST:SENS:IDN?")
        fields = [field.strip().strip('"') for field in answer.split(",")]
        if len(fields) != 6 or not fields[5].isdecimal():
            raise InstrumentError(f"{answer[:60]!r} describes no sensor")
        name, serial, calibrated, kind, subtype, flags = fields
        return name, serial, calibrated, kind, subtype, int(flags)

    def _send(self, line: str) -> None:
        self.link.write_line(line)
        if error := parse_error(self.link.query("SYST:ERR?")):
            raise InstrumentError(f"{line} was refused: {error}")


def _power(description: str) -> Channel:
    return Channel("W", description, "Power", 3, scientific=True)


def _energy(description: str) -> Channel:
    return Channel("J", description, "Energy", 3, scientific=True)

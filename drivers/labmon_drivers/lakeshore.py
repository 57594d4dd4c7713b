"""`lakeshore`: temperature monitors and controllers by Lake Shore: 218, 331, 335, 336, 340, 350.

The trap: the controller says nothing when it refuses a command; `*ESR?` is asked after each.

## Wiring

- 218, 331 and 340: RS-232, 9600 baud, 7 bits, odd parity.
- 335, 336, 350: USB (a serial port of 57600 baud, 7 bits, odd parity), or LAN, port 7777.

## Configuration

```yaml
devices:
  cryostat:
    driver: lakeshore
    title: Cryostat
    model: "336"
    port: tcp://192.168.1.32
    inputs: [A, B]
    labels: [Sample, Shield]
    highest: 320
    period_s: 1
```

The speed and parity of the line follow from the `model`, unless they are said.

## Quirks

- The status of a reading decides: an input that is off, broken or out of range has no value. Nor
  has one that tells absolute zero: so does an input that is disabled or has no curve.
- A setpoint is in the unit that was chosen for its loop at the instrument (*preferred units*): it
  is asked for, and converted. A loop that regulates on what its sensor reads, in V or Ω, has no
  setpoint here, and takes none.
- It wants 50 ms between two messages (`gap_s`). So 335, 336 and 350 are asked for all of a poll in
  one. The older ones take one query at a time; a 218 tells all temperatures in one answer, but its
  statuses one by one, which takes some 0.8 s for eight `inputs`, and less for fewer.
- The manual of the 218 has odd parity; there are programs that use even. Where it says nothing, try
  `parity: even`.
- Names of inputs are the instrument's own (335, 336, 350) where `labels` says nothing.

## Without hardware

```yaml
devices:
  cryostat:
    driver: lakeshore
    port: sim://lakeshore
```

## Manual

Lake Shore, "Model 218", "Model 331", "Model 336" and "Model 350 User's Manual", chapter "Computer
Interface Operation". Agrees with Lake Shore's own Python package against its simulator; not yet
tested with an instrument.
"""

from __future__ import annotations

from itertools import chain
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
from labmon.errors import OutOfLimitsError
from labmon_drivers._labels import labelled
from labmon_drivers._lakeshore_loops import LOWEST, heater_range, parse_unit, setpoint
from labmon_drivers._lakeshore_models import MODELS, ModelName

COMMAND_ERROR: Final = 32
EXECUTION_ERROR: Final = 16
ALL: Final = " 0"
"""In the place of an input, for a 218: all eight."""
OUTPUT = Annotated[int, Limits(1, 2)]


class LakeShore(LinkDriver):
    """A temperature monitor or controller by Lake Shore.

    Args:
        model: `218`, `331`, `335`, `336`, `340` or `350`, in quotes.
        inputs: those to read, such as [A, B]; all by default.
        labels: what stands on their tiles, in the same order; else the names in the instrument.
        unit: of the temperatures.
        highest: no setpoint above this can be asked for, in `unit`.
        sensor_readings: report what the sensors themselves read too, in V or Ω.
    """

    link_settings: ClassVar = LinkSettings(
        terminator="\r\n", reply_timeout_s=1.0, gap_s=0.05, tcp_port=7777
    )

    def __init__(
        self,
        port: Port,
        model: ModelName = "336",
        inputs: list[str] | None = None,
        labels: list[str] | None = None,
        unit: Literal["K", "°C"] = "K",
        highest: Annotated[float, Limits(0, 2000)] = 400.0,
        sensor_readings: bool = False,
        **link: Unpack[LinkKeys],
    ) -> None:
        self._has = MODELS[model]
        self._is_monitor = not self._has.heaters
        self.without_commands = {"get_pid", "set_pid"} if self._is_monitor else ()
        keys: LinkKeys = {**self._has.keys, **link}
        super().__init__(port, **keys)
        self.model = f"Lake Shore {model}"
        self._inputs = [each.upper() for each in inputs or self._has.inputs]
        if unknown := set(self._inputs) - set(self._has.inputs):
            raise ValueError(
                f"inputs: {', '.join(unknown)}: there are {', '.join(self._has.inputs)}"
            )
        self._labels = labelled(labels, self._inputs)
        self._unit = unit
        self._has_raw = sensor_readings
        self.channels = self._channels({})
        self.parameters = {}
        for output in range(1, self._has.heaters + 1):
            self.parameters[f"setpoint_{output}"] = setpoint(output, unit, highest)
            self.parameters[f"range_{output}"] = heater_range(output, self._has)

    def prepare(self) -> None:
        """Clear the error register, which says 128 after power-up; learn the inputs' names."""
        self.link.query("*ESR?")
        names = {}
        if self._has.has_names:
            names = {each: self.link.query(f"INNAME? {each}") for each in self._inputs}
        self.channels = self._channels(names)

    def identify(self) -> str:
        """Model and serial number, from `LSCI,MODEL336,LSA1234/#######,1.3`."""
        fields = [field.strip() for field in self.link.query("*IDN?").split(",")]
        if len(fields) < 3 or fields[0] != "LSCI":
            raise InstrumentError(f"{','.join(fields)[:60]!r} is no Lake Shore")
        return f"Lake Shore {fields[1].removeprefix('MODEL')}, serial {fields[2]}"

    def poll(self) -> dict[str, Value]:
        """The temperature of each input, and the power of each heater."""
        query = "KRDG?" if self._unit == "K" else "CRDG?"
        heaters = range(1, self._has.heaters + 1)
        answers = self._answers(
            self._of_inputs(query),
            [f"RDGST? {each}" for each in self._inputs],
            self._of_inputs("SRDG?") if self._has_raw else [],
            [f"{of}{self._number(output)}" for output in heaters for of in ("HTR?", "HTRST?")],
        )
        values: dict[str, Value] = {}
        for each in self._inputs:
            quality = parse_status(answers[f"RDGST? {each}"])
            number = as_number(answers[f"{query} {each}"])
            if quality == Quality.OK and number <= LOWEST[self._unit]:
                quality = Quality.NO_SIGNAL  # the input is disabled, or has no curve
            values[_name(each)] = Value(number if quality == Quality.OK else None, quality)
            if self._has_raw:
                raw = as_number(answers[f"SRDG? {each}"])
                values[f"sensor_{each.lower()}"] = Value(
                    raw if quality == Quality.OK else None, quality
                )
        for output in heaters:
            percent = as_number(answers[f"HTR?{self._number(output)}"])
            problem = as_number(
                answers[f"HTRST?{self._number(output)}"]
            )  # open load, short circuit
            quality = Quality.FAULT if problem else Quality.OK
            values[f"heater_{output}"] = Value(percent, quality)
        return values

    def _answers(self, *queries: list[str]) -> dict[str, str]:
        """The answers by query; of one message where it may, since each costs 50 ms and its way.

        Raises:
            InstrumentError: there are more or fewer of them than queries.
        """
        asked = list(chain(*queries))
        if not self._has.has_chains:
            answers = {query: self.link.query(query) for query in asked}
            for query in asked:
                if query.endswith(ALL):
                    answers |= self._of_all_inputs(query, answers.pop(query))
            return answers
        said = self.link.query(";".join(asked))
        answers = [answer.strip() for answer in said.split(";")]
        if len(answers) != len(asked):
            raise InstrumentError(
                f"{len(asked)} were asked, and {len(answers)} came: {said[:60]!r}"
            )
        return dict(zip(asked, answers, strict=True))

    def _of_inputs(self, query: str) -> list[str]:
        """The query of each input, or of all where it answers for all at once."""
        return [query + ALL] if self._is_monitor else [f"{query} {each}" for each in self._inputs]

    def _of_all_inputs(self, query: str, answer: str) -> dict[str, str]:
        cells = answer.split(",")
        if len(cells) != len(self._has.inputs):
            raise InstrumentError(f"{len(cells)} values came, not {len(self._has.inputs)}")
        names = (f"{query.removesuffix(ALL)} {each}" for each in self._has.inputs)
        return dict(zip(names, cells, strict=True))

    def _number(self, output: int) -> str:
        return f" {output}" if self._has.has_numbered_heaters else ""

    @command(role="viewer")
    def get_pid(self, output: OUTPUT = 1) -> list[float]:
        """Ask how a control loop regulates.

        Args:
            output: of the controller.

        Returns:
            proportional, integral and derivative.
        """
        self._check(output)
        cells = self.link.query(f"PID? {output}").split(",")
        if len(cells) != 3:
            raise InstrumentError(f"{','.join(cells)[:60]!r} are no three numbers")
        return [as_number(cell) for cell in cells]

    @command(confirm="Change how the loop regulates?")
    def set_pid(
        self,
        proportional: Annotated[float, Limits(0.1, 1000)],
        integral: Annotated[float, Limits(0, 1000)],
        derivative: Annotated[float, Limits(0, 200, unit="%")] = 0.0,
        output: OUTPUT = 1,
    ) -> list[float]:
        """Set how a control loop regulates.

        Args:
            proportional: gain.
            integral: reset, in the controller's own unit.
            derivative: rate.
            output: of the controller.

        Returns:
            the three as read back.
        """
        self._check(output)
        self.send(f"PID {output},{proportional:.4g},{integral:.4g},{derivative:.4g}")
        return self.get_pid(output)

    def _check(self, output: int) -> None:
        if output > self._has.heaters:
            raise OutOfLimitsError(f"output: a {self.model} has {self._has.heaters}")

    def send(self, text: str) -> None:
        """Send a command, and ask whether it was understood.

        Raises:
            InstrumentError: it was not.
        """
        self.link.write_line(text)
        status = int(self.link.query_number("*ESR?"))
        if status & (COMMAND_ERROR | EXECUTION_ERROR):
            raise InstrumentError(f"{text} was refused: error register {status}")

    def heater_range(self, output: int) -> str:
        """The range of a heater; the older models take no number."""
        return self.link.query(f"RANGE?{self._number(output)}")

    def loop(self, output: int) -> tuple[float, str]:
        """The setpoint of a loop, and its unit; empty where that is no temperature, or unknown."""
        asked, setup = f"SETP? {output}", f"OUTMODE? {output}"
        if not self._has.has_numbered_heaters:
            setup = f"CSET? {output}"
        answers = self._answers([asked, setup])
        number, said = as_number(answers[asked]), answers[setup]
        if not self._has.has_numbered_heaters:
            return number, parse_unit(said, 1)
        cells = said.split(",")
        if len(cells) < 2:
            raise InstrumentError(f"{said[:40]!r} names no input of output {output}")
        name = self._has.input_of_output(int(as_number(cells[1])))
        return number, parse_unit(self.link.query(f"INTYPE? {name}"), 4) if name else ""

    def set_range(self, output: int, value: int) -> None:
        """Choose the range of a heater."""
        number = f"{output}," if self._has.has_numbered_heaters else ""
        self.send(f"RANGE {number}{value}")

    def _channels(self, names: dict[str, str]) -> dict[str, Channel]:
        channels = {}
        for each in self._inputs:
            said = names.get(each, "") or f"Input {each}"
            channels[_name(each)] = Channel(
                unit=self._unit,
                description=f"temperature at input {each}",
                label=self._labels.get(each, said),
                digits=3,
            )
        for each in self._inputs if self._has_raw else ():
            description = f"what the sensor at input {each} reads, in V or Ω"
            label = f"{channels[_name(each)].label} sensor"
            channels[f"sensor_{each.lower()}"] = Channel("", description, label, 4, tile=False)
        for output in range(1, self._has.heaters + 1):
            channels[f"heater_{output}"] = Channel(
                unit="%",
                description=f"power of heater {output}, of the present range",
                label=f"Heater {output}",
                digits=1,
                limits=(0, 100),
            )
        return channels


def parse_status(text: str) -> int:
    """The quality that the reading status means: bits 1 invalid, 16 and 64 under, 32 and 128 over.

    Raises:
        InstrumentError: it is no number of eight bits.
    """
    bits = int(as_number(text)) if text.strip().isdecimal() else -1
    if not 0 <= bits <= 255:
        raise InstrumentError(f"{text[:20]!r} is no reading status")
    if bits & 1:
        return Quality.NO_SIGNAL
    if bits & (32 | 128):
        return Quality.OVER_RANGE
    if bits & (16 | 64):
        return Quality.UNDER_RANGE
    return Quality.FAULT if bits else Quality.OK


def _name(name: str) -> str:
    return f"temperature_{name.lower()}"

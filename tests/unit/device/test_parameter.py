from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest

from labmon.device import Channel, Driver, InstrumentError, Limits, Parameter, command
from labmon.device.command import Command, Options
from labmon.errors import ConfigError, OutOfLimitsError


class Diode(Driver):
    """A laser diode whose current follows at 98 %, as far as its knob allows."""

    power = Channel(unit="mW")

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.reads = 0
        self.state: dict[str, Any] = {"current": 0.0, "mode": "cw", "emission": False}

    def poll(self) -> dict[str, float]:
        return {"power": 1.0}

    @Parameter(unit="mA", limits=(0, 120), channel=Channel(digits=1, label="Current"))
    def current(self) -> float:
        """Current of the diode.

        It follows slowly.
        """
        self.reads += 1
        return self.state["current"]

    @current.setter
    def set_current(self, value: float) -> None:
        if value == 13:
            raise InstrumentError("unlucky")
        self.sent.append(value)
        self.state["current"] = value * 0.98

    @Parameter(every_s=3600.0)
    def mode(self) -> Literal["cw", "pulsed"]:
        """TTL mode."""
        return self.state["mode"]

    @mode.setter
    def set_mode(self, value: Literal["cw", "pulsed"]) -> None:
        self.state["mode"] = value

    @Parameter(role="admin", confirm="Laser on?")
    def emission(self) -> bool:
        """Whether there is light."""
        return self.state["emission"]

    @emission.setter
    def set_emission(self, value: bool) -> None:
        self.state["emission"] = value


@pytest.fixture
async def diode(bench):
    driver = Diode()
    device = await bench.started(driver, "diode", period_s=60.0)
    await bench.until(lambda: device.state == "online")
    return device


async def test_a_parameter_makes_channels_of_readback_and_setpoint(diode):
    assert list(diode.channels) == [
        "power",
        *("current", "current_setpoint", "mode", "mode_setpoint", "emission", "emission_setpoint"),
    ]
    current = diode.channels["current"]
    assert (current.unit, current.digits, current.label) == ("mA", 1, "Current")
    assert current.description == "Current of the diode."
    assert diode.channels["current_setpoint"].label == "Current setpoint"
    periods = {each["name"]: each["period_s"] for each in diode.description()["channels"]}
    assert (periods["current"], periods["mode"]) == (60.0, 3600.0)
    assert periods["current_setpoint"] is None, "it comes when somebody asks for something"
    assert diode.channels["mode"].kind == "nominal"
    assert diode.channels["emission"].kind == "numeric"


async def test_a_parameter_makes_commands_with_limits_unit_and_words(diode):
    described = diode.commands["set_current"].description()
    assert described["doc"] == "Set current of the diode."
    assert described["params"]["properties"] == {
        "value": {"type": "number", "minimum": 0, "maximum": 120, "unit": "mA"}
    }
    assert diode.commands["get_current"].description()["result"] == {"type": "number"}
    assert diode.commands["get_current"].options == Options(role="viewer", only_reads=True)
    mode = diode.commands["set_mode"]
    assert mode.doc == "Set TTL mode."
    assert mode.schema()["properties"]["value"]["enum"] == ["cw", "pulsed"]
    assert diode.commands["set_emission"].options == Options(role="admin", confirm="Laser on?")
    with pytest.raises(OutOfLimitsError, match="value: found 121, allowed: a number from 0 to 120"):
        diode.commands["set_current"].validate([121])


async def test_the_readback_is_polled_and_the_setpoint_is_what_was_asked_for(bench, diode):
    assert bench.of("diode/current") == [None, 0.0]
    assert bench.of("diode/current_setpoint") == [None]
    await diode.call("set_current", {"value": 50.0})
    await bench.until(lambda: bench.of("diode/current")[-1] == 49.0)
    assert bench.of("diode/current_setpoint") == [None, 50.0]
    assert await diode.call("get_current", {}) == 49.0


async def test_a_refused_setpoint_is_none(bench, diode):
    with pytest.raises(InstrumentError, match="unlucky"):
        await diode.call("set_current", {"value": 13.0})
    await diode.call("get_current", {})
    assert bench.of("diode/current_setpoint") == [None]


async def test_a_readback_with_a_period_of_its_own_is_read_then_and_after_a_change(bench, diode):
    polls = len(bench.of("diode/power"))
    await diode.call("set_current", {"value": 1.0})
    await bench.until(lambda: len(bench.of("diode/power")) > polls)
    assert bench.of("diode/mode") == ["cw"]
    await diode.call("set_mode", {"value": "pulsed"})
    await bench.until(lambda: bench.of("diode/mode") == ["cw", "pulsed"])
    assert bench.of("diode/mode_setpoint") == ["pulsed"]


async def test_the_setpoint_is_said_again_after_a_reconnect(bench, diode):
    await diode.call("set_current", {"value": 50.0})
    await bench.until(lambda: bench.of("diode/current_setpoint") == [None, 50.0])
    diode.reconnect()
    await bench.until(lambda: bench.of("diode/current_setpoint") == [None, 50.0, None, 50.0])
    assert diode._driver.sent == [50.0]


def test_a_parameter_reads_like_a_property_and_is_set_by_its_method():
    driver = Diode()
    driver.set_current(100.0)
    assert driver.current == 98.0
    with pytest.raises(AttributeError, match="call the method that sets"):
        driver.current = 5.0
    assert isinstance(Diode.current, Parameter)


async def test_parameters_and_commands_may_come_from_the_configuration(bench):
    class Supply(Driver):
        def __init__(self) -> None:
            self.volts = 0.0
            self.parameters = {
                "voltage": Parameter(
                    unit="V",
                    limits=(0, 30),
                    read=lambda driver: driver.volts,
                    write=lambda driver, value: setattr(driver, "volts", value),
                )
            }

            def reset(driver: Supply) -> None:
                """Start anew."""
                driver.volts = 0.0

            self.commands = {"reset": Command("reset", reset, Options())}

    device = await bench.started(Supply(), "supply", period_s=5.0)
    await bench.until(lambda: device.state == "online")
    assert list(device.commands) == ["set_voltage", "get_voltage", "reset"]
    assert device.commands["set_voltage"].doc == "Set voltage."
    await device.call("set_voltage", {"value": 5.0})
    await bench.until(lambda: bench.of("supply/voltage")[-1] == 5.0)
    await device.call("reset", {})
    await bench.until(lambda: bench.of("supply/voltage")[-1] == 0.0)


async def test_a_poll_may_bring_the_readback_itself(bench):
    class Quick(Diode):
        def poll(self) -> dict[str, float]:
            return {"power": 1.0, "current": 42.0}

    driver = Quick()
    await bench.started(driver, "diode")
    await bench.until(lambda: bench.values("diode", "current") != [])
    assert bench.values("diode", "current")[0] == 42.0
    assert driver.reads == 0


def test_a_parameter_with_limits_in_its_type_hint_and_no_readback():
    class Valve(Driver):
        def write(self, value: Annotated[int, Limits(1, 8)]) -> None: ...

        position = Parameter(write=write)

    assert list(Valve.position.channels("position")) == ["position_setpoint"]
    with pytest.raises(AttributeError, match="cannot be read back"):
        Valve().position  # noqa: B018


def test_a_parameter_of_a_type_that_plain_data_cannot_fill_is_refused(bench):
    class Odd(Driver):
        lock = Parameter(kind=Driver, write=lambda driver, value: None)

    with pytest.raises(ConfigError, match="value of set_lock has a type that plain data cannot"):
        bench.device(Odd())


def test_a_subclass_inherits_parameters_and_commands():
    class More(Diode):
        @Parameter(unit="K")
        def temperature(self) -> float:
            """Temperature."""
            return 300.0

        @command
        def calibrate(self) -> None:
            """Calibrate."""

    assert list(More.parameters) == ["current", "mode", "emission", "temperature"]
    assert list(Diode.parameters) == ["current", "mode", "emission"]


def test_a_setter_that_would_hide_its_parameter_is_said_so_at_once():
    with pytest.raises(TypeError, match="call the method that sets it set_current"):

        class Lamp(Driver):
            @Parameter(unit="mA")
            def current(self) -> float:  # pyright: ignore[reportRedeclaration]
                return 1.0

            @current.setter
            def current(self, value: float) -> None: ...

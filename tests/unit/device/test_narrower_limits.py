"""Limits of the configuration: inside the driver's own, in the schema, and before the driver."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest

from labmon.config import load
from labmon.control.audit import Audit
from labmon.control.caller import Caller
from labmon.control.rpc import Rpc
from labmon.device import Driver, Limits, Parameter, command
from labmon.device.device import Device
from labmon.errors import ConfigError, OutOfLimitsError
from labmon.timestamps import Clock

HEAD = "devices:\n  oven:\n    driver: x\n    limits:\n"


class Oven(Driver):
    def __init__(self) -> None:
        self.set_to: list[float] = []
        self.heated: list[tuple[float, float]] = []

    @Parameter(unit="K", limits=(0, 400))
    def target(self) -> float:
        """Temperature that it holds."""
        return 300.0

    @target.setter
    def set_target(self, value: float) -> None:
        self.set_to.append(value)

    @Parameter(unit="A")
    def current(self) -> int | None:
        """Without limits of its own."""
        return 1

    @current.setter
    def set_current(self, value: int | None) -> None:
        self.set_to.append(value or 0)

    @command
    def heat(
        self,
        watts: Annotated[float, Limits(0, 60, unit="W")],
        seconds: Annotated[float, Limits(0, None, unit="s")] = 5.0,
        mode: Literal[1, 2] = 1,
        words: str = "",
    ) -> None:
        """Heat.

        Args:
            watts: how much.
            seconds: how long.
        """
        self.heated.append((watts, seconds))


@pytest.fixture
def oven(tmp_path):
    """A device with such lines under `limits`."""

    def make(*lines: str) -> Device:
        path = tmp_path / "config.yaml"
        path.write_text(HEAD + "".join(f"      {line}\n" for line in lines))
        (config,) = load(path).devices
        return Device(config, Oven(), clock=Clock(), publish=lambda _: None, changed=lambda _: None)

    return make


def properties(device: Device, name: str) -> dict[str, Any]:
    return device.commands[name].schema()["properties"]


async def test_the_schema_tells_the_narrower_limits(oven):
    device = oven("target: [4, 300]", "current: [null, 3]", "heat: {watts: [10, null]}")
    value = properties(device, "set_target")["value"]
    assert (value["minimum"], value["maximum"], value["unit"]) == (4, 300, "K")
    value = properties(device, "set_current")["value"]
    assert (value.get("minimum"), value["maximum"], value["unit"]) == (None, 3, "A")
    watts = properties(device, "heat")["watts"]
    assert (watts["minimum"], watts["maximum"], watts["unit"]) == (10, 60, "W")
    assert watts["description"] == "how much."
    told = next(each for each in device.description()["commands"] if each["name"] == "heat")
    assert told["params"]["properties"]["watts"] == watts


def test_what_lies_outside_is_refused_and_what_lies_inside_is_not(oven):
    device = oven("target: [4, 300]", "heat: {watts: [1, 9], seconds: [0, 60]}")
    assert device.commands["set_target"].validate([300]) == {"value": 300.0}
    with pytest.raises(OutOfLimitsError, match="found 301, allowed: a number from 4 to 300 K"):
        device.commands["set_target"].validate([301])
    with pytest.raises(OutOfLimitsError, match=r"watts.*seconds"):
        device.commands["heat"].validate({"watts": 9.5, "seconds": 61})
    assert device.commands["heat"].validate({"watts": 9}) == {"watts": 9.0}


def test_a_default_outside_of_the_limits_is_none(oven):
    seconds = properties(oven("heat: {seconds: [0, 2]}"), "heat")["seconds"]
    assert "default" not in seconds
    command = oven("heat: {seconds: [0, 2]}").commands["heat"]
    assert command.schema()["required"] == ["watts", "seconds"]
    assert command.validate([1, 2]) == {"watts": 1.0, "seconds": 2.0}


def test_other_devices_of_the_same_driver_keep_theirs(oven):
    oven("target: [4, 300]", "heat: {watts: [1, 9]}")
    other = oven("current: [0, 1]")
    assert properties(other, "set_target")["value"]["maximum"] == 400
    assert properties(other, "heat")["watts"]["maximum"] == 60


async def test_a_caller_is_told_and_the_driver_never_asked(oven):
    device = oven("target: [4, 300]")
    await device.start()
    rpc = Rpc({"oven": device}, Audit(lambda path, value: None))
    for method, params in (
        ("oven.set_target", [350]),
        ("device.set", ["oven", "target", 350]),
    ):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        reply = await rpc.handle(request, Caller("ann", "admin", "here"))
        assert reply["error"]["code"] == -32006
    await device.stop()
    assert device._driver.set_to == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("target: [-1, 300]", "limits.target: found [-1, 300], allowed: within a number from 0 to"),
        ("target: [4, 401]", "limits.target: found [4, 401], allowed: within a number from 0 to"),
        ("target: [500, 600]", "limits.target: found [500, 600], allowed: within"),
        ("target: [9, 4]", "limits.target: the limits 9 to 4 leave nothing between them"),
        ("target: 4", "limits.target: found 4, allowed: [lowest, highest]"),
        ("target: [1, 2, 3]", "allowed: [lowest, highest]"),
        ("target: [cold, 2]", "allowed: [lowest, highest]"),
        ("target: [yes, true]", "allowed: [lowest, highest]"),
        ("tarket: [4, 300]", "there is no parameter 'tarket' that can be set (did you mean"),
        ("heat: [4, 5]", "limits.heat: a command takes a range for each argument"),
        ("heet: {watts: [4, 5]}", "there is no command 'heet' (did you mean 'heat'?)"),
        ("heat: {volts: [4, 5]}", "limits.heat.volts: volts: unknown"),
        ("heat: {mode: [1, 1]}", "limits.heat.mode: mode is 1 or 2, which has no limits"),
        ("heat: {words: [1, 1]}", "limits.heat.words: words is text, which has no limits"),
        ("heat: {seconds: [-1, 1]}", "limits.heat.seconds: found [-1, 1], allowed: within a"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(oven, line, said):
    with pytest.raises(ConfigError) as caught:
        oven("current: [0, 1]", line)
    (message,) = str(caught.value).splitlines()
    assert "config.yaml:6: devices.oven.limits." in message
    assert said in message


def test_everything_wrong_is_said_at_once(oven):
    with pytest.raises(ConfigError) as caught:
        oven("target: [0, 500]", "heat: {watts: [0, 70], seconds: 3}")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "devices.oven.limits.target",
        "devices.oven.limits.heat.watts",
        "devices.oven.limits.heat.seconds",
    ]

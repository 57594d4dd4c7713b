"""`toptica`: laser controllers DLC pro, DLC smart and relatives, over TCP 1998 or USB.

All parameters of one poll are asked for in one expression. The trap: a parameter that this model
lacks makes the whole expression fail, so each is tried alone after connecting.

## Wiring

LAN, port 1998 (the command line), or USB, a serial port of 115200 baud.

## Configuration

```yaml
devices:
  cooling_laser:
    driver: toptica
    title: Cooling laser
    port: tcp://192.168.1.36
    lasers: 1
    settable:
      piezo_set: {parameter: "laser1:dl:pc:voltage-set", unit: V, limits: [0, 140]}
      emission: {parameter: "laser1:dl:cc:enabled", type: boolean, confirm: "Switch the laser?"}
```

Names of parameters stand in the command reference of the controller.

## Channels

The usual ones of each of `lasers` as far as the controller knows them, and those of the
configuration.

## Commands

`set_NAME` and `get_NAME` for each of `settable`.

## Quirks

- With two lasers the names begin with `laser1_` and `laser2_`.
- The controller says why it refuses; that is passed on.

## Without hardware

```yaml
devices:
  cooling_laser:
    driver: toptica
    port: sim://toptica
```

## Manual

TOPTICA, "DLC pro Command Reference". Agrees with TOPTICA's own Python package against its
simulator; not yet tested with a controller.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Unpack

from pydantic import Field

from labmon.device import (
    InstrumentError,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    Parameter,
    Port,
    Value,
)
from labmon_drivers._channels import ChannelSettings
from labmon_drivers.protocols.decof import (
    RefusedError,
    Replies,
    assignment,
    checked_name,
    parse,
    reference,
)


class TopticaChannel(ChannelSettings):
    """A channel that is one parameter of the controller."""

    parameter: str = Field(description="Its name, such as laser1:dl:cc:current-act.")


class TopticaParameter(ChannelSettings):
    """A parameter of the controller that can be set."""

    parameter: str = Field(description="Its name, such as laser1:dl:pc:voltage-set.")
    type: Literal["number", "boolean", "text"] = Field(
        default="number", description="Of its value."
    )
    every_s: Annotated[float, Field(ge=0)] = Field(
        default=5.0, description="Least time between two readings of the readback."
    )
    confirm: str = Field(default="", description="A question that the browser asks before.")


def _channel(parameter: str, unit: str, label: str, digits: int) -> TopticaChannel:
    return TopticaChannel(parameter=parameter, unit=unit, label=label, digits=digits)


def _laser(n: int, prefix: str) -> dict[str, TopticaChannel]:
    laser = f"laser{n}"
    return {
        f"{prefix}current": _channel(f"{laser}:dl:cc:current-act", "mA", "Current", 3),
        f"{prefix}temperature": _channel(f"{laser}:dl:tc:temp-act", "°C", "Temperature", 4),
        f"{prefix}piezo": _channel(f"{laser}:dl:pc:voltage-act", "V", "Piezo", 4),
        f"{prefix}wavelength": _channel(f"{laser}:ctl:wavelength-act", "nm", "Wavelength", 4),
        f"{prefix}emission": _channel(f"{laser}:emission", "", "Emission", 0),
    }


KINDS: Final[dict[str, Any]] = {"number": float, "boolean": bool, "text": str}


class Toptica(LinkDriver):
    """A TOPTICA laser controller: DLC pro and relatives.

    Args:
        lasers: how many laser heads there are; the usual channels of each are shown.
        channels: further ones: `parameter` (its name in the command reference), `unit` and so on.
        settable: what can be set: `parameter`, `type`, `limits`, `unit`, `confirm`.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=115200, terminator="\n", reply_timeout_s=2.0, tcp_port=1998
    )
    model = "TOPTICA laser controller"

    def __init__(
        self,
        port: Port,
        lasers: Literal[0, 1, 2] = 1,
        channels: dict[str, TopticaChannel] | None = None,
        settable: dict[str, TopticaParameter] | None = None,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._described: dict[str, TopticaChannel] = {}
        for n in range(1, lasers + 1):
            self._described |= _laser(n, f"laser{n}_" if lasers > 1 else "")
        self._described |= channels or {}
        for each in [*self._described.values(), *(settable or {}).values()]:
            checked_name(each.parameter)
        self._present = dict(self._described)
        self._replies = Replies()
        self.channels = {name: each.channel() for name, each in self._described.items()}
        self.parameters = {name: _parameter(each) for name, each in (settable or {}).items()}

    def prepare(self) -> None:
        """Wait for the prompt, and leave out what this model lacks."""
        self._replies = Replies()
        self._wait_for_prompt()
        self._present = {}
        for name, each in self._described.items():
            try:
                self.ask(reference([each.parameter]))
            except RefusedError:  # it knows no such parameter; garbage would say nothing
                continue
            self._present[name] = each
        if not self._present:
            raise InstrumentError("the controller knows none of the parameters")

    def identify(self) -> str:
        """Type and serial number of the controller."""
        names = ["system-type", "serial-number"]
        return " ".join(str(value) for value in self.ask(reference(names)))[:80]

    def poll(self) -> dict[str, Value]:
        """All parameters, taken at one time."""
        names = [each.parameter for each in self._present.values()]
        values = self.ask(reference(names))
        if not isinstance(values, list) or len(values) != len(names):
            raise InstrumentError(f"{str(values)[:60]!r} is not {len(names)} values")
        pairs = zip(self._present.items(), values, strict=True)
        return {name: each.value(value) for (name, each), value in pairs}

    def set_parameter(self, name: str, value: float | str | bool) -> None:
        """Set a parameter of the controller.

        Raises:
            InstrumentError: it was refused; says why.
        """
        status = self.ask(assignment(name, value))
        if status != 0:
            raise InstrumentError(f"{name} was refused: status {status}")

    def ask(self, expression: str) -> Any:
        """The value of an expression.

        Raises:
            InstrumentError: it failed; says why.
        """
        self._replies = Replies()
        return parse(self.link.exchange(expression.encode() + b"\n", self._feed))

    def _feed(self, data: bytes) -> list[str]:
        # over USB the controller may echo nothing but the prompt first
        return [reply for reply in self._replies.feed(data) if reply]

    def _wait_for_prompt(self) -> None:
        """Over TCP it greets, soon or late; over USB only who sends a line sees the prompt."""
        self.link.settle(SETTLE_S)
        self._replies = Replies()
        self.link.exchange(b"(param-ref 'uptime)\n", self._feed_behind_greeting)

    def _feed_behind_greeting(self, data: bytes) -> list[str]:
        return [reply for reply in self._feed(data) if not is_greeting(reply)]


SETTLE_S: Final = 0.2


def is_greeting(reply: str) -> bool:
    """Whether it is what the controller says to who connects.

    Raises:
        RefusedError: it is an error message.
    """
    try:
        parse(reply)
    except RefusedError:
        raise
    except InstrumentError:
        return True
    return False


def _parameter(settings: TopticaParameter) -> Parameter[Any]:
    def read(driver: Toptica) -> Any:
        (value,) = driver.ask(reference([settings.parameter]))
        return value if settings.type != "number" else settings.value(value).value

    def write(driver: Toptica, value: Any) -> None:
        if settings.type == "number":
            value = float((value - settings.offset) / settings.scale)
        driver.set_parameter(settings.parameter, value)

    return Parameter(
        unit=settings.unit,
        limits=settings.limits,
        channel=settings.channel().described(tile=False),
        every_s=settings.every_s,
        confirm=settings.confirm,
        read=read,
        write=write,
        kind=KINDS[settings.type],
    )

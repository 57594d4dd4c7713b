r"""`omega`: panel meters and controllers of Omega's iSeries (CNi, DPi).

`*X01\r` asks for the value and is answered with `X01023.4\r`, the request's code repeated first
where echo is on; with an address on RS-485 `*01X01\r` and `01X01023.4\r`. The trap: without echo
the address is not repeated either, and `023.4` from address 02 is no 3.4. An error is answered with
`?43`, an overflow with `?+999999`.

## Wiring

RS-232, or RS-485 with an `address`; 9600 baud, 7 bits, odd parity as delivered. The CN7800 speaks
Modbus: [`omega_cn7800`](omega_cn7800.md).

## Configuration

```yaml
devices:
  oven:
    driver: omega
    title: Oven
    port: /dev/ttyUSB0
    channel: {label: Oven, unit: °C, digits: 1}
```

## Quirks

- `channel` says what the display shows: the meter tells its unit only where *Units* is on in its
  menu. A `C` or `F` behind the value that is not the channel's unit is then an error, no value.
- Echo may be on or off. Only with echo does the meter repeat its address: leave it on where several
  share a line.

## Without hardware

```yaml
devices:
  oven:
    driver: omega
    port: sim://omega
```

## Manual

Omega, M3397 "iSeries Communication". Tested against its simulator; not yet with a meter.
"""

from __future__ import annotations

import re
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
)
from labmon_drivers._channels import ChannelSettings

ERRORS: Final = {
    "43": "command error",
    "46": "format error",
    "48": "checksum error",
    "50": "parity error",
    "56": "wrong address",
}
READ: Final = "X01"
TEMPERATURES: Final = {"°C", "°F"}
_ERROR: Final = re.compile(r"\?(\d\d)")
_VALUE: Final = re.compile(r"(\?[+-]|[+-]?)(\d{1,6}\.?\d{0,5})\s*([CF]?)")


class Omega(LinkDriver):
    """A panel meter or controller of Omega's iSeries.

    Args:
        channel: what it shows: `unit`, `label`, `digits` and so on.
        address: on RS-485; 0 for RS-232.
    """

    link_settings: ClassVar = LinkSettings(
        baud_rate=9600,
        data_bits=7,
        parity="odd",
        terminator="\r",
        reply_timeout_s=1.0,
        tcp_port=2000,
    )
    model = "Omega iSeries"

    def __init__(
        self,
        port: Port,
        channel: ChannelSettings | None = None,
        address: Annotated[int, Limits(0, 199)] = 0,
        **link: Unpack[LinkKeys],
    ) -> None:
        super().__init__(port, **link)
        self._prefix = f"{address:02X}" if address else ""
        self._channel = channel or ChannelSettings(unit="°C", label="Temperature", digits=1)
        self.channels = {"value": self._channel.channel()}
        self._has_echo = False

    def prepare(self) -> None:
        """Hear whether echo is on: an answer without it is then one that lost its beginning."""
        self._has_echo = READ in self._ask()

    def poll(self) -> dict[str, Value]:
        """The value on the display."""
        answer = self._ask()
        value = parse_value(answer, self._prefix, self._channel.unit)
        if self._has_echo != (READ in answer):
            raise InstrumentError(f"{answer[:20]!r} is damaged, or echo was switched meanwhile")
        return {"value": value if value.value is None else self._channel.value(value.value)}

    def _ask(self) -> str:
        return self.link.query(f"*{self._prefix}{READ}")


def parse_value(answer: str, prefix: str = "", unit: str = "") -> Value:
    """The value of an answer to `X01`, with echo or without.

    Raises:
        InstrumentError: it is an error, another's, damaged, or in another unit.
    """
    text = answer.strip()
    echo, found, rest = text.partition(READ)
    if found and echo != prefix:
        raise InstrumentError(f"{answer[:20]!r} is no answer of address {prefix or 'none'}")
    text = rest.strip() if found else text
    if error := _ERROR.fullmatch(text.removeprefix(prefix)):
        raise InstrumentError(f"it refused: {ERRORS.get(error[1], error[1])}")
    match = _VALUE.fullmatch(text)
    if match is None:
        raise InstrumentError(f"{answer[:20]!r} is no value")
    sign, number, letter = match.groups()
    if sign.startswith("?"):
        return Value(None, Quality.OVER_RANGE if sign == "?+" else Quality.UNDER_RANGE)
    if letter and unit in TEMPERATURES and unit != f"°{letter}":
        raise InstrumentError(f"it shows °{letter}, and its channel is said to be in {unit}")
    return Value(float(sign + number))

r"""`omega`: panel meters and controllers of Omega's iSeries (CNi, DPi).

`*X01\r` asks for the value and is answered with `X01023.4\r`, the request's code repeated first
where echo is on; with an address on RS-485 `*01X01\r` and `01X01023.4\r`. The trap: an error is
answered with `?43`, an overflow with `?+999999`.

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

- `channel` says what the display shows: the meter does not tell its unit.
- Echo may be on or off.

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
_NUMBER: Final = re.compile(r"[+-]?\d{1,6}\.?\d{0,5}")


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

    def poll(self) -> dict[str, Value]:
        """The value on the display."""
        value = parse_value(self.link.query(f"*{self._prefix}{READ}"), self._prefix)
        return {"value": value if value.value is None else self._channel.value(value.value)}


def parse_value(answer: str, prefix: str = "") -> Value:
    """The value of an answer to `X01`, with echo or without.

    Raises:
        InstrumentError: it is an error, another's, or damaged.
    """
    text = answer.strip()
    if prefix:
        if not text.startswith(prefix):
            raise InstrumentError(f"{answer[:20]!r} is no answer of address {prefix}")
        text = text.removeprefix(prefix)
    text = text.removeprefix(READ).strip()
    if text.startswith("?"):
        if text[1:2] in {"+", "-"}:
            return Value(None, Quality.OVER_RANGE if text[1] == "+" else Quality.UNDER_RANGE)
        raise InstrumentError(f"it refused: {ERRORS.get(text[1:3], text[:10])}")
    if not _NUMBER.fullmatch(text):
        raise InstrumentError(f"{answer[:20]!r} is no value")
    return Value(float(text))

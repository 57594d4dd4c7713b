"""`leoni`: fibre switches eol 1xN by Leoni, over TCP 10001 or serial.

`type?` is answered with `eol 1x16`, `ch3` switches, `ch?` says where it is. The trap: after a
switch it is deaf for about 75 ms, and a question then is lost.

## Wiring

LAN, port 10001; or RS-232 and USB, 57600 baud.

## Configuration

```yaml
devices:
  fibre_switch:
    driver: leoni
    title: Fibre switch
    port: tcp://192.168.1.33
    period_s: 1
```

## Quirks

- Where it is asked with each poll: somebody may turn it at its front panel.
- More outputs than it has cannot be asked for; how many it has it says when connecting.

## Without hardware

```yaml
devices:
  fibre_switch:
    driver: leoni
    port: sim://leoni
```

## Manual

Leoni, "eol fiber optical switch, user manual". Tested against its simulator; not yet with a switch.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final, Unpack

from labmon.device import (
    Channel,
    InstrumentError,
    LinkDriver,
    LinkKeys,
    LinkSettings,
    OfflineError,
    Parameter,
    Port,
)
from labmon.errors import OutOfLimitsError

DEAD_TIME_S: Final = 0.1
_TYPE: Final = re.compile(r"eol\s+(\d+)x(\d+)", re.IGNORECASE)
_CHANNEL: Final = re.compile(r"(?:ch)?\s*(\d{1,3})", re.IGNORECASE)


class Leoni(LinkDriver):
    """A fibre switch by Leoni: which of its outputs has the light."""

    link_settings: ClassVar = LinkSettings(
        baud_rate=57600, terminator="\r\n", reply_timeout_s=1.0, tcp_port=10001
    )
    model = "Leoni fibre switch"

    def __init__(self, port: Port, **link: Unpack[LinkKeys]) -> None:
        super().__init__(port, **link)
        self.outputs = 0

    @Parameter(
        limits=(0, 999),
        channel=Channel(label="Output", digits=0, description="output that has the light; 0: none"),
    )
    def output(self) -> int:
        """Output that has the light; 0: none."""
        return parse_channel(self.link.query("ch?"), self.outputs)

    @output.setter
    def set_output(self, value: int) -> None:
        """Lead the light to an output."""
        if not 0 <= value <= self.outputs:
            raise OutOfLimitsError(f"output: there are 0 to {self.outputs}, not {value}")
        self.link.write_line(f"ch{value}")
        self.link.settle(DEAD_TIME_S)
        if (now := self.output) != value:
            raise InstrumentError(f"it stayed at output {now}")

    def prepare(self) -> None:
        """Ask how many outputs it has."""
        answer = self.link.query("type?")
        match = _TYPE.fullmatch(answer)
        if match is None:
            raise InstrumentError(f"{answer[:40]!r} is no fibre switch")
        self.outputs = int(match[2])

    def identify(self) -> str:
        """Type and firmware."""
        return f"Leoni {self.link.query('type?')}, firmware {self.link.query('firmware?')}"[:80]

    def poll(self) -> dict[str, float]:
        """Where it is now: somebody may turn it at its front panel."""
        if not self.outputs:
            raise OfflineError("the switch is not connected")
        return {"output": self.output}


def parse_channel(text: str, outputs: int) -> int:
    """The number of the output.

    Raises:
        InstrumentError: it is none of this switch.
    """
    match = _CHANNEL.fullmatch(text.strip())
    if match is None or int(match[1]) > outputs:
        raise InstrumentError(f"{text[:20]!r} is no output of 0 to {outputs}")
    return int(match[1])

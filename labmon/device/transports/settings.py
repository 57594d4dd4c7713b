"""`LinkSettings`: how an instrument's line is set up; `LinkKeys`: the same in the configuration.

Each driver has the maker's defaults, each may be overridden. The trap: `timeout_s` of a device is
the time for a whole poll; the time for one answer is `reply_timeout_s`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, TypedDict

from pydantic import Field

from labmon.device.limits import Limits

Parity = Literal["none", "even", "odd", "mark", "space"]
ESCAPES: Final = {r"\r": "\r", r"\n": "\n", r"\t": "\t", r"\0": "\0"}


class LinkKeys(TypedDict, total=False):
    """The keys that every driver with a `port` takes; what is left out is the driver's default."""

    baud_rate: Annotated[int, Limits(50, 4_000_000, unit="Bd"), Field(description="Serial speed.")]
    data_bits: Annotated[Literal[5, 6, 7, 8], Field(description="Bits of a serial character.")]
    parity: Annotated[Parity, Field(description="Parity of a serial character.")]
    stop_bits: Annotated[Literal[1, 2], Field(description="Stop bits of a serial character.")]
    xonxoff: Annotated[bool, Field(description="Software flow control.")]
    rtscts: Annotated[bool, Field(description="Hardware flow control.")]
    rts: Annotated[bool, Field(description="Set the line RTS when opening; else left alone.")]
    dtr: Annotated[bool, Field(description="Set the line DTR when opening; else left alone.")]
    terminator: Annotated[str, Field(description="What ends a line that is sent.")]
    reply_terminator: Annotated[str, Field(description="What ends a line that is received.")]
    reply_timeout_s: Annotated[
        float, Limits(0.01, 600, unit="s"), Field(description="Time for one answer.")
    ]
    write_timeout_s: Annotated[
        float, Limits(0.01, 60, unit="s"), Field(description="Time for sending a request.")
    ]
    gap_s: Annotated[
        float, Limits(0, 10, unit="s"), Field(description="Least time between two requests.")
    ]
    settle_s: Annotated[
        float,
        Limits(0, 60, unit="s"),
        Field(description="Wait after opening, as boards reset."),
    ]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How a line is set up; see `LinkKeys` for the meaning of each.

    Attributes:
        tcp_port: where the instrument listens, for `tcp://HOST` without a port.
        reply_terminator: empty: the same as `terminator`.
    """

    baud_rate: int = 9600
    data_bits: int = 8
    parity: Parity = "none"
    stop_bits: int = 1
    xonxoff: bool = False
    rtscts: bool = False
    rts: bool | None = None
    dtr: bool | None = None
    terminator: str = "\n"
    reply_terminator: str = ""
    reply_timeout_s: float = 1.0
    write_timeout_s: float = 1.0
    connect_timeout_s: float = 3.0
    gap_s: float = 0.0
    settle_s: float = 0.0
    tcp_port: int | None = None

    def changed(self, **keys: Any) -> LinkSettings:
        r"""The same with some keys of `LinkKeys` set; terminators may be written as `\r\n`."""
        for name in ("terminator", "reply_terminator"):
            if name in keys:
                for written, meant in ESCAPES.items():
                    keys[name] = keys[name].replace(written, meant)
        return replace(self, **keys)

    @property
    def line(self) -> tuple[object, ...]:
        """What all who share a serial port must agree on."""
        flow = (self.xonxoff, self.rtscts, self.rts, self.dtr)
        return (self.baud_rate, self.data_bits, self.parity, self.stop_bits, *flow)

    @property
    def sent_end(self) -> bytes:
        """What ends a line that is sent."""
        return self.terminator.encode("latin-1")

    @property
    def received_end(self) -> bytes:
        """What ends a line that is received; never empty."""
        return (self.reply_terminator or self.terminator or "\n").encode("latin-1")

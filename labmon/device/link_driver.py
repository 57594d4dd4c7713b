"""`LinkDriver`: the base of drivers that speak through one port; it opens and closes the link.

The keys of the link (`port`, `baud_rate`, `terminator`, ...) are configuration keys of each such
driver. The trap: what a driver knows from before a reconnect may be wrong after it; ask again in
`prepare()`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Unpack

from pydantic import Field

from labmon.device.driver import Driver
from labmon.device.simulator import SCHEME
from labmon.device.transport import Link, LinkKeys, LinkSettings, open_link
from labmon.device.transports.port_name import check_port
from labmon.errors import InstrumentTimeoutError, OfflineError

Port = Annotated[
    str,
    Field(
        description="A serial device (`/dev/ttyUSB0`, `COM3`), `usb://SERIALNUMBER` of its adapter,"
        " `tcp://HOST:PORT`, `rfc2217://HOST:PORT`, a VISA resource, or `sim://NAME` for a"
        " simulator."
    ),
]

QUIET_S: Final = 0.05
"""A line on which nothing came for so long is quiet: at 300 baud, a character takes 33 ms."""
OWED_QUIET_S: Final = 1.0
"""The same where an answer may still come: at most, and at most the time for an answer."""
MAX_REFUSALS: Final = 3


class LinkDriver(Driver):
    """A driver with one byte link.

    A subclass says how its instrument's line is set up ex works in `link_settings`, takes `port`
    and `**link` in its constructor and passes them on, and does what must be done after opening in
    `prepare()`. It uses `self.link`.
    """

    link_settings: ClassVar[LinkSettings] = LinkSettings()
    _link: Link | None = None

    def __init__(self, port: Port, **link: Unpack[LinkKeys]) -> None:
        self.port = port
        self.settings = self.link_settings.changed(**link)
        check_port(port, self.settings.tcp_port)
        self.connect_timeout_s = Driver.connect_timeout_s + self.settings.settle_s
        self.simulated = port.startswith(SCHEME)
        self._link = None
        self._is_owed = False
        self._refusals = 0

    @property
    def link(self) -> Link:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The open link.

        Raises:
            OfflineError: there is none now.
        """
        if self._link is None:
            raise OfflineError(f"{self.port} is not open")
        return self._link

    def connect(self) -> None:
        """Open the port, let what is under way go by, then `prepare()`.

        Raises:
            TypeError: the constructor of a subclass forgot that of this class.
        """
        if not hasattr(self, "settings"):
            name = type(self).__name__
            raise TypeError(f"the __init__ of {name} must call super().__init__(port, **link)")
        self.disconnect()
        self._link = open_link(self.port, self.settings)
        self._hear_out(self._link)
        self.prepare()

    def _hear_out(self, link: Link) -> None:
        """Let what is under way go by.

        Where an answer did not come in time, or only half of it, it may come later, and look like
        the answer to another question: `7E-03` for `4.7E-03`. Then nothing is asked before the line
        was quiet for long; but a few times only, as some instruments speak by themselves.

        Raises:
            InstrumentTimeoutError: it is not quiet.
        """
        if not self._is_owed:
            link.wait_until_quiet(QUIET_S)
            return
        quiet_s = max(QUIET_S, min(OWED_QUIET_S, self.settings.reply_timeout_s))
        if not link.wait_until_quiet(quiet_s, 3 * quiet_s) and self._refusals < MAX_REFUSALS:
            self._refusals += 1
            raise InstrumentTimeoutError(f"{self.port} still sends what it was asked for before")
        self._is_owed = False
        self._refusals = 0

    def prepare(self) -> None:
        """Make the instrument ready: the link was just opened, the instrument perhaps just too."""

    def disconnect(self) -> None:
        """Close the port."""
        link, self._link = self._link, None
        if link is not None:
            self._is_owed = self._is_owed or link.is_owed
            link.close()

    def abort(self) -> None:
        """Close the port under a call that hangs; from another thread."""
        if (link := self._link) is not None:
            link.close()

"""`sim://agilent_pump`: an IPCMini, a 4UHV (`?pumps=4`), or a turbo pump (`?is_turbo=1`)."""

from __future__ import annotations

from labmon.device import InstrumentError
from labmon_drivers.protocols.agilent_window import Message, Messages

UNKNOWN_WINDOW = 0x32
OUT_OF_RANGE = 0x34
LOGIC = 100  # windows below are switches


class AgilentWindow:
    """An IPCMini, 4UHV or turbo pump by Agilent.

    Silent when another address is asked, or the CRC is wrong.

    Args:
        address: to which it listens.
        pumps: how many ion pumps it has.
        is_turbo: a turbo pump instead.
        is_on: whether it runs.
        unit: 0 Torr, 1 mbar, 2 Pa.
    """

    def __init__(
        self,
        address: int = 0,
        pumps: int = 1,
        is_turbo: bool = False,
        is_on: bool = True,
        unit: int = 1,
    ) -> None:
        self.address = address
        self.windows: dict[int, str] = {206: "000000", 319: "X3602-64000", 323: "IT2101R001"}
        switch = "1" if is_on else "0"
        if is_turbo:
            self.windows |= {0: switch, 205: "000005" if is_on else "000000"}
            self.windows |= {
                200: "000310",
                201: "000048",
                202: "000015",
                203: "001010",
                204: "000031",
            }
        else:
            self.windows[600] = f"{unit:06d}"
            for n in range(1, pumps + 1):
                self.windows[10 + n] = switch
                self.windows[800 + 10 * n] = "007000" if is_on else "000000"
                self.windows[801 + 10 * n] = "2.6E-07".ljust(10)
                self.windows[802 + 10 * n] = "2.4E-09".ljust(10)
        self._messages = Messages()

    def feed(self, data: bytes) -> bytes:
        """Answer each message."""
        try:
            requests = self._messages.feed(data)
        except InstrumentError:
            return b""
        return b"".join(self._answer(each) for each in requests if each.address == self.address)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _answer(self, request: Message) -> bytes:
        window = request.window
        if window is None or window not in self.windows:
            return Message(self.address, None, False, "", UNKNOWN_WINDOW).encode()
        if not request.is_write:
            return Message(self.address, window, False, self.windows[window]).encode()
        if window >= LOGIC or request.data not in {"0", "1"}:
            return Message(self.address, None, False, "", OUT_OF_RANGE).encode()
        self.windows[window] = request.data
        return Message(self.address, None, False, "").encode()

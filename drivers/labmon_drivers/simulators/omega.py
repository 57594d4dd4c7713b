"""`sim://omega`: a panel meter of the iSeries."""

from __future__ import annotations

from labmon_drivers.protocols.lines import LineSplitter


class Omega:
    """A panel meter of Omega's iSeries.

    Args:
        value: as it stands on the display; `?+999999` is an overflow.
        has_echo: whether it repeats its address and the code of the request.
        address: on RS-485; 0 for RS-232.
    """

    def __init__(self, value: str = "023.4", has_echo: bool = True, address: int = 0) -> None:
        self.value = value
        self._has_echo = has_echo
        self._prefix = f"{address:02X}" if address else ""
        self._lines = LineSplitter(b"\r")

    def feed(self, data: bytes) -> bytes:
        """Answer each request that is for us."""
        requests = [line.decode("latin-1").strip() for line in self._lines.feed(data)]
        return b"".join(self._answer(request) for request in requests)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _answer(self, request: str) -> bytes:
        if not request.startswith(f"*{self._prefix}"):
            return b""
        code = request.removeprefix(f"*{self._prefix}")
        if code != "X01":
            return f"{self._prefix}?43\r".encode()
        echo = f"{self._prefix}{code}" if self._has_echo else ""
        return f"{echo}{self.value}\r".encode()

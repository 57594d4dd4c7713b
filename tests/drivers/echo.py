"""An instrument that answers with what it was asked, and how its line is set up."""

from __future__ import annotations

from labmon.device.transport import LinkSettings
from tests.drivers.patience import PATIENT

LINK_KEYS = PATIENT | {"terminator": "\r\n"}
LINE = LinkSettings(**LINK_KEYS)


class Echo:
    """Answers each line with itself, `SAY x` with x as it stands, and `QUIET` with nothing."""

    def __init__(self) -> None:
        self.said = b""
        self.heard = bytearray()
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        self.heard += data
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        return b"".join(line + b"\r\n" for line in lines if line != b"QUIET")

    def tick(self, now_s: float) -> bytes:
        said, self.said = self.said, b""
        return said

"""`sim://leoni`: a fibre switch with 16 outputs, deaf for 75 ms after it turned."""

from __future__ import annotations

import re
from typing import Final

from labmon_drivers.protocols.lines import LineSplitter

_SWITCH: Final = re.compile(r"ch(\d{1,3})")
DEAF_S: Final = 0.075


class Leoni:
    """A fibre switch by Leoni with 16 outputs."""

    def __init__(self, outputs: int = 16, at: int = 3) -> None:
        self.outputs = outputs
        self.at = at
        self._lines = LineSplitter(b"\n")
        self._now_s = 0.0
        self._deaf_until_s = 0.0

    def feed(self, data: bytes) -> bytes:
        """Answer, or turn."""
        if self._now_s < self._deaf_until_s:
            return b""
        answers = [self._do(line.decode("latin-1").strip()) for line in self._lines.feed(data)]
        return b"".join(f"{answer}\r\n".encode() for answer in answers if answer)

    def tick(self, now_s: float) -> bytes:
        """Time goes by."""
        self._now_s = now_s
        return b""

    def _do(self, line: str) -> str:
        if (match := _SWITCH.fullmatch(line)) and int(match[1]) <= self.outputs:
            self.at = int(match[1])
            self._deaf_until_s = self._now_s + DEAF_S
            return ""
        answers = {"type?": f"eol 1x{self.outputs}", "ch?": str(self.at), "firmware?": "8.09"}
        return answers.get(line, "")

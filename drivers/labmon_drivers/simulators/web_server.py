"""`sim://http_json`: an instrument with a web server that answers any path with JSON."""

from __future__ import annotations

import json
import random
from typing import Final

from labmon_drivers.protocols.lines import LineSplitter

MAX_HEADERS: Final = 100


class WebServer:
    """A three-phase energy meter with a web server.

    Args:
        power: of the first phase, in W.
        status: of HTTP with which it answers.
    """

    def __init__(self, power: float = 412.5, status: int = 200, seed: int = 1) -> None:
        self._power = power
        self._status = status
        self._random = random.Random(seed)
        self._lines = LineSplitter(b"\r\n")
        self._request: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """Answer the requests that are complete; none of them has a body."""
        answers = bytearray()
        for line in self._lines.feed(data):
            if line:
                self._request = [*self._request[-MAX_HEADERS:], line]
            elif self._request:
                answers += self._answer(self._request[0])
                self._request = []
        return bytes(answers)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _answer(self, request: bytes) -> bytes:
        status = self._status if request.startswith((b"GET ", b"HEAD ")) else 405
        body = json.dumps(self._document()).encode() if status == 200 else b"{}"
        head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + (b"" if request.startswith(b"HEAD ") else body)

    def _document(self) -> dict[str, object]:
        watts = [round(self._random.gauss(self._power / n, 0.5), 2) for n in (1, 2, 3)]
        meters = [{"power": each, "voltage": 230.1, "is_valid": True} for each in watts]
        return {"emeters": meters, "temperature": {"tC": 31.2}, "relay": "closed"}

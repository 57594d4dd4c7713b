"""`sim://agilent_xgs600`: a gauge controller with three boards."""

from __future__ import annotations

from labmon_drivers.protocols.lines import LineSplitter


class Xgs600:
    """A gauge controller XGS-600 by Agilent with three boards.

    Args:
        boards: two digits for each slot.
        readings: of its gauges, with commas between.
        unit: `00` Torr, `01` mbar, `02` Pa.
    """

    def __init__(
        self,
        boards: str = "103A40FEFEFE",
        readings: str = "1.5E-09,OPEN,4.2E-03,NOCBL",
        unit: str = "01",
    ) -> None:
        self.answers = {"01": boards, "0F": readings, "13": unit, "05": "0104,0200"}
        self._lines = LineSplitter(b"\r")

    def feed(self, data: bytes) -> bytes:
        """Answer each request."""
        requests = [line.decode("latin-1").strip() for line in self._lines.feed(data)]
        return b"".join(self._answer(request) for request in requests)

    def tick(self, now_s: float) -> bytes:
        """It says nothing by itself."""
        del now_s
        return b""

    def _answer(self, request: str) -> bytes:
        known = request.startswith("#00") and request[3:] in self.answers
        return (f">{self.answers[request[3:]]}" if known else "?FF").encode() + b"\r"

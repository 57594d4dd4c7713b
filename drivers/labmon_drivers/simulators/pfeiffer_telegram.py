"""`sim://pfeiffer_rs485`: a turbo pump, or a gauge, that speaks Pfeiffer's telegrams.

The trap: it keeps silent when another address is asked, and when the checksum is wrong.
"""

from __future__ import annotations

from typing import Final

from labmon.device import InstrumentError
from labmon_drivers.protocols.lines import LineSplitter
from labmon_drivers.protocols.pfeiffer_telegram import END, QUERY, Telegram, decode

FULL_SPEED_HZ: Final = 1000
SECONDS_TO_FULL_SPEED: Final = 60.0
TURBO: Final = {
    "310": "000034",
    "313": "002398",
    "316": "000008",
    "326": "000041",
    "330": "000036",
    "342": "000044",
    "346": "000047",
    "303": "000000",
    "312": "010300",
    "349": "TC 110",
}
GAUGE: Final = {"740": "231011", "303": "000000", "312": "010100", "349": "    A2"}


class PfeifferTelegram:
    """A turbo pump or gauge by Pfeiffer that speaks telegrams.

    Args:
        address: to which it listens.
        instrument: `turbo` or `gauge`.
        error: what parameter 303 says.
        is_running: whether the pump is at full speed from the start.
    """

    def __init__(
        self,
        address: int = 1,
        instrument: str = "turbo",
        error: str = "000000",
        is_running: bool = True,
    ) -> None:
        self.address = address
        self.parameters = dict(TURBO if instrument == "turbo" else GAUGE)
        self.parameters["303"] = error
        self.is_on = is_running
        self._is_turbo = instrument == "turbo"
        self._speed_hz = float(FULL_SPEED_HZ if is_running else 0)
        self._lines = LineSplitter(END)
        self._now_s: float | None = None

    def feed(self, data: bytes) -> bytes:
        """Answer each telegram that is for us."""
        return b"".join(self._answer(line) for line in self._lines.feed(data))

    def tick(self, now_s: float) -> bytes:
        """The rotor runs up, or down."""
        passed_s = now_s - self._now_s if self._now_s is not None else 0.0
        self._now_s = now_s
        step_hz = FULL_SPEED_HZ / SECONDS_TO_FULL_SPEED * passed_s * (1 if self.is_on else -1)
        self._speed_hz = min(max(self._speed_hz + step_hz, 0.0), float(FULL_SPEED_HZ))
        return b""

    def _answer(self, line: bytes) -> bytes:
        try:
            request = decode(line)
        except InstrumentError:
            return b""
        if request.address != self.address:
            return b""
        data = self._set(request) if request.is_command else self._get(request)
        return Telegram(self.address, True, request.parameter, data).encode()

    def _get(self, request: Telegram) -> str:
        if request.data != QUERY:
            return "_RANGE"
        if self._is_turbo:
            if request.parameter == 10:
                return "111111" if self.is_on else "000000"
            if request.parameter == 309:
                return f"{self._speed_hz:06.0f}"
        return self.parameters.get(f"{request.parameter:03d}", "NO_DEF")

    def _set(self, request: Telegram) -> str:
        if not self._is_turbo or request.parameter != 10:
            return "NO_DEF"
        if request.data not in {"000000", "111111"}:
            return "_RANGE"
        self.is_on = request.data == "111111"
        return request.data

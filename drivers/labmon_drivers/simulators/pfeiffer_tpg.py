"""`sim://pfeiffer`: a Pfeiffer gauge controller that speaks the mnemonics protocol.

Chatters after power-up as the real ones do. The trap: an answer waits until ENQ asks for it, and
ENQ again gives it again.
"""

from __future__ import annotations

import math
import random
from typing import Final

from labmon_drivers.protocols.pfeiffer_tpg import ACK, END, ENQ, ETX, NAK, TO_MBAR

INPUTS: Final = {"TPG 261": 1, "TPG 262": 2, "TPG 361": 1, "TPG 362": 2, "TPG 366": 6, "TPG 256": 6}
GAUGES: Final = ("IKR", "TPR/PCR", "CMR", "PBR", "TPR", "PKR")
START_MBAR: Final = (2.31e-9, 4.7e-3, 12.5, 3.2e-8, 1.1e-2, 6.6e-10)
MAX_PENDING: Final = 256


class PfeifferTpg:
    """A gauge controller TPG by Pfeiffer, or a MaxiGauge.

    Args:
        model: `TPG 262` and so on; 36x answer `AYT`, the MaxiGauge `TPG 256` has no `PRX`.
        status: of each input, such as `050000`.
        unit: 0 mbar, 1 Torr, 2 Pa, 3 micron, 4 hPa, 5 V.
        chatters: whether it was just switched on.
        noise: relative.
    """

    def __init__(
        self,
        model: str = "TPG 362",
        status: str = "000000",
        unit: int = 0,
        chatters: bool = True,
        noise: float = 0.01,
        seed: int = 1,
    ) -> None:
        self.inputs = INPUTS[model]
        self.model = model
        self.status = status
        self.unit = unit
        self.chatters = chatters
        self.pressures_mbar = list(START_MBAR[: self.inputs])
        self._noise = noise
        self._random = random.Random(seed)
        self._pending = bytearray()
        self._answer = "0000"
        self._error = "0000"
        self._next_chatter_s = -math.inf

    def power_cycle(self) -> None:
        """As after a power cut: forgets everything, and chatters."""
        self.chatters = True
        self._pending.clear()
        self._answer = "0000"

    def feed(self, data: bytes) -> bytes:
        """Answer what is complete."""
        if data:
            self.chatters = False
        said = bytearray()
        for byte in data:
            if byte == ENQ[0]:
                self._pending.clear()
                said += self._answer.encode() + END
            elif byte == ETX[0]:
                self._pending.clear()
            elif byte in b"\r":
                said += self._take(self._pending.decode("latin-1"))
                self._pending.clear()
            elif byte not in b"\n":
                self._pending.append(byte)
                del self._pending[:-MAX_PENDING]
        return bytes(said)

    def tick(self, now_s: float) -> bytes:
        """Chatter once a second."""
        if not self.chatters or now_s < self._next_chatter_s:
            return b""
        self._next_chatter_s = now_s + 1
        return self._pressures(range(self.inputs)).encode() + END

    def _take(self, text: str) -> bytes:
        mnemonic, *parameters = text.strip().upper().split(",")
        if not mnemonic:
            return b""
        try:
            self._answer = self._do(mnemonic, parameters)
        except KeyError:
            self._answer = "0001"
        except ValueError:
            self._answer = "0010"
        else:
            return ACK + END
        return NAK + END

    def _do(self, mnemonic: str, parameters: list[str]) -> str:
        if mnemonic == "PRX" and self.model != "TPG 256":
            return self._pressures(range(self.inputs))
        if mnemonic.startswith("PR") and mnemonic[2:].isdigit():
            number = int(mnemonic[2:])
            if not 1 <= number <= self.inputs:
                raise ValueError
            return self._pressures(range(number - 1, number))
        answers = {
            "UNI": self._do_unit,
            "SEN": self._do_switch,
            "TID": lambda _: ",".join(self._identities()),
            "PNR": lambda _: "010300",
            "ERR": lambda _: "0000",
            "SPS": lambda _: ",".join("0" * 4),
        }
        if self.model.startswith("TPG 36"):
            answers["AYT"] = lambda _: f"{self.model.replace(' ', '')},PTG28290,44990000,010300,1.0"
        return answers[mnemonic](parameters)

    def _do_unit(self, parameters: list[str]) -> str:
        if parameters:
            if parameters[0] not in {*TO_MBAR, "5"}:
                raise ValueError
            self.unit = int(parameters[0])
        return str(self.unit)

    def _do_switch(self, parameters: list[str]) -> str:
        if parameters:
            if len(parameters) != self.inputs or not set(parameters) <= {"0", "1", "2"}:
                raise ValueError
            wanted = {"1": "4", "2": "0"}
            pairs = zip(self.status, parameters, strict=False)
            self.status = "".join(
                wanted.get(new, old) if old in "04" else old for old, new in pairs
            ).ljust(6, "0")
        states = {"0": "2", "4": "1"}
        return ",".join(states.get(status, "0") for status in self.status[: self.inputs])

    def _identities(self) -> list[str]:
        pairs = zip(GAUGES, self.status[: self.inputs], strict=False)
        return ["noSEn" if status == "5" else name for name, status in pairs]

    def _pressures(self, which: range) -> str:
        return ",".join(f"{self.status[i]},{self._pressure(i):+.4E}" for i in which)

    def _pressure(self, index: int) -> float:
        if self.status[index] == "5":
            return 2.0e-2
        factor = math.exp(self._random.gauss(0, self._noise)) if self._noise else 1.0
        return self.pressures_mbar[index] * factor / TO_MBAR.get(str(self.unit), 1.0)

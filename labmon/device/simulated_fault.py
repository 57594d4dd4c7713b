"""`FaultySimulator`: what goes wrong between an instrument and its computer, on demand.

Any simulator can be asked for it, `sim://gauge?fault=silence&fault_every_s=60&fault_for_s=10`, to
see that a device comes back. The trap: who reconnects gets a new simulator, but the same bad cable:
times count from when the first one with these options was asked, not from when this one was.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from labmon.device.simulator import Simulator

FAULT_OPTIONS: Final = ("fault", "fault_after_s", "fault_every_s", "fault_for_s")
DRIP_S: Final = 0.2
LATE_S: Final = 1.5
FLOOD_BYTES: Final = 3000
BABBLE_BYTES: Final = 7
FAULTS: Final = (
    *("none", "silence", "garbage", "half", "drip", "late"),
    *("flood", "babble", "unplug"),
)


class Cable:
    """What stays when a simulator is made anew: since when the faults of one port are counted."""

    def __init__(self) -> None:
        self.start_s: float | None = None


class FaultySimulator:
    """A simulator behind a bad cable.

    Args:
        simulator: the instrument.
        fault: `silence` (nothing comes), `garbage` (random bytes instead), `half` (the second half
            of each answer is missing), `drip` (a byte each 0.2 s), `late` (1.5 s late), `flood`
            (3 kB without end of line before the answer), `babble` (random bytes all the time, as
            with the wrong speed), `unplug` (the port is gone).
        fault_after_s: when it begins.
        fault_for_s: how long it lasts; 0: for ever.
        fault_every_s: after which time it comes again; 0: once.
        seed: of the garbage.

    Attributes:
        cable: shared by all simulators that are made for the same port one after the other.
    """

    def __init__(
        self,
        simulator: Simulator,
        fault: str = "none",
        fault_after_s: float = 0.0,
        fault_for_s: float = 0.0,
        fault_every_s: float = 0.0,
        seed: int = 1,
    ) -> None:
        if fault not in FAULTS:
            raise ValueError(f"there is no fault {fault!r}; there are: {', '.join(FAULTS)}")
        self.simulator = simulator
        self.fault = fault
        self._after_s = fault_after_s
        self._for_s = fault_for_s
        self._every_s = fault_every_s
        self._random = random.Random(seed)
        self.cable = Cable()
        self._now_s = 0.0
        self._waiting: list[tuple[float, bytes]] = []  # when due, what

    @property
    def is_faulty(self) -> bool:
        """Whether the fault acts now."""
        since_s = self._now_s - (self.cable.start_s or 0.0) - self._after_s
        if self.fault == "none" or since_s < 0:
            return False
        if self._every_s:
            since_s %= self._every_s
        return not self._for_s or since_s < self._for_s

    def feed(self, data: bytes) -> bytes:
        """Let the instrument answer, then spoil it."""
        return self._spoil(self.simulator.feed(data))

    def tick(self, now_s: float) -> bytes:
        """What the instrument says by itself, spoilt, and what was held back and is due."""
        if self.cable.start_s is None:
            self.cable.start_s = now_s
        self._now_s = now_s
        said = self._spoil(self.simulator.tick(now_s))
        if self.fault == "babble" and self.is_faulty:
            said += self._random.randbytes(BABBLE_BYTES)
        if not self.is_faulty:  # what was held back comes first
            now_s = math.inf
        due = [data for due_s, data in self._waiting if due_s <= now_s]
        self._waiting = [(due_s, data) for due_s, data in self._waiting if due_s > now_s]
        return b"".join([*due, said])

    def _spoil(self, data: bytes) -> bytes:
        if not self.is_faulty:
            return data
        if self.fault == "unplug":
            raise ConnectionResetError("it was unplugged")
        if self.fault == "drip":
            start_s = max([self._now_s, *(due_s for due_s, _ in self._waiting)])
            drops = enumerate(data, 1)
            self._waiting += [(start_s + i * DRIP_S, bytes([byte])) for i, byte in drops]
            return b""
        if self.fault == "late":
            self._waiting += [(self._now_s + LATE_S, data)] if data else []
            return b""
        if self.fault == "babble":
            return data
        if not data or self.fault == "silence":
            return b""
        if self.fault == "half":
            return data[: len(data) // 2]
        if self.fault == "flood":
            return b"x" * FLOOD_BYTES + data
        return self._random.randbytes(len(data))

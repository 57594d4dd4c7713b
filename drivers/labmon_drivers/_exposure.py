"""`AutoExposure`: finds the exposure at which a camera is well lit; arithmetic without instrument.

The trap: without light no exposure is long enough; below 5% of full scale it stops and waits.
"""

from __future__ import annotations

from typing import Final, Literal

Mode = Literal["off", "once", "on"]
LOW, HIGH, AIM = 0.4, 0.6, 0.5
DARK: Final = 0.05
SATURATED: Final = 0.98
SATURATED_FACTOR: Final = 0.25
"""How much shorter is tried where the camera is saturated, and the right factor is not known."""


class AutoExposure:
    """Regulates the exposure of one camera for one input.

    Attributes:
        mode: `once` turns itself off when the light is right, or cannot be made so.
        state: in words: `off`, `searching`, `good`, `no light`, `at limit`.
    """

    def __init__(self, mode: Mode = "off") -> None:
        self.mode: Mode = "off"
        self.state = "off"
        self.switch(mode)

    def switch(self, mode: Mode) -> None:
        """Turn it on or off, or let it search once."""
        self.mode = mode
        self.state = "off" if mode == "off" else "searching"

    def next_ms(
        self, exposure_ms: int, fraction: float, limits_ms: tuple[int, int], is_over: bool = False
    ) -> int | None:
        """The exposure to set, or None where it stays.

        Args:
            exposure_ms: with which the light was measured.
            fraction: of full scale, of the brightest pixel.
            limits_ms: of the instrument.
            is_over: whether the instrument said that it was too bright.
        """
        if self.mode == "off":
            return None
        if is_over or fraction >= SATURATED:
            factor = SATURATED_FACTOR
        elif fraction < DARK:
            return self._rest("no light")
        elif LOW <= fraction <= HIGH:
            return self._rest("good")
        else:
            factor = AIM / fraction
        low, high = limits_ms
        wanted = min(high, max(low, round(exposure_ms * factor)))
        if wanted == exposure_ms:
            is_at_end = exposure_ms in limits_ms
            return self._rest("at limit" if is_at_end else "good")  # it has no finer steps
        self.state = "searching"
        return wanted

    def _rest(self, state: str) -> None:
        self.state = state
        if self.mode == "once":
            self.mode = "off"

"""`simulated_wavemeter`: an 8-channel wavelength meter that makes its readings up.

Eight lasers drift, make noise and hop between modes as real ones do, the same for the same seed.
The trap: what it shows depends on time alone, so a slow poll sees the same lasers as a fast one.

## Configuration

```yaml
devices:
  wavemeter:
    driver: simulated_wavemeter
    title: Wavemeter
    period_s: 0.1
    lasers:
      ch1: {label: My laser, frequency_thz: 384.2304844, noise_mhz: 0.5}
      ch7: {has_light: true}
```

## Without hardware

It has none. For the driver of real wavemeters, and what it does with a simulated library, see
[`highfinesse`](highfinesse.md).

```yaml
devices:
  wavemeter:
    driver: simulated_wavemeter
```
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from labmon.device import Channel, Driver, Limits, Quality, Value, command

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNELS: Final = 8
EXPOSURE_MS: Final = 5.0
"""At this exposure the noise is what `noise_mhz` says; it falls with the square root of more."""
SATURATED_MS: Final = 500.0
"""A laser with light saturates the interferometer's camera from here on."""
READBACKS_EVERY_S: Final = 1.0
MHZ: Final = 1e-6  # in THz


class LaserSettings(BaseModel):
    """What the configuration may say of one laser."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    label: str = ""
    frequency_thz: float | None = Field(default=None, gt=0, lt=10_000)
    noise_mhz: float | None = Field(default=None, ge=0)
    has_light: bool | None = None


@dataclass(frozen=True, slots=True)
class Laser:
    """A laser as the wavemeter sees it.

    Attributes:
        noise_mhz: of one result at 5 ms of exposure.
        drift_mhz: amplitude of the slow drift; `drift_s` is its period.
        hop_mhz: distance to the next mode; `hop_s` how long it stays in one, on average. 0: never.
        has_light: False: the channel reports no signal.
    """

    label: str
    frequency_thz: float
    noise_mhz: float = 0.15
    drift_mhz: float = 1.0
    drift_s: float = 600.0
    hop_mhz: float = 0.0
    hop_s: float = 120.0
    shape: str = "sine"
    has_light: bool = True

    def off_mhz(self, time_s: float, seed: int) -> float:
        """How far it is from its frequency at a time, but for the noise of the measurement."""
        return self.drift_mhz * _SHAPES[self.shape](time_s / self.drift_s) + (
            self.hop_mhz * _mode(int(time_s // self.hop_s), seed) if self.hop_mhz else 0.0
        )


LASERS: Final = (
    Laser("Rb cooling", 384.230484468, drift_mhz=0.8, drift_s=90),
    Laser("Rb repump", 384.234683112, drift_mhz=2.0, drift_s=900, hop_mhz=22.0, hop_s=100),
    Laser("Sr blue", 650.503243871, noise_mhz=0.25, drift_mhz=12.0, drift_s=3600),
    Laser("Sr red", 434.829121311, noise_mhz=0.06, drift_mhz=0.05),
    Laser("Yb clock", 518.295836590, noise_mhz=0.03, drift_mhz=0.02),
    Laser("Dipole trap", 281.630112004, drift_mhz=2.0, drift_s=75, shape="saw"),
    Laser("Ca ion", 755.222766000, has_light=False),
    Laser("HeNe reference", 473.612353604, noise_mhz=0.2, drift_mhz=0.4, drift_s=240),
)


class SimulatedWavemeter(Driver):
    """An 8-channel wavelength meter with a fibre switch; no hardware, no maker's library.

    Args:
        lasers: by channel (`ch1` to `ch8`), where others than the built-in ones are wanted:
            `label`, `frequency_thz`, `noise_mhz`, `has_light`.
        seed: of the noise and the mode hops.
    """

    simulated = True
    model = "8-channel wavelength meter"

    def __init__(self, lasers: dict[str, LaserSettings] | None = None, seed: int = 1) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._lasers = list(LASERS)
        for name, settings in (lasers or {}).items():
            index = _index(name)
            self._lasers[index] = _configured(LASERS[index], settings)
        self._exposures_ms = [EXPOSURE_MS] * CHANNELS
        self._active = [True] * CHANNELS
        self._just_off: set[int] = set()
        self._reported: dict[str, float] = {}
        self._readbacks_due_s = 0.0
        self.channels = _channels(self._lasers)

    def connect(self) -> None:
        """Nothing to open; the readbacks are due."""
        self._reported = {}

    def poll(self) -> dict[str, float | Value]:
        """The frequency of each active channel; once a second and after changes the readbacks."""
        now_s = time.time()
        off, self._just_off = self._just_off, set()
        readings: dict[str, float | Value] = {
            f"ch{i + 1}": self._frequency(i, now_s) for i in range(CHANNELS) if self._active[i]
        }
        # its last value must not look like the present one
        readings |= {f"ch{i + 1}": Value(None, Quality.NO_SIGNAL) for i in off}
        readbacks = {
            **{f"exposure/ch{i + 1}": self._exposures_ms[i] for i in range(CHANNELS)},
            **{f"switcher/ch{i + 1}": float(self._active[i]) for i in range(CHANNELS)},
        }
        if self._reported == readbacks and now_s < self._readbacks_due_s:
            return readings
        self._reported = readbacks
        self._readbacks_due_s = now_s + READBACKS_EVERY_S
        return {**readings, **readbacks}

    @command
    def set_exposure(
        self,
        channel: Annotated[int, Limits(1, CHANNELS)],
        milliseconds: Annotated[int, Limits(1, 2000, unit="ms")],
    ) -> float:
        """Set how long the light of a channel is collected: longer is less noisy.

        Args:
            channel: input of the fibre switch.
            milliseconds: exposure time.

        Returns:
            the exposure as read back, in ms.
        """
        self._exposures_ms[channel - 1] = float(milliseconds)
        return self._exposures_ms[channel - 1]

    @command
    def set_switcher(self, channel: Annotated[int, Limits(1, CHANNELS)], active: bool) -> bool:
        """Include a channel in the measurement, or leave it out.

        Args:
            channel: input of the fibre switch.
            active: whether it is measured.

        Returns:
            whether it is measured, as read back.
        """
        self._active[channel - 1] = active
        if not active:
            self._just_off.add(channel - 1)
        return self._active[channel - 1]

    def _frequency(self, index: int, now_s: float) -> Value:
        laser, exposure_ms = self._lasers[index], self._exposures_ms[index]
        if not laser.has_light:
            return Value(None, Quality.NO_SIGNAL)
        if exposure_ms >= SATURATED_MS:
            return Value(None, Quality.OVER_RANGE)
        noise_mhz = (
            laser.noise_mhz * math.sqrt(EXPOSURE_MS / exposure_ms) * self._random.gauss(0, 1)
        )
        off_mhz = laser.off_mhz(now_s, self._seed + index)
        return Value(round(laser.frequency_thz + (off_mhz + noise_mhz) * MHZ, 9))


@lru_cache(maxsize=64)
def _mode(slot: int, seed: int) -> int:
    """In which of the neighbouring modes a laser is for a while."""
    return random.Random(seed * 1_000_003 + slot).choice((-1, 0, 0, 0, 1))


def _configured(built_in: Laser, settings: LaserSettings) -> Laser:
    given = settings.model_dump(exclude_none=True, exclude_defaults=True)
    if "frequency_thz" in given:  # another laser altogether
        return Laser(**{"label": f"{given['frequency_thz']:.3f} THz", **given})
    return replace(built_in, **given)


_SHAPES: Final[dict[str, Callable[[float], float]]] = {
    "sine": lambda turns: math.sin(2 * math.pi * turns),
    "saw": lambda turns: 2 * (turns % 1) - 1,
}


def _index(name: str) -> int:
    if name not in {f"ch{i + 1}" for i in range(CHANNELS)}:
        raise ValueError(f"lasers: there is no channel {name!r}; there are ch1 to ch{CHANNELS}")
    return int(name.removeprefix("ch")) - 1


def _channels(lasers: list[Laser]) -> dict[str, Channel]:
    channels: dict[str, Channel] = {}
    for i, laser in enumerate(lasers, 1):
        channels[f"ch{i}"] = Channel(
            unit="THz",
            description=f"optical frequency at input {i}",
            label=f"{i} {laser.label}",
            digits=9,
            accuracy=1e-6,
        )
    for i in range(1, CHANNELS + 1):
        channels[f"exposure/ch{i}"] = Channel(
            unit="ms",
            description=f"exposure of input {i}",
            label=f"Exposure {i}",
            digits=0,
            tile=False,
            every_s=READBACKS_EVERY_S,
        )
    for i in range(1, CHANNELS + 1):
        channels[f"switcher/ch{i}"] = Channel(
            description=f"whether input {i} is measured",
            label=f"Switch {i}",
            digits=0,
            tile=False,
            every_s=READBACKS_EVERY_S,
        )
    return channels

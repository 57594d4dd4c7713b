"""`simulated_adc`: a two-channel digitiser of 10,000 samples a second that makes its samples up.

Shows what a fast instrument looks like: each poll gives what was sampled since the last one. The
trap: samples are timed by their number and not by the clock of the computer, as a quartz does it,
so that there is neither a gap nor an overlap between two polls.

## Configuration

```yaml
devices:
  adc:
    driver: simulated_adc
    title: Digitiser
    period_s: 0.1
```

## Without hardware

It has none.

```yaml
devices:
  adc:
    driver: simulated_adc
```
"""

from __future__ import annotations

import time
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labmon.device import Channel, Driver, Quality, Samples

BUFFER_S: Final = 2.0
"""What the instrument keeps of what was not fetched; the older samples are lost."""
DIP_EVERY_S: Final = 7.0
DIP_S: Final = 0.003
KICK_EVERY_S: Final = 11.0


class SimulatedAdc(Driver):
    """A digitiser that listens to the light of a laser and to the current of a coil.

    The light drops out for 3 ms now and then: only minimum and maximum tell. The current is kicked
    over the end of the range: these samples say so in their quality.

    Args:
        rate_hz: samples a second on each channel.
        range_v: the range goes from minus to plus this.
        seed: of the noise.
    """

    simulated = True
    model = "2-channel digitiser"
    light = Channel(unit="V", digits=3, label="Laser light", description="photodiode")
    current = Channel(unit="V", digits=3, label="Coil current", description="shunt, 1 V/A")

    def __init__(
        self,
        rate_hz: Annotated[int, Field(ge=100, le=100_000)] = 10_000,
        range_v: Annotated[float, Field(gt=0, le=100)] = 5.0,
        seed: int = 1,
    ) -> None:
        self._rate_hz = rate_hz
        self._range_v = range_v
        self._random = np.random.default_rng(seed)
        self._start_ns = 0
        self._taken = 0

    def connect(self) -> None:
        """Start to sample."""
        self._start_ns = time.time_ns()
        self._taken = 0

    def poll(self) -> dict[str, Samples]:
        """Every sample since the last poll."""
        done = max(0, (time.time_ns() - self._start_ns) * self._rate_hz // 10**9)
        first = max(self._taken, done - round(BUFFER_S * self._rate_hz))
        self._taken = max(self._taken, done)
        numbers = np.arange(first, done)
        times_ns = self._start_ns + numbers * 10**9 // self._rate_hz
        times_s = numbers / self._rate_hz
        return {
            "light": self._digitised(self._light(times_s), times_ns),
            "current": self._digitised(self._current(times_s), times_ns),
        }

    def _light(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        volts = 2.0 + 0.05 * np.sin(2 * np.pi * 100 * times_s)
        volts[times_s % DIP_EVERY_S < DIP_S] = 0.02
        return volts + 0.005 * self._random.standard_normal(len(volts))

    def _current(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        volts = 0.5 * np.sin(2 * np.pi * 50 * times_s)
        kick = 8.0 * np.exp(-(times_s % KICK_EVERY_S) / 0.02) * (times_s > KICK_EVERY_S)
        return volts + kick + 0.01 * self._random.standard_normal(len(volts))

    def _digitised(self, volts: NDArray[np.float64], times_ns: NDArray[np.int64]) -> Samples:
        """What the converter makes of it: 16 bits over the range, its ends flagged."""
        quality = np.where(volts > self._range_v, Quality.OVER_RANGE, Quality.OK)
        quality[volts < -self._range_v] = Quality.UNDER_RANGE
        step_v = self._range_v / 2**15
        steps = np.rint(np.clip(volts, -self._range_v, self._range_v) / step_v)
        return Samples(steps * step_v, times_ns, quality)

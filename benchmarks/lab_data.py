"""The data of all benchmarks: 40 streams of a laser laboratory, the same for the same seed.

Devices are polled: once a poll gives one time to all channels, once every stream has a jitter of
its own. Values are what instruments print: decimals with a fixed number of digits. The trap: a
generator goes on where it stopped, so take one `Laboratory` for each pass over the data.
"""

from dataclasses import dataclass

import numpy as np

START_NS = 1_760_000_000 * 1_000_000_000
SECOND_NS = 1_000_000_000
CHUNK = 65_536
"""So many datapoints of a stream are made at once."""


@dataclass(frozen=True)
class Device:
    """One instrument of the laboratory: so many channels, so many polls a second."""

    name: str
    channels: int
    hertz: int
    unit: str

    @property
    def paths(self):
        return tuple(f"{self.name}/ch{i + 1}" for i in range(self.channels))


DEVICES = (
    Device("wavemeter", 14, 10, "THz"),
    Device("powermeter", 10, 10, "mW"),
    Device("gauges", 6, 1, "mbar"),
    Device("thermometer", 10, 1, "C"),
)
PATHS = tuple(path for device in DEVICES for path in device.paths)
PER_SECOND = sum(device.channels * device.hertz for device in DEVICES)


def times(rng, count, hertz, first=0):
    """Times of polls in ns: regular, but for a millisecond of jitter, at whole microseconds."""
    regular = START_NS + np.arange(first, first + count) * (SECOND_NS // hertz)
    jitter_us = np.clip(rng.normal(5_000, 1_000, count), 0, 10_000).astype(np.int64)
    return regular + jitter_us * 1000


def significant(values, digits):
    """Rounded to significant digits: the very floats that the printed numbers are read as."""
    places = digits - 1 - np.floor(np.log10(np.abs(values))).astype(np.int64)
    scale = 10.0 ** np.abs(places)  # exact up to 1e22
    return np.where(places >= 0, np.rint(values * scale) / scale, np.rint(values / scale) * scale)


class Walk:
    """A slow drift: the sum of small steps, which goes on from call to call."""

    def __init__(self, rng, step):
        self._rng, self._step, self._at = rng, step, 0.0

    def __call__(self, count):
        walk = self._at + np.cumsum(self._rng.normal(0, self._step, count))
        self._at = walk[-1]
        return walk


def wavemeter(rng, channel):
    """Laser frequencies in THz, to 1e-7: drift, noise, and a mode hop now and then."""
    centre, hop = 281.0 + 17.1234567 * channel, 0.0
    drift = Walk(rng, 2e-8)

    def values(count):
        nonlocal hop
        hops = hop + np.cumsum((rng.random(count) < 1e-5) * rng.normal(0, 0.01, count))
        hop = hops[-1]
        return np.round(centre + drift(count) + hops + rng.normal(0, 3e-7, count), 7)

    return values


def powermeter(rng, channel):
    """Laser powers in mW, five digits: a thousandth of noise."""
    drift = Walk(rng, 1e-5)

    def values(count):
        noise = rng.normal(0, 1e-3, count)
        return significant((1.2345 + 3.3 * channel) * (1 + drift(count) + noise), 5)

    return values


def gauges(rng, channel):
    """Pressures from 1e-10 to 1e-8 mbar, three digits."""
    drift = Walk(rng, 1e-4)

    def values(count):
        exponents = np.clip(-9.6 + 0.2 * channel + drift(count), -10, -8)
        return significant(10**exponents * (1 + rng.normal(0, 5e-3, count)), 3)

    return values


def thermometer(rng, channel):
    """Temperatures in degrees, to 0.01."""
    drift = Walk(rng, 1e-3)

    def values(count):
        return np.round(20.0 + channel / 3 + drift(count) + rng.normal(0, 5e-3, count), 2)

    return values


VALUES = {make.__name__: make for make in (wavemeter, powermeter, gauges, thermometer)}


class Laboratory:
    """All streams of one pass over the data.

    Args:
        is_shared: whether the channels of a device share their times.
    """

    def __init__(self, is_shared, seed=1):
        self.is_shared = is_shared
        self._seed = seed

    def _rng(self, *place):
        return np.random.default_rng((self._seed, *place))

    def stream(self, device, channel, seconds):
        """(t, v) of one stream, chunk by chunk."""
        number = DEVICES.index(device)
        own = () if self.is_shared else (channel,)
        clock = self._rng(number, 0, *own)
        values = VALUES[device.name](self._rng(number, 1, channel), channel)
        count = seconds * device.hertz
        for first in range(0, count, CHUNK):
            size = min(CHUNK, count - first)
            yield times(clock, size, device.hertz, first), values(size)

    def chunks(self, seconds):
        """(device, [(t, v) of each channel]) in chunks: one device after the other."""
        for device in DEVICES:
            streams = [self.stream(device, c, seconds) for c in range(device.channels)]
            for parts in zip(*streams, strict=True):
                yield device, list(parts)

    def polls(self, seconds):
        """(device, time_ns, values) of every poll in the order of time, as plain Python objects."""
        if not self.is_shared:
            raise ValueError("only channels that share their times are polled together")
        found = []
        for device, parts in self.chunks(seconds):
            columns = [v.tolist() for _, v in parts]
            rows = zip(*columns, strict=True)
            found += zip([device] * len(columns[0]), parts[0][0].tolist(), rows, strict=False)
        return sorted(found, key=lambda poll: poll[1])

    def readings(self, seconds):
        """(number of the stream, time_ns, value) of every reading in the order of time."""
        found, number = [], {path: i for i, path in enumerate(PATHS)}
        for device, parts in self.chunks(seconds):
            for path, (t, v) in zip(device.paths, parts, strict=True):
                found += zip([number[path]] * len(t), t.tolist(), v.tolist(), strict=True)
        return sorted(found, key=lambda reading: reading[1])


def year(days=365.0, seed=1):
    """(t, v) of one temperature at 1 Hz, chunk by chunk."""
    device = DEVICES[3]
    return Laboratory(is_shared=True, seed=seed).stream(device, 0, int(days * 86_400))

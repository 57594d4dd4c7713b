"""`host`: the machine that labmon runs on, read with psutil.

Rates need two looks: the first poll after a connect leaves them out. The trap: containers, macOS
and Windows lack some of what psutil can tell; such channels do not exist there.

## Configuration

```yaml
devices:
  server:
    driver: host
    title: This computer
    period_s: 5
    path: /var/lib
```

## Channels

Beside these, `temperature_CHIP` for each chip with a thermometer: its hottest spot.

## Quirks

- A disk whose path is gone is a *fault* of its two channels; the others go on.

## Without hardware

It is its own hardware.

```yaml
devices:
  server:
    driver: host
```

## Manual

psutil.readthedocs.io.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from labmon.device import Channel, Driver, Quality, Value

if TYPE_CHECKING:
    from collections.abc import Callable

GIB: Final = 1 << 30
MIN_BASELINE_S: Final = 0.1
CPU_CHIPS: Final = {"coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal"}
CHIP_LABELS: Final = {"nvme": "NVMe temperature", "acpitz": "Board temperature"}
UNREADABLE: Final = (OSError, psutil.Error, NotImplementedError, RuntimeError)


class Host(Driver):
    """This machine: CPU, load, memory, disk, network and, where there are any, temperatures.

    Args:
        path: the file system whose free space is watched.
    """

    cpu = Channel("%", "share of the time that all CPUs work", "CPU", digits=1, limits=(0, 100))
    load = Channel("", "processes that run or wait, mean of 1 min", "Load", limits=(0, None))
    memory_used = Channel("%", "memory in use", "Memory used", digits=1, limits=(0, 100))
    memory_available = Channel(
        "GiB", "memory that programs can still get", "Memory available", limits=(0, None)
    )
    disk_used = Channel("%", "file system in use", "Disk used", digits=1, limits=(0, 100))
    disk_free = Channel("GiB", "free on the file system", "Disk free", digits=1, limits=(0, None))
    disk_read = Channel("MB/s", "read from all disks", "Disk read", limits=(0, None))
    disk_write = Channel("MB/s", "written to all disks", "Disk write", limits=(0, None))
    network_in = Channel("kB/s", "received by all networks", "Network in", 1, limits=(0, None))
    network_out = Channel("kB/s", "sent to all networks", "Network out", 1, limits=(0, None))

    def __init__(self, path: str = "/") -> None:
        self.path = path
        self.model = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
        missing = {"disk_read", "disk_write"} if _disk_counters() is None else set[str]()
        self.channels = {n: c for n, c in self.class_channels.items() if n not in missing}
        self._rates: dict[str, _Rate] = {}
        self._connected_s = 0.0

    def connect(self) -> None:
        """Look which temperatures there are, and begin to count."""
        temperatures = {name: channel for name, (channel, _) in _temperatures().items()}
        self.channels = {**self.channels, **temperatures}
        self._rates = {}
        self._connected_s = time.monotonic()
        psutil.cpu_percent(None)

    def poll(self) -> dict[str, float | Value]:
        """Everything that this machine tells."""
        readings: dict[str, float | Value] = {}
        groups: dict[tuple[str, ...], Callable[[], dict[str, float]]] = {
            ("cpu",): self._cpu,
            ("load",): lambda: {"load": psutil.getloadavg()[0]},
            ("memory_used", "memory_available"): _memory,
            ("disk_used", "disk_free"): self._space,
            ("disk_read", "disk_write"): self._disk_rates,
            ("network_in", "network_out"): self._network_rates,
        }
        for names, read in groups.items():
            try:
                readings |= read()
            except UNREADABLE:  # such as a path that is gone: the others are still good
                readings |= dict.fromkeys(names, Value(None, Quality.FAULT))
        readings |= {name: celsius for name, (_, celsius) in _temperatures().items()}
        return {name: reading for name, reading in readings.items() if name in self.channels}

    def _cpu(self) -> dict[str, float]:
        if time.monotonic() - self._connected_s < MIN_BASELINE_S:
            return {}
        return {"cpu": psutil.cpu_percent(None)}

    def _space(self) -> dict[str, float]:
        usage = psutil.disk_usage(self.path)
        return {"disk_used": usage.percent, "disk_free": usage.free / GIB}

    def _disk_rates(self) -> dict[str, float]:
        counters = _disk_counters()
        if counters is None:
            return {}
        return self._rate("disk_read", counters.read_bytes / 1e6) | self._rate(
            "disk_write", counters.write_bytes / 1e6
        )

    def _network_rates(self) -> dict[str, float]:
        counters = psutil.net_io_counters()
        if counters is None:  # no network at all
            return {}
        return self._rate("network_in", counters.bytes_recv / 1e3) | self._rate(
            "network_out", counters.bytes_sent / 1e3
        )

    def _rate(self, name: str, total: float) -> dict[str, float]:
        """How fast a total grew since the last look; nothing at the first."""
        now = _Rate(time.monotonic(), total)
        before = self._rates.get(name)
        self._rates[name] = now
        rate = now.since(before) if before else None
        return {} if rate is None else {name: rate}


@dataclass(frozen=True, slots=True)
class _Rate:
    time_s: float
    total: float

    def since(self, before: _Rate) -> float | None:
        """Growth per second; None where the counter was reset."""
        span_s = self.time_s - before.time_s
        growth = self.total - before.total
        return growth / span_s if span_s > 0 and growth >= 0 else None


def _memory() -> dict[str, float]:
    memory = psutil.virtual_memory()
    return {"memory_used": memory.percent, "memory_available": memory.available / GIB}


def _disk_counters() -> Any | None:
    try:
        return psutil.disk_io_counters()
    except UNREADABLE:
        return None


def _temperatures() -> dict[str, tuple[Channel, float]]:
    """The hottest spot of each chip: a machine with many cores would fill the page otherwise."""
    read = getattr(psutil, "sensors_temperatures", None)  # Linux and FreeBSD only
    try:
        chips: dict[str, Any] = read() if read else {}
    except UNREADABLE:
        return {}
    found: dict[str, tuple[Channel, float]] = {}
    for chip, spots in sorted(chips.items()):
        celsius = [s.current for s in spots if s.current is not None and -50 < s.current < 200]
        if celsius:
            label = "CPU temperature" if chip in CPU_CHIPS else CHIP_LABELS.get(chip, "")
            channel = Channel(
                unit="°C",
                description=f"hottest spot that {chip} reports",
                label=label or f"{chip} temperature",
                digits=1,
            )
            found[f"temperature_{_name(chip)}"] = (channel, max(celsius))
    return found


def _name(chip: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in chip)

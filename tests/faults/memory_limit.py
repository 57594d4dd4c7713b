"""A group of processes whose memory the kernel limits: cgroup version 2, or 1 where that is there.

Root alone can make one, and not in every container. The trap: pages of files count as well, so the
kernel drops those first; and what a process had taken before it came is counted elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PAUSE = threading.Event()


class MemoryLimit:
    """Made at once, removed by `close`.

    Raises:
        OSError: this machine does not let us.
    """

    def __init__(self, limit_bytes: int) -> None:
        is_v2 = (ROOT / "cgroup.controllers").exists()
        self._folder = (ROOT if is_v2 else ROOT / "memory") / f"labmon-test-{os.getpid()}"
        self._peak_name = "memory.peak" if is_v2 else "memory.max_usage_in_bytes"
        limits = ("memory.max", "memory.swap.max") if is_v2 else ("memory.limit_in_bytes",)
        self._folder.mkdir()
        try:
            (self._folder / limits[0]).write_text(str(limit_bytes))
            for name in limits[1:]:
                if (self._folder / name).exists():
                    (self._folder / name).write_text("0")
        except OSError:
            self._folder.rmdir()
            raise

    @property
    def door(self) -> Path:
        """A process that writes its number here is limited, and so is what it starts."""
        return self._folder / "cgroup.procs"

    @property
    def peak_mib(self) -> float:
        """The most that it used, pages of files included."""
        return int((self._folder / self._peak_name).read_text()) / (1 << 20)

    @property
    def kills(self) -> int:
        """How often the kernel ended a process of it."""
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(FileNotFoundError):
                lines = (self._folder / name).read_text().splitlines()
                return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        return 0

    def close(self) -> None:
        """Remove it, once its processes have ended."""
        for _ in range(100):
            try:
                self._folder.rmdir()
            except OSError:
                PAUSE.wait(0.02)
            else:
                return

"""The C library's `malloc`, set so that what the server frees in passing goes back to the system.

By itself glibc gives each thread memory of its own, and large blocks stay there once one was freed:
each trim of the journal left some megabytes to another thread, 60 MB after a dozen. The trap: only
glibc has these settings, and what threads have already stays; so it is called before they start.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

MIB: Final = 1 << 20
SETTINGS: Final = {
    "MALLOC_ARENA_MAX": (-8, 2),
    "MALLOC_MMAP_THRESHOLD_": (-3, MIB),
    "MALLOC_TRIM_THRESHOLD_": (-1, 4 * MIB),
}
"""Under the names by which an administrator sets them: number in malloc.h, and value.

Two arenas: threads here mostly wait for each other anyway. From 1 MiB on, a block is the system's
own and goes back when it is freed. So much at the end of the heap is kept for what comes next.
"""


def set_up() -> None:
    """Apply what the environment does not say otherwise; does nothing where there is no glibc."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for name, (number, value) in SETTINGS.items():
        if name not in os.environ:
            mallopt(number, value)

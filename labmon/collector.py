"""Python's cyclic collector, kept from holding up the event loop.

A full pass walks every object there is: with a thousand viewers it took 50 ms, and found nothing.
So what was there at the start is not walked again, and full passes wait for many new objects. The
trap: what closes must break its own cycles, or it stays in memory until such a pass.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 700
"""New objects between two passes over the youngest, as Python has it."""
MIDDLE: Final = 10
"""Passes over the youngest between two over those that are a little older, as Python has it."""
FULL: Final = 50
"""Such passes between two full ones: 385,000 more objects, which is some 4,000 viewers."""


def calm() -> None:
    """Collect once, leave out what is there for good, and make full passes rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, FULL)

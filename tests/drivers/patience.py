"""How long the tests wait for an answer: long for one that comes, briefly for one that does not.

A busy machine may hold an instrument of the tests back for most of a second at any time.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labmon.device import LinkDriver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.device.transport import Link

PATIENT: dict[str, Any] = {"reply_timeout_s": 30.0, "write_timeout_s": 30.0}
"""Keys of a link whose instrument answers; where all is well, nobody waits for so long."""


def change(who: Link | LinkDriver, **keys: Any) -> None:
    """Set up otherwise from now on: a link, or a driver with the link that it has."""
    who.settings = who.settings.changed(**keys)
    if isinstance(who, LinkDriver) and who._link is not None:
        change(who._link, **keys)


@contextmanager
def in_a_hurry(who: Link | LinkDriver, timeout_s: float = 0.3) -> Iterator[None]:
    """Inside, who does not answer soon is given up."""
    change(who, reply_timeout_s=timeout_s, write_timeout_s=timeout_s)
    try:
        yield
    finally:
        change(who, **PATIENT)

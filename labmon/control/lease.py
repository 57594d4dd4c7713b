"""Leases: the right to control a device alone for a while: owner, expiry, steal.

A device that nobody leases is open to every operator. The trap: expiry is measured by the
monotonic clock, so that setting the system clock frees nothing; what people are shown is wall time.
Pages show who holds one: whatever changes is told, also that one has run out.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labmon import timestamps
from labmon.errors import BadRequestError, LeasedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.control.caller import Caller

DEFAULT_S: Final = 60.0
MAX_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Lease:
    """Who controls a device, and until when.

    Attributes:
        until_ns: wall time, for people.
        expires_ns: by the monotonic clock.
    """

    device: str
    owner: str
    until_ns: int
    expires_ns: int

    def description(self) -> dict[str, Any]:
        """As it travels: device, owner, until (Unix seconds)."""
        until = timestamps.to_seconds(self.until_ns)
        return {"device": self.device, "owner": self.owner, "until": until}


class Leases:
    """The leases of all devices; on the event loop only.

    Args:
        wall_ns: the time that people are shown.
        monotonic_ns: the time that counts.
        changed: is told the device whenever another holds it, or for another time, or nobody.
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        changed: Callable[[str], None] = lambda _device: None,
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._changed = changed
        self._leases: dict[str, Lease] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}

    def holder(self, device: str) -> Lease | None:
        """The lease of a device, if it has one that has not run out."""
        lease = self._leases.get(device)
        return None if lease is None or self._left_s(lease) <= 0 else lease

    def shown(self, device: str) -> dict[str, Any] | None:
        """Who holds a device, as its page shows it: owner and until; None: nobody."""
        lease = self.holder(device)
        return lease and {"owner": lease.owner, "until": timestamps.to_seconds(lease.until_ns)}

    def check(self, device: str, caller: Caller) -> None:
        """Let the holder pass, and everybody where there is none.

        Raises:
            LeasedError: says who holds the lease, and until when.
        """
        lease = self.holder(device)
        if lease is not None and lease.owner != caller.who:
            until = timestamps.to_iso(timestamps.floor(lease.until_ns, timestamps.SECOND_NS))
            raise LeasedError(
                f"{device} is leased by {lease.owner} until {until}:"
                " wait, or call lease.steal if you must",
                lease.description(),
            )

    def acquire(self, device: str, caller: Caller, seconds: float) -> Lease:
        """Take a free device, or take one's own for longer.

        Raises:
            LeasedError: somebody else has it.
        """
        self.check(device, caller)
        return self._grant(device, caller, seconds)

    def renew(self, device: str, caller: Caller, seconds: float) -> Lease:
        """Keep one's own device for longer.

        Raises:
            LeasedError: somebody else has it by now.
            BadRequestError: it has run out.
        """
        self._check_own(device, caller)
        return self._grant(device, caller, seconds)

    def release(self, device: str, caller: Caller) -> None:
        """Give one's own device back.

        Raises:
            LeasedError: somebody else has it.
            BadRequestError: nobody has it.
        """
        self._check_own(device, caller)
        self._end(device)

    def steal(self, device: str, caller: Caller, seconds: float) -> Lease:
        """Take a device, whoever has it."""
        return self._grant(device, caller, seconds)

    def _grant(self, device: str, caller: Caller, seconds: float) -> Lease:
        span_ns = round(seconds * timestamps.SECOND_NS)
        lease = Lease(device, caller.who, self._wall_ns() + span_ns, self._monotonic_ns() + span_ns)
        self._leases[device] = lease
        self._wait_for_end(lease)
        self._changed(device)
        return lease

    def _wait_for_end(self, lease: Lease) -> None:
        self._forget_end(lease.device)
        loop = asyncio.get_running_loop()
        self._ends[lease.device] = loop.call_later(self._left_s(lease), self._run_out, lease)

    def _run_out(self, lease: Lease) -> None:
        if self._left_s(lease) > 0:  # the loop's timers are a clock tick early at times
            self._wait_for_end(lease)
        else:
            self._end(lease.device)

    def _end(self, device: str) -> None:
        self._forget_end(device)
        del self._leases[device]
        self._changed(device)

    def _forget_end(self, device: str) -> None:
        if (timer := self._ends.pop(device, None)) is not None:
            timer.cancel()

    def _left_s(self, lease: Lease) -> float:
        return (lease.expires_ns - self._monotonic_ns()) / timestamps.SECOND_NS

    def _check_own(self, device: str, caller: Caller) -> None:
        self.check(device, caller)
        if self.holder(device) is None:
            raise BadRequestError(f"nobody holds a lease of {device}: call lease.acquire")

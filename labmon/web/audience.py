"""Who gets the very same bytes, and the loop that sends them: the hot path of live delivery.

The loop knows sockets and lengths, and nothing else; a crowd is told by a ring, if there is one, in
one system call. The trap: a client must be out of the direct way before anybody else writes to its
stream, or frames would be cut in two, and before its socket is closed; so a mailbox says each time
when its way changes, and all have been told before anything is done about those that fell short.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labmon.web.encoders import SubscriptionId
    from labmon.web.mailbox import Mailbox
    from labmon.web.ring import Int32Array, Ring

CROWD: Final = 32
"""With fewer, a `send` for each is as cheap as the ring."""


@dataclass(eq=False, slots=True)
class Member:
    """One client in a topic, under the id of its subscription.

    Attributes:
        joined_seq: it has everything up to here already.
        counted: while it is behind: what the topic had counted when it fell behind.
        audience: with whom it shares its bytes now.
    """

    mailbox: Mailbox
    id: SubscriptionId | None
    joined_seq: int = 0
    counted: dict[str, int] | None = None
    audience: Audience | None = None

    def sort_in(self) -> None:
        """Take the way that the mailbox has now."""
        if self.audience is not None:
            self.audience.sort_in(self)


class Audience:
    """The members of a topic that have the same subscription id; on the event loop only.

    Args:
        ring: what a crowd is told by, if it may be used.
    """

    def __init__(self, ring: Callable[[], Ring | None]) -> None:
        self._ring = ring
        self.sent_frames = 0
        """Frames that went straight to a socket; the mailboxes count the others."""
        self._direct: dict[Callable[[bytes], int], Member] = {}
        """By the `send` of their sockets, in the order of their coming, as they lie in memory."""
        self._asked: dict[Member, None] = {}
        """Those whose mailbox must be asked: something waits for them, or the way is TLS."""
        self._descriptors: Int32Array | None = None
        """Of the sockets of `_direct`, in its order; None when that has changed."""

    def __len__(self) -> int:
        """How many members."""
        return len(self._direct) + len(self._asked)

    def __iter__(self) -> Iterator[Member]:
        """The members, in no particular order; they may change their way meanwhile."""
        return iter([*self._direct.values(), *self._asked])

    def add(self, member: Member) -> None:
        """The next frame is for this member, too."""
        member.audience = self
        member.mailbox.members.append(member)
        self.sort_in(member)

    def remove(self, member: Member) -> None:
        """No further frame is for this member."""
        member.audience = None
        member.mailbox.members.remove(member)
        self._direct.pop(member.mailbox.send, None)
        self._asked.pop(member, None)
        self._descriptors = None

    def sort_in(self, member: Member) -> None:
        """Send directly where nothing waits in the member's mailbox, else ask it."""
        mailbox = member.mailbox
        if mailbox.is_direct:
            self._asked.pop(member, None)
            self._direct[mailbox.send] = member
        else:
            self._direct.pop(mailbox.send, None)
            self._asked[member] = None
        self._descriptors = None

    def tell(self, frame: bytes) -> list[Member]:
        """Send a frame to everybody; returns those that have no room for it."""
        ring = self._ring() if len(self._direct) >= CROWD else None
        short = self._tell_each(frame) if ring is None else self._tell_crowd(ring, frame)
        self.sent_frames += len(self._direct)
        full = [member for member in list(self._asked) if not member.mailbox.offer(frame)]
        for member, sent in short:
            member.mailbox.fell_short(frame, sent)
        return full

    def _tell_each(self, frame: bytes) -> list[tuple[Member, int | None]]:
        """Send to one after the other; returns whose kernel took less, and how much."""
        size = len(frame)
        short: dict[Callable[[bytes], int], int | None] = {}
        for send in self._direct:
            try:
                sent = send(frame)
            except BlockingIOError:
                sent = 0
            except OSError:  # closed by either side, perhaps by us: there is no descriptor
                sent = None
            if sent != size:
                short[send] = sent
        return [(self._direct[send], sent) for send, sent in short.items()]

    def _tell_crowd(self, ring: Ring, frame: bytes) -> list[tuple[Member, int | None]]:
        """Send to all at once; returns the same."""
        if self._descriptors is None:
            numbers = (member.mailbox.descriptor for member in self._direct.values())
            self._descriptors = np.fromiter(numbers, np.int32, len(self._direct))
        short = ring.send(self._descriptors, frame)
        members = list(self._direct.values()) if short else []
        return [(members[place], _taken(result)) for place, result in short.items()]


def _taken(found: int) -> int | None:
    """How many bytes the kernel took; None: the connection is gone."""
    if found == -errno.EAGAIN:
        return 0
    return found if found >= 0 else None

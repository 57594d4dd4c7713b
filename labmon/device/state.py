"""The states of a device as a table; a move that the table does not know is an error.

`offline` stays `offline` while it tries again, so that a dead instrument does not flicker. The
trap: a reason may change within a state; only a move counts as an event.
"""

from __future__ import annotations

from typing import Final, Literal

State = Literal["disabled", "connecting", "online", "offline", "stuck"]

MOVES: Final[dict[State, frozenset[State]]] = {
    "disabled": frozenset({"connecting", "offline", "stuck"}),
    "connecting": frozenset({"online", "offline", "stuck", "disabled"}),
    "online": frozenset({"connecting", "offline", "stuck", "disabled"}),
    "offline": frozenset({"connecting", "online", "stuck", "disabled"}),
    "stuck": frozenset({"offline", "disabled"}),
}
"""From each state, where it may go: `stuck` ends only when the call that hung has returned."""


class IllegalMoveError(RuntimeError):
    """A state was left for one that cannot follow: a bug of labmon."""


class Lifecycle:
    """The state of one device, since when and why; on the event loop."""

    def __init__(self, state: State, reason: str, now_ns: int) -> None:
        self.state: State = state
        self.reason = reason
        self.since_ns = now_ns

    def move(self, state: State, reason: str, now_ns: int) -> bool:
        """Go to a state; returns whether that was a move, not just another reason.

        Raises:
            IllegalMoveError: the table has no such move.
        """
        if state == self.state:
            self.reason = reason
            return False
        if state not in MOVES[self.state]:
            raise IllegalMoveError(f"a device that is {self.state} cannot become {state}")
        self.state = state
        self.reason = reason
        self.since_ns = now_ns
        return True

"""The cursor: an opaque position in the readings of a node, from which live resumes.

Inside: node, epoch, SEQ, and when it was given out, so that one that is too old can be told the
time from which to fetch history. Nobody outside may take it apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from labmon.errors import BadRequestError

_TEXT: Final = re.compile(
    r"([\w\-]{1,64})\.([0-9a-f]{1,15})\.([0-9a-f]{1,15})\.([0-9a-f]{1,16})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position: everything of this node up to `seq` of `epoch` has been seen."""

    node: str
    epoch: int
    seq: int
    time_ns: int

    def __str__(self) -> str:
        """The text for clients."""
        return f"{self.node}.{self.epoch:x}.{self.seq:x}.{self.time_ns:x}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor of a text.

        Raises:
            BadRequestError: it is none.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise BadRequestError(
                f"{text[:60]!r} is no cursor: send one back as the server gave it"
            )
        node, *numbers = match.groups()
        epoch, seq, time_ns = (int(number, 16) for number in numbers)
        return cls(node, epoch, seq, time_ns)

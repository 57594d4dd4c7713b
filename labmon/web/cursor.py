"""The cursor: an opaque position in the readings of a node, from which live resumes.

Inside: which start of the server, its epoch, SEQ, and when it was given out, so that one that is
too old can be told the time from which to fetch history. Nobody outside may take it apart. The
trap: a copy of a store has the same node, and the same epochs again: the id of the start has not.
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
    """A position: everything up to `seq` of a start has been seen.

    Attributes:
        start_id: which start, as `Hub.start_id`.
        epoch: its number.
        time_ns: when it was given out.
    """

    start_id: str
    epoch: int
    seq: int
    time_ns: int

    def __str__(self) -> str:
        """The text for clients."""
        return f"{self.start_id}.{self.epoch:x}.{self.seq:x}.{self.time_ns:x}"

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
        start_id, *numbers = match.groups()
        epoch, seq, time_ns = (int(number, 16) for number in numbers)
        return cls(start_id, epoch, seq, time_ns)

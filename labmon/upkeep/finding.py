"""`Finding`: one thing of a store that is damaged, in a line that a person can act on."""

from __future__ import annotations

from dataclasses import dataclass

from labmon.timestamps import to_iso


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is damaged.

    Attributes:
        stream: its path; empty: the store as a whole.
        what: the block, the entry, ...
        from_ns, to_ns: of the datapoints concerned; None where that is not known.
    """

    stream: str
    what: str
    text: str
    from_ns: int | None = None
    to_ns: int | None = None

    def __str__(self) -> str:
        """In one line."""
        where = f"{self.stream}: " if self.stream else ""
        span = ""
        if self.from_ns is not None and self.to_ns is not None:
            span = f" ({to_iso(self.from_ns)} to {to_iso(self.to_ns)})"
        return f"{where}{self.what}: {self.text}{span}"

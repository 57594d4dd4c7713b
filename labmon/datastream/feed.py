"""`Feed`: the polls of one device that its streams have not taken into their heads yet.

A poll is kept as bytes, in one step for all of its channels; the streams take their columns out of
them when somebody looks, or when many polls wait. The trap: while polls wait, a stream's head is
not the whole truth, so everything that looks at a head goes through `Stream.head`, which settles.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labmon.datastream.stream import Stream

SETTLE_AT: Final = 256
"""So many polls wait at most."""
_FLOAT: Final = struct.Struct("d")


class Feed:
    """Polls that give a float or None for each of some streams; on the event loop only.

    Attributes:
        is_whole: all of its streams are attached to it; else attach them again before a poll.
        is_followed: somebody wants to be told what arrives for one of its streams.
        latest_ns: no stream has a later datapoint.
        times, values, qualities: of the polls that wait; values as float64, NaN for null.
    """

    __slots__ = (
        "_pack",
        "_streams",
        "is_followed",
        "is_whole",
        "latest_ns",
        "qualities",
        "times",
        "values",
    )

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._pack = struct.Struct(f"{len(streams)}d").pack
        self.is_whole = self.is_followed = False
        self.latest_ns = -1
        self.times: list[int] = []
        self.values: list[bytes] = []
        self.qualities: list[bytes] = []

    def attach(self) -> None:
        """Become the feed of all its streams."""
        for place, stream in enumerate(self._streams):
            stream.attach(self, place)
        self.latest_ns = max(stream.latest_ns for stream in self._streams)
        self.is_whole = True
        self.see_followers()

    def see_followers(self) -> None:
        """Find out whether to tell anybody: asking all streams at each poll would take long."""
        self.is_followed = any(stream.followers for stream in self._streams)

    def take(self, time_ns: int, values: Sequence[Any], qualities: bytes) -> bytes:
        """Take a poll that is not before `latest_ns`; returns its values as they are kept."""
        try:
            packed = self._pack(*values)
        except struct.error:
            packed = self._pack(*(math.nan if value is None else value for value in values))
        self.times.append(time_ns)
        self.values.append(packed)
        self.qualities.append(qualities)
        self.latest_ns = time_ns
        if len(self.times) >= SETTLE_AT:
            self.settle()
        if self.is_followed:
            for stream in self._streams:
                stream.tell_followers()
        return packed

    def newest(self, place: int) -> tuple[int, float, int]:
        """Time, value and quality of the last poll that waits, for the stream at a place."""
        (value,) = _FLOAT.unpack_from(self.values[-1], 8 * place)
        return self.times[-1], value, self.qualities[-1][place]

    def settle(self) -> None:
        """Give all polls that wait to the heads of the streams."""
        if not self.times:
            return
        t = np.array(self.times, np.int64)
        rows = np.frombuffer(b"".join(self.values), np.float64).reshape(len(t), -1)
        values = np.ascontiguousarray(rows.T)
        qualities = np.frombuffer(b"".join(self.qualities), np.uint8).reshape(len(t), -1).T
        is_ok = not qualities.any()
        newest = [self.newest(place) for place in range(len(self._streams))]
        self.times, self.values, self.qualities = [], [], []
        for place, stream in enumerate(self._streams):
            quality = None
            if not is_ok and qualities[place].any():
                quality = np.ascontiguousarray(qualities[place])
            stream.settled(Columns(t, values[place], None, quality), *newest[place])

"""`Feed`: the polls of one device that its streams have not taken into their heads yet.

A poll is kept as it comes, in one step for all of its channels; the streams take their columns out
of it when somebody looks, or when many polls wait. The trap: while polls wait, a stream's head is
not the whole truth, so everything that looks at a head goes through `Stream.head`, which settles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labmon.datastream.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labmon.datastream.stream import Stream

SETTLE_AT: Final = 256
"""So many polls wait at most."""


class Feed:
    """Polls that give a float or None for each of some streams; on the event loop only.

    Attributes:
        is_whole: all of its streams are attached to it; else attach them again before a poll.
        latest_ns: no stream has a later datapoint.
        times, values, qualities: of the polls that wait.
    """

    __slots__ = ("_followers", "_streams", "is_whole", "latest_ns", "qualities", "times", "values")

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._followers = [stream.followers for stream in streams]
        self.is_whole = False
        self.latest_ns = -1
        self.times: list[int] = []
        self.values: list[Sequence[Any]] = []
        self.qualities: list[bytes] = []

    def attach(self) -> None:
        """Become the feed of all its streams."""
        for place, stream in enumerate(self._streams):
            stream.attach(self, place)
        self.latest_ns = max(stream.latest_ns for stream in self._streams)
        self.is_whole = True

    def take(self, time_ns: int, values: Sequence[Any], qualities: bytes) -> None:
        """Take a poll that is not before `latest_ns`."""
        self.times.append(time_ns)
        self.values.append(values)
        self.qualities.append(qualities)
        self.latest_ns = time_ns
        if len(self.times) >= SETTLE_AT:
            self.settle()
        if any(self._followers):
            for followers in self._followers:
                for follower in followers:
                    follower.arrived()

    def settle(self) -> None:
        """Give all polls that wait to the heads of the streams."""
        if not self.times:
            return
        t = np.array(self.times, np.int64)
        values = np.ascontiguousarray(np.array(self.values, np.float64).T)  # None becomes NaN
        joined = b"".join(self.qualities)
        qualities = None
        if any(joined):
            qualities = np.frombuffer(joined, np.uint8).reshape(len(t), -1).T
        newest = (self.times[-1], self.values[-1], self.qualities[-1])
        self.times, self.values, self.qualities = [], [], []
        for place, stream in enumerate(self._streams):
            quality = None
            if qualities is not None and qualities[place].any():
                quality = np.ascontiguousarray(qualities[place])
            columns = Columns(t, values[place], None, quality)
            stream.settled(columns, newest[0], newest[1][place], newest[2][place])

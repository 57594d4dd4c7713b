"""`Feed`: the polls of one device that its streams have not taken into their heads yet.

A poll is kept as it comes, in one step for all of its channels; the streams take their columns out
of it when somebody looks, or when many polls wait. The trap: while polls wait, a stream's head is
not the whole truth, so everything that looks at a head goes through `Stream.head`, which settles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from labmon.datastream.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labmon.datastream.stream import Stream
    from labmon.reading import Batch

SETTLE_AT: Final = 256
"""So many polls wait at most."""


class Feed:
    """Polls that give a float or None for each of some streams; on the event loop only.

    Attributes:
        is_whole: all of its streams are attached to it; else attach them again before a poll.
        latest_ns: no stream has a later datapoint.
        polls: those that wait.
    """

    __slots__ = ("_followers", "_streams", "is_whole", "latest_ns", "polls")

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._followers = [stream.followers for stream in streams]
        self.is_whole = False
        self.latest_ns = -1
        self.polls: list[Batch] = []

    def attach(self) -> None:
        """Become the feed of all its streams."""
        for place, stream in enumerate(self._streams):
            stream.attach(self, place)
        self.latest_ns = max(stream.latest_ns for stream in self._streams)
        self.is_whole = True

    def take(self, batch: Batch) -> None:
        """Take a poll that is not before `latest_ns`."""
        self.polls.append(batch)
        self.latest_ns = batch.time_ns
        if len(self.polls) >= SETTLE_AT:
            self.settle()
        if any(self._followers):
            for followers in self._followers:
                for follower in followers:
                    follower.arrived()

    def settle(self) -> None:
        """Give all polls that wait to the heads of the streams."""
        polls, self.polls = self.polls, []
        if not polls:
            return
        t = np.array([poll.time_ns for poll in polls], np.int64)
        rows = np.array([poll.values for poll in polls], np.float64)  # None becomes NaN
        values = np.ascontiguousarray(rows.T)
        joined = b"".join([poll.qualities for poll in polls])
        qualities = None
        if any(joined):
            qualities = np.frombuffer(joined, np.uint8).reshape(len(t), -1).T
        newest = polls[-1]
        for place, stream in enumerate(self._streams):
            quality = None
            if qualities is not None and qualities[place].any():
                quality = np.ascontiguousarray(qualities[place])
            columns = Columns(t, values[place], None, quality)
            latest = (newest.time_ns, newest.values[place], newest.qualities[place])
            stream.settled(columns, *latest)

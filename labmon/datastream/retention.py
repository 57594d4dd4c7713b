"""`Retention`: for how long readings and their rollups are kept, for some of the streams.

The trap: what is never downsampled has nothing that could stand in its place, so words, states and
the audit log stay for as long as the coarsest level does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labmon.datastream import tags as tagging
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import ladder_of
from labmon.keeping import ladder
from labmon.paths import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labmon.datastream.stream import Stream


class Retention:
    """How long what is kept of the streams that it selects; of several, the first that selects.

    Everything that goes leaves the finest level that stays in its place, exactly. The day (UTC) of
    the newest datapoint of a stream always stays.

    Args:
        keep: by level, `raw`, `seconds`, `seconds10`, `minutes`, `minutes10`, `hours`, `hours6` or
            `days`: `30d`, `8w`, `2y` or `forever`. A level between two that are named goes with the
            finer one; beyond the coarsest that is named, all is kept for ever. What is never
            downsampled is kept as long as `days`.
        streams: globs of paths. A stream without a path is selected by `tags` alone.
        tags: a tag query, as for `find_streams`.

    Raises:
        ValueError: a coarser level would go before a finer one, nothing is said of what stays in
            the place of `raw`, or a word makes no sense.
        TypeError: `tags` is no tag query.
    """

    def __init__(
        self,
        keep: Mapping[str, str],
        streams: str | Iterable[str] = "**",
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        self._kept = ladder(keep)
        self._paths = Selection((streams,) if isinstance(streams, str) else tuple(streams))
        self._tags = tags
        if tags is not None:
            tagging.check_query(tags)

    def selects(self, stream: Stream) -> bool:
        """Whether this says how long a stream is kept."""
        if self._tags is not None and not tagging.matches(stream.tags, self._tags):
            return False
        return self._tags is not None if stream.path is None else stream.path in self._paths

    def days_of(self, stream: Stream) -> dict[Granularity, int]:
        """For how many days each granularity of a stream is kept; those for ever are left out."""
        rungs = ladder_of(stream)
        own = stream.config.highest_granularity if len(rungs) > 1 else Granularity.Days
        words = {one: own if one is Granularity.Raw else one for one in rungs}
        kept = {one: self._kept[word.name.lower()] for one, word in words.items()}
        return {one: days for one, days in kept.items() if days is not None}

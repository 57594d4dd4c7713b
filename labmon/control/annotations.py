"""`Annotations`: what people write on graphs, at a time or over a range, for all to see.

Each version is a reading of a nominal stream of labmon's own, at the time that it is about: so
annotations are in history and exports, travel live, and come late as any reading may. The trap: one
that is moved is at two times in history, of which the older version counts no more.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.exceptions import InvalidTimestamp
from labmon.datastream.granularity import Granularity
from labmon.errors import BadRequestError, TooLargeError
from labmon.paths import check_name
from labmon.timestamps import SECOND_NS, from_seconds, to_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labmon.datastream.api import Datastream
    from labmon.reading import Value

PATH: Final = "labmon/_annotations"
MAX_TEXT: Final = 1000
MAX_STREAMS: Final = 100
MAX_COUNT: Final = 50_000
AHEAD_NS: Final = 60 * SECOND_NS
"""So far ahead of the clock a time may lie, as of any reading from outside."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One version of an annotation.

    Attributes:
        id: stays the same over all versions.
        end_ns: None: it is about one moment.
        streams: paths of the streams on whose graphs it stands; empty: on all graphs.
        who: wrote it first.
        version: counts from 1; the highest one counts.
        changed_by: who wrote this version, and `changed_ns`, when.
        is_removed: whether it is no longer shown.
    """

    id: str
    start_ns: int
    end_ns: int | None
    text: str
    streams: tuple[str, ...]
    who: str
    version: int
    changed_by: str
    changed_ns: int
    is_removed: bool = False

    def value(self) -> dict[str, Any]:
        """As it stands in a reading, whose time is that of the start; times are Unix seconds."""
        return {
            "id": self.id,
            "version": self.version,
            "text": self.text,
            "end": None if self.end_ns is None else self.end_ns / SECOND_NS,
            "streams": list(self.streams),
            "who": self.who,
            "changed_by": self.changed_by,
            "changed": self.changed_ns / SECOND_NS,
            "removed": self.is_removed,
        }

    @classmethod
    def of(cls, time_ns: int, value: Any) -> Annotation:
        """From a reading.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        end = value["end"]
        return cls(
            str(value["id"]),
            time_ns,
            None if end is None else from_seconds(end),
            str(value["text"]),
            tuple(map(str, value["streams"])),
            str(value["who"]),
            int(value["version"]),
            str(value["changed_by"]),
            from_seconds(value["changed"]),
            bool(value["removed"]),
        )

    def description(self) -> dict[str, Any]:
        """As callers see it: the value with its start."""
        return {"start": self.start_ns / SECOND_NS, **self.value()}

    def is_within(self, start_ns: int, end_ns: int) -> bool:
        """Whether any of it lies in `start_ns <= t < end_ns`."""
        last_ns = self.start_ns if self.end_ns is None else self.end_ns
        return self.start_ns < end_ns and last_ns >= start_ns


class Annotations:
    """All that there are, in memory; on the event loop only.

    Args:
        record: publishes one nominal reading: path, time, value.
        datastream: where they are recorded.
        now_ns: the clock.
    """

    def __init__(
        self,
        record: Callable[[str, int, Value], None],
        datastream: Datastream,
        now_ns: Callable[[], int],
    ) -> None:
        self._record = record
        self._datastream = datastream
        self._now_ns = now_ns
        self._known: dict[str, Annotation] = {}

    async def restore(self) -> None:
        """Take what is recorded; a value that is no annotation is left out."""
        stream_id = self._datastream.stream_id(PATH)
        if stream_id is None:
            return
        async for point in await self._datastream.get_data(stream_id, Granularity.Raw, start=0):
            try:
                found = Annotation.of(point["t"], point["v"])
            except (KeyError, TypeError, ValueError):
                continue
            old = self._known.get(found.id)
            if old is None or found.version > old.version:
                self._known[found.id] = found

    def between(
        self, start_ns: int, end_ns: int, streams: Sequence[str] | None = None
    ) -> list[Annotation]:
        """Those that are shown in a range, by time; of some streams, or all."""
        wanted = None if streams is None else set(streams)
        return sorted(
            (
                one
                for one in self._known.values()
                if not one.is_removed
                and one.is_within(start_ns, end_ns)
                and (wanted is None or not one.streams or not wanted.isdisjoint(one.streams))
            ),
            key=lambda one: (one.start_ns, one.id),
        )

    def add(
        self, text: str, start: float | None, end: float | None, streams: Sequence[str], who: str
    ) -> Annotation:
        """Write a new one.

        Raises:
            BadRequestError: says what is wrong with it.
        """
        if len(self._known) >= MAX_COUNT:
            raise TooLargeError(f"there are {MAX_COUNT} annotations, and no more are taken")
        start_ns, end_ns = self._span(start, end)
        made = Annotation(
            secrets.token_hex(8),
            start_ns,
            end_ns,
            _checked_text(text),
            _checked_streams(streams),
            who,
            1,
            who,
            self._now_ns(),
        )
        self._write(made)
        return made

    def change(
        self,
        id: str,
        text: str,
        start: float | None,
        end: float | None,
        streams: Sequence[str],
        who: str,
    ) -> Annotation:
        """Write another version in the place of one.

        Raises:
            BadRequestError: there is none of this id, or what is wrong with the new version.
        """
        old = self._find(id)
        start_ns, end_ns = self._span(start, end)
        made = replace(
            old,
            start_ns=start_ns,
            end_ns=end_ns,
            text=_checked_text(text),
            streams=_checked_streams(streams),
            version=old.version + 1,
            changed_by=who,
            changed_ns=self._now_ns(),
        )
        self._write(made)
        return made

    def remove(self, id: str, who: str) -> None:
        """Show one no longer; its versions stay in history.

        Raises:
            BadRequestError: there is none of this id.
        """
        old = self._find(id)
        now_ns = self._now_ns()
        self._write(
            replace(
                old, version=old.version + 1, changed_by=who, changed_ns=now_ns, is_removed=True
            )
        )

    def _find(self, id: str) -> Annotation:
        found = self._known.get(id)
        if found is None or found.is_removed:
            raise BadRequestError(f"id: there is no {id[:40]!r}: it may have been removed")
        return found

    def _write(self, one: Annotation) -> None:
        stream_id = self._datastream.stream_id(PATH)
        try:
            if stream_id is not None:
                self._datastream.check_kept(stream_id, one.start_ns)
        except InvalidTimestamp as error:
            raise BadRequestError(f"start: {error}") from None
        self._known[one.id] = one
        self._record(PATH, one.start_ns, one.value())

    def _span(self, start: float | None, end: float | None) -> tuple[int, int | None]:
        now_ns = self._now_ns()
        start_ns = now_ns if start is None else _time("start", start, now_ns)
        end_ns = None if end is None else _time("end", end, now_ns)
        if end_ns is not None and end_ns <= start_ns:
            raise BadRequestError("end: it must be after the start; leave it out for one moment")
        return start_ns, end_ns


def _time(name: str, seconds: float, now_ns: int) -> int:
    try:
        time_ns = from_seconds(seconds)
    except (ValueError, OverflowError) as error:
        raise BadRequestError(f"{name}: {error}") from None
    if time_ns > now_ns + AHEAD_NS:
        raise BadRequestError(f"{name}: {to_iso(time_ns)} is yet to come")
    return time_ns


def _checked_text(text: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= MAX_TEXT:
        raise BadRequestError(f"text: it has 1 to {MAX_TEXT} characters, not {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequestError("text: it has half a surrogate pair") from None
    return text


def _checked_streams(streams: Sequence[str]) -> tuple[str, ...]:
    if len(streams) > MAX_STREAMS:
        raise BadRequestError(f"streams: at most {MAX_STREAMS}, or none for all graphs")
    try:
        return tuple(dict.fromkeys(map(check_name, streams)))
    except ValueError as error:
        raise BadRequestError(f"streams: {error}") from None

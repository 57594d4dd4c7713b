"""`recording: retention:`: for how long what is kept, as it stands in config.yaml.

The trap: what goes is gone for ever, so whatever is not clear is refused here, with the line of the
key, and never guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from labmon import keeping
from labmon.paths import Selection
from labmon.schema_words import shown, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.yaml_marks import Path

PLACE: Final = ("recording", "retention")


class RetentionConfig(BaseModel):
    """How long what is kept of some streams; of several entries, the first that selects counts."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    streams: list[str] = Field(
        default=["**"],
        description="Globs of the streams, or a single one; `**` leaves out what begins with `_`.",
    )
    tags: dict[str, Any] | None = Field(
        default=None, description="Tags that the streams must have, too, with their values."
    )
    raw: str | None = Field(default=None, description="How long every reading is kept.")
    seconds: str | None = Field(default=None, description="How long rollups of 1 s are kept.")
    seconds10: str | None = Field(default=None, description="How long rollups of 10 s are kept.")
    minutes: str | None = Field(default=None, description="How long rollups of 1 min are kept.")
    minutes10: str | None = Field(default=None, description="How long rollups of 10 min are kept.")
    hours: str | None = Field(default=None, description="How long rollups of 1 h are kept.")
    hours6: str | None = Field(default=None, description="How long rollups of 6 h are kept.")
    days: str | None = Field(
        default=None,
        description="How long rollups of a day are kept, and all of what is never downsampled.",
    )

    @property
    def keep(self) -> dict[str, str]:
        """The levels that are named."""
        found = {level: getattr(self, level) for level in keeping.LEVELS}
        return {level: words for level, words in found.items() if words is not None}


def read(data: Any, problem: Callable[[Path, str], None]) -> list[RetentionConfig]:
    """The entries as far as they are right.

    Args:
        data: as it stands in the file.
        problem: is told of everything that is wrong, and where.
    """
    if data is None:
        return []
    name = ".".join(PLACE)
    if not isinstance(data, list):
        problem(PLACE, f"{name}: found {shown(data)}, allowed: a list of keys such as raw: 30d")
        return []
    entries = [_entry(each, (*PLACE, i), problem) for i, each in enumerate(data)]
    return [entry for entry in entries if entry is not None]


def _entry(data: Any, place: Path, problem: Callable[[Path, str], None]) -> RetentionConfig | None:
    name = ".".join(map(str, place))
    if not isinstance(data, dict):
        problem(place, f"{name}: found {shown(data)}, allowed: keys, such as raw: 30d")
        return None
    wrong: list[tuple[str, str]] = []
    for key in data:
        if key not in RetentionConfig.model_fields:
            problem((*place, key), unknown(key, RetentionConfig, f"{name}.{key}"))
            return None
    globs = data.get("streams", ["**"])
    globs = [globs] if isinstance(globs, str) else globs
    if reason := _bad_globs(globs):
        wrong.append(("streams", reason))
    tags = data.get("tags")
    if tags is not None and not _are_plain(tags):
        wrong.append(("tags", f"found {shown(tags)}, allowed: tags with a text or number each"))
    named = {level: data[level] for level in keeping.LEVELS if level in data}
    try:
        keeping.ladder(named)
    except keeping.KeepingError as error:
        wrong.append((error.level, str(error)))
    for key, why in wrong:
        where = (*place, key) if key else place
        problem(where, f"{'.'.join(map(str, where))}: {why}")
    return None if wrong else RetentionConfig(streams=globs, tags=tags, **named)


def _are_plain(tags: Any) -> bool:
    return isinstance(tags, dict) and all(
        isinstance(name, str) and isinstance(value, str | int | float)
        for name, value in tags.items()
    )


def _bad_globs(globs: Any) -> str:
    if not isinstance(globs, list) or not all(isinstance(glob, str) for glob in globs) or not globs:
        return f"found {shown(globs)}, allowed: a glob such as 'wavemeter/**', or a list of them"
    try:
        Selection(tuple(globs))
    except ValueError as error:
        return str(error)
    return ""

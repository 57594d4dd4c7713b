"""`Description`: what a file says of a stream, so that an import makes the stream that it was.

The trap: a derived stream is described as a plain one, because its datapoints are all that a file
has; how they came about stays behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from labmon import paths
from labmon.datastream.granularity import Granularity
from labmon.datastream.stream import NUMERIC_DOWNSAMPLERS, all_downsamplers
from labmon.datastream.tags import RESERVED, check_tags
from labmon.datastream.values import checker

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 1
"""Of the files; a later one is refused."""


@dataclass(frozen=True, slots=True)
class Description:
    """One stream as a file describes it.

    Attributes:
        path: its name.
        tags: all others.
        value_type: `numeric`, `nominal` or `graph`.
        value_downsamplers: names.
        highest_granularity: word of a granularity.
    """

    path: str
    tags: dict[str, Any] = field(default_factory=dict[str, Any])
    value_type: str = "numeric"
    value_type_options: dict[str, Any] = field(default_factory=dict[str, Any])
    value_downsamplers: tuple[str, ...] = ()
    highest_granularity: str = "raw"

    @property
    def unit(self) -> str:
        """As printed after a value; empty for a pure number."""
        return str(self.tags.get("unit", ""))

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers."""
        return self.value_type == "numeric"

    @property
    def is_decimal(self) -> bool:
        """Whether the values are decimals that are kept digit by digit."""
        return bool(self.value_type_options.get("high_accuracy"))

    @property
    def takes_floats(self) -> bool:
        """Whether the values are plain numbers."""
        return self.is_numeric and not self.is_decimal

    @classmethod
    def of_descriptor(cls, descriptor: Mapping[str, Any]) -> Description:
        """The description of a stream that has a path, from what the datastream tells of it."""
        tags = {name: value for name, value in descriptor.items() if name not in RESERVED}
        return cls(
            str(tags.pop("path")),
            tags,
            descriptor["value_type"],
            dict(descriptor["value_type_options"]),
            tuple(descriptor["value_downsamplers"]),
            Granularity.find(descriptor["highest_granularity"]).name.lower(),
        )

    @classmethod
    def plain(cls, path: str, value_type: str = "numeric", unit: str | None = None) -> Description:
        """The description of a stream of which a file of another program tells only the name."""
        tags = {} if unit is None else {"unit": unit}
        downsamplers = NUMERIC_DOWNSAMPLERS if value_type == "numeric" else ()
        return cls(path, tags, value_type, {}, downsamplers)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "path": self.path,
            "tags": self.tags,
            "value_type": self.value_type,
            "value_type_options": self.value_type_options,
            "value_downsamplers": list(self.value_downsamplers),
            "highest_granularity": self.highest_granularity,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Description:
        """From plain data.

        Raises:
            ValueError, TypeError: it describes no stream; says why.
        """
        if not isinstance(data, dict) or not isinstance(data.get("path"), str):
            raise TypeError("a stream is described by an object with its path")
        if not isinstance(data.get("tags", {}), dict):
            raise TypeError("the tags of a stream are an object")
        tags = check_tags(data.get("tags", {}))
        value_type = data.get("value_type", "numeric")
        options = dict(data.get("value_type_options") or {})
        checker(value_type, options)
        granularity = Granularity.find(data.get("highest_granularity", "raw"))
        downsamplers = all_downsamplers(data.get("value_downsamplers", ()), value_type)
        path = paths.check_name(data["path"])
        return cls(path, tags, value_type, options, downsamplers, granularity.name.lower())

"""`Limits`: the range and unit of a number that a command or a setting takes.

It stands in `Annotated[float, Limits(0, 60, unit="s")]`, is enforced by pydantic and shows up in
the JSON Schema. The trap: the bounds belong to the range, as manuals of instruments write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

OUT_OF_LIMITS = "out_of_limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """A closed range with a unit; None leaves a side open."""

    low: float | None = None
    high: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse a range that nothing fits into."""
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"the limits {self.low} to {self.high} leave nothing between them")

    def __contains__(self, value: float) -> bool:
        """Whether a number lies in the range."""
        return not (
            (self.low is not None and value < self.low)
            or (self.high is not None and value > self.high)
        )

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check the range after the type."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add `minimum`, `maximum` and `unit`."""
        bounds = {"minimum": self.low, "maximum": self.high, "unit": self.unit or None}
        return {**handler(schema), **{k: bound for k, bound in bounds.items() if bound is not None}}

    def _check(self, value: Any) -> Any:
        if value is not None and value not in self:
            raise PydanticCustomError(OUT_OF_LIMITS, "outside the limits")
        return value

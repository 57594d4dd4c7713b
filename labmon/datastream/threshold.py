"""The operator `threshold`: words for which side of a level a quantity is on.

The trap: only changes are told, so a reader of a span also needs the datapoint before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labmon.datastream.alignment import State, one_source
from labmon.datastream.columns import Columns, object_column
from labmon.datastream.operator import Operator, known_quality
from labmon.datastream.operator_arguments import Argument

if TYPE_CHECKING:
    from collections.abc import Sequence


class Threshold(Operator):
    """`above` or `below` a level, whenever that changes; null where a gap begins."""

    name = "threshold"
    output = "nominal"
    arguments = (
        Argument("level", required=True),
        Argument("hysteresis", default=0.0, least=0.0),
    )

    def advance(self, state: State, sources: Sequence[Columns]) -> tuple[State, Columns]:
        """One datapoint for each change; within the hysteresis everything stays as it is."""
        rows = one_source(sources[0])
        x, level = rows.x[0], self.values["level"]
        unknown, null, below, above = -1, 0, 1, 2
        side = np.full(len(x) + 1, unknown, np.int8)
        side[0] = state.get("side", null)
        side[1:][np.isnan(x)] = null
        side[1:][x > level] = above
        side[1:][x <= level - self.values["hysteresis"]] = below
        held_at = np.maximum.accumulate(np.where(side != unknown, np.arange(len(side)), 0))
        # within the hysteresis nothing is known after a gap: not above is below
        side = np.where((side == unknown) & (side[held_at] == null), below, side[held_at])
        changes = np.flatnonzero(side[1:] != side[:-1])
        words = [(None, "below", "above")[s] for s in side[1:][changes].tolist()]
        quality = known_quality(rows.quality[changes])
        columns = Columns(rows.t[changes], object_column(words), None, quality)
        return {"side": int(side[-1])}, columns

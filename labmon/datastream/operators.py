"""The operators of derived streams: sums, derivatives, counters, ratios, moving means, thresholds.

An `Operator` is plain arithmetic: `advance()` takes what its sources have for a span of time and
gives the derived datapoints. The trap: the spans of all sources must be the same, complete, and
follow one another; how the data is cut into them does not matter.

    operator = find_operator("moving_average", {"window_s": 60})
    state, derived = operator.advance(operator.start(), [columns])     # and again, with that state

A source's null, infinity or value of bad quality is a gap. It makes a gap in the derived stream, of
which only the first datapoint is kept, and never stops it. Values are computed as floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from labmon.datastream.changes import CounterDerivative, CounterReset, Derivative
from labmon.datastream.combining import Difference, Product, Ratio, Scale, Sum
from labmon.datastream.exceptions import UnsupportedDeriveOperator
from labmon.datastream.moving import MovingAverage, MovingStd
from labmon.datastream.operator import Operator, dump_state, load_state
from labmon.datastream.threshold import Threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["OPERATORS", "Operator", "dump_state", "find_operator", "load_state"]

OPERATORS: Final[dict[str, type[Operator]]] = {
    operator.name: operator
    for operator in (
        Sum,
        Derivative,
        CounterReset,
        CounterDerivative,
        Difference,
        Ratio,
        Product,
        Scale,
        MovingAverage,
        MovingStd,
        Threshold,
    )
}


def find_operator(
    name: str,
    arguments: Mapping[str, Any] | None = None,
    names: Sequence[str | None] = (None,),
) -> Operator:
    """The operator of a derived stream.

    Args:
        name: as in `derive_op`.
        arguments: as in `derive_args`.
        names: how each source is called, in the order in which advance() gets them.

    Raises:
        UnsupportedDeriveOperator: there is none of this name; the message lists what there is.
        InvalidOperatorArguments: an argument is missing, unknown or makes no sense.
    """
    if name not in OPERATORS:
        raise UnsupportedDeriveOperator(
            f"{name!r} is no operator: use one of {', '.join(OPERATORS)}"
        )
    return OPERATORS[name](arguments or {}, names)

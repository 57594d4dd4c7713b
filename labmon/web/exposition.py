"""Prometheus' text format: families of samples as text.

The trap: what a label says comes from people, so backslashes, quotes and line ends are escaped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labmon.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple["Mapping[str, str]", float]
"""Labels and value."""


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    """One metric family."""
    return "".join(pieces(name, kind, text, samples))


def pieces(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """The same line by line, for a family that may be long."""
    yield _head(name, kind, text) + "\n"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(each, quote=True)}"' for key, each in labels.items())
        yield f"{name}{'{' + inside + '}' if inside else ''} {_number(value)}\n"


def one(name: str, kind: str, text: str, value: float) -> str:
    """A family of one sample without labels."""
    return family(name, kind, text, [({}, value)])


def histogram(name: str, text: str, durations: Histogram) -> str:
    """The family of a histogram, in seconds."""
    counts = [*durations.cumulative(), (math.inf, durations.total)]
    lines = [
        _head(name, "histogram", text),
        *(f'{name}_bucket{{le="{_number(bound_s)}"}} {count}' for bound_s, count in counts),
        f"{name}_sum {_number(durations.sum_s)}",
        f"{name}_count {durations.total}",
    ]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> str:
    return f"# HELP {name} {_escaped(text)}\n# TYPE {name} {kind}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text

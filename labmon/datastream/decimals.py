"""Exact decimals: floats that an instrument rounded, as integers divided by a power of ten.

Instruments report decimals, and a decimal such as 384.2304845 has 52 bits of noise as a float but
few as an integer. The trap: a float counts as a decimal only where the division gives it back bit
for bit, so -0.0, NaN and infinities do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MAX_EXPONENT: Final = 22
"""10**22 is the largest power of ten that a float holds exactly: up to it, dividing rounds once."""
_MAX_INTEGER: Final = 2.0**53
POWERS: Final = np.array([float(10**exponent) for exponent in range(MAX_EXPONENT + 1)])
_SAMPLE: Final = 8
_ROUNDS: Final = 4
_PATCHES_PER: Final = 32
"""At most one value in so many may be no decimal, nulls not counted."""


class Scaled(NamedTuple):
    """Floats as `integers / 10**exponent`, computed in float64; exact but for `patches`.

    Attributes:
        integers: not beyond 2**53; at a patch, that of a neighbour.
        exponent: 0 to MAX_EXPONENT.
        patches: indexes of the values that are no decimals: nulls, -0.0, infinities, few others.
    """

    integers: NDArray[np.int64]
    exponent: int
    patches: NDArray[np.intp]

    def floats(self) -> NDArray[np.float64]:
        """The floats, bit for bit but for the patches."""
        return divided(self.integers, self.exponent)


def divided(
    integers: NDArray[np.int64] | NDArray[np.float64], exponent: int
) -> NDArray[np.float64]:
    """`integers / 10**exponent`, rounded once where the integers are not beyond 2**53."""
    return integers / POWERS[exponent]


def find_scale(values: NDArray[np.float64]) -> Scaled | None:
    """The smallest exponent at which (nearly) all values are decimals; None: there is none."""
    is_finite = np.isfinite(values)
    finite = values if is_finite.all() else np.where(is_finite, values, 0.0)
    largest = float(np.max(np.abs(finite), initial=0.0))
    limit = int(np.searchsorted(POWERS, _MAX_INTEGER / (largest or 1.0), side="right")) - 1
    seen = values[is_finite]
    exponent = _digits(seen[:: len(seen) // _SAMPLE + 1], limit)
    for _ in range(_ROUNDS):
        if exponent is None:
            return None
        integers = np.rint(finite * POWERS[exponent]) + 0.0  # -0.0 becomes 0.0: no decimal
        is_exact = (integers / POWERS[exponent]).view(np.int64) == values.view(np.int64)
        missed = finite[is_finite & ~is_exact]
        if len(missed) * _PATCHES_PER <= len(seen):
            return _patched(integers.astype(np.int64), exponent, is_exact)
        more = _digits(missed[:_SAMPLE], limit)
        if more is None or more <= exponent:
            return None
        exponent = more
    return None


def _digits(sample: Iterable[float] | NDArray[np.float64], limit: int) -> int | None:
    """Digits after the point that the sample needs; None where most of it needs too many."""
    digits = [_decimals(float(value)) for value in sample]
    within = [count for count in digits if count <= limit]
    return max(within) if len(within) * 2 > len(digits) else None


def _decimals(value: float) -> int:
    mantissa, _, power = repr(value).partition("e")
    fraction = mantissa.partition(".")[2]
    return max(0, (0 if fraction == "0" else len(fraction)) - int(power or 0))


def _patched(
    integers: NDArray[np.int64], exponent: int, is_exact: NDArray[np.bool_]
) -> Scaled | None:
    """Integers with the patches filled from the left, so that they cost nothing."""
    patches = np.flatnonzero(~is_exact)
    if len(patches):
        exact = np.flatnonzero(is_exact)
        if not len(exact):
            return None
        left = np.maximum.accumulate(np.where(is_exact, np.arange(len(integers)), exact[0]))
        integers = integers[left]
    return Scaled(integers, exponent, patches)

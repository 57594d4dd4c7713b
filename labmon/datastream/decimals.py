"""Exact decimals: floats that an instrument rounded, as integers times a power of ten.

Instruments report decimals, and a decimal such as 384.2304845 has 52 bits of noise as a float but
few as an integer. The trap: the step is taken only where *every* float comes back bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Scaled(NamedTuple):
    """Floats as integers: each float is exactly `integers / 10**exponent`, computed as a float.

    A negative exponent multiplies: `integers * 10**-exponent`.
    """

    integers: NDArray[np.int64]
    exponent: int

    def floats(self) -> NDArray[np.float64]:
        """The floats, bit for bit."""
        raise NotImplementedError


def find_scale(values: NDArray[np.float64]) -> Scaled | None:
    """The integers and the exponent that give all values back bit for bit; None: there are none."""
    raise NotImplementedError

"""Lake Shore's models: their inputs, lines and heaters, from their manuals.

The trap: the older ones take no number with `HTR?` and `RANGE?`, and one more is an error to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from labmon.device import LinkKeys

ModelName = Literal["218", "331", "335", "336", "340", "350"]


@dataclass(frozen=True, slots=True)
class Model:
    """What one model has.

    Attributes:
        keys: how its serial or USB line is set up ex works.
        heaters: how many it reports; the older ones take no number with `HTR?` and `RANGE?`.
        has_chains: several queries may stand in a message, with semicolons between.
    """

    inputs: tuple[str, ...]
    keys: LinkKeys
    heaters: int = 0
    has_numbered_heaters: bool = True
    has_names: bool = True
    has_chains: bool = False
    ranges: int = 3

    def input_of_output(self, number: int) -> str:
        """The input that `OUTMODE?` names by its number; empty: none, or none that is known."""
        names = self.inputs if len(self.inputs) < 4 else (*self.inputs, *CARD)
        return names[number - 1] if 1 <= number <= len(names) else ""


CARD: Final = ("D2", "D3", "D4", "D5")
"""Further inputs on an option card."""
USB: Final = LinkKeys(baud_rate=57600, data_bits=7, parity="odd")
RS232: Final = LinkKeys(baud_rate=9600, data_bits=7, parity="odd")
MODELS: Final[dict[str, Model]] = {
    "218": Model(tuple("12345678"), RS232, has_names=False),
    "331": Model(("A", "B"), RS232, 1, has_numbered_heaters=False, has_names=False),
    "340": Model(("A", "B"), RS232, 1, has_numbered_heaters=False, has_names=False, ranges=5),
    "335": Model(("A", "B"), USB, 2, has_chains=True),
    "336": Model(("A", "B", "C", "D"), USB, 2, has_chains=True),
    "350": Model(("A", "B", "C", "D"), USB, 2, has_chains=True, ranges=5),
}

"""Labels from the configuration, in the order of the inputs that they are of.

The trap: a label too many is a slip of whoever wrote it, and quietly left out it would be found
only when somebody asks where the third gauge is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Input = TypeVar("Input")


def labelled(labels: Sequence[str] | None, inputs: Iterable[Input]) -> dict[Input, str]:
    """The label of each input that has one.

    Raises:
        ValueError: there are more labels than inputs.
    """
    known, said = list(inputs), labels or []
    if len(said) > len(known):
        raise ValueError(f"labels: {len(said)} for {', '.join(map(str, known)) or 'no inputs'}")
    return dict(zip(known, said, strict=False))

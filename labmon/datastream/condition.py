"""`Condition`: how a store is, in numbers for machines and in sentences for people.

The trap: a store that had damage goes on recording, so this is no reason to restart anything; it is
a reason to tell somebody, until that person has moved the evidence elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.datastream.backends.base import SetAside
    from labmon.datastream.engine import Engine


@dataclass(frozen=True, slots=True)
class Condition:
    """How a store is now.

    Attributes:
        failures: attempts to write that failed since the start.
        refused_changes: changes that it will never take, since the start.
        damaged_blocks: blocks found damaged since the start; their datapoints are left out.
        set_aside: what became of files that were found damaged, also before the start.
        warnings: what people should know, in sentences; empty: all is well.
    """

    failures: int
    refused_changes: int
    damaged_blocks: int
    set_aside: SetAside
    warnings: tuple[str, ...]


def condition(engine: Engine) -> Condition:
    """How the store of an engine is now."""
    delivery, damaged = engine.journal.delivery, len(engine.blocks.damaged)
    set_aside = engine.backend.set_aside
    return Condition(
        delivery.failures,
        delivery.refused,
        damaged,
        set_aside,
        (
            *engine.backend.notices,
            *_of_files(set_aside),
            *engine.recovery.reasons,
            *_of_blocks(damaged),
            *_of_refusals(delivery.refused),
        ),
    )


def _of_files(found: SetAside) -> Iterator[str]:
    if not found.files:
        return
    names = ", ".join(found.files)
    if found.waiting:
        yield f"a damaged database was set aside ({names}); what it still has is being copied"
        return
    lost = f"; {found.lost} blocks could not be read" if found.lost else ""
    yield (
        f"a damaged database was set aside ({names}); all that is readable of it was copied{lost}."
        " Move it elsewhere to end this message"
    )


def _of_blocks(count: int) -> Iterator[str]:
    if count:
        blocks = "1 block is" if count == 1 else f"{count} blocks are"
        yield f"{blocks} damaged: what they held is left out of graphs; labmon verify says which"


def _of_refusals(count: int) -> Iterator[str]:
    if count:
        yield f"the store refused {count} changes for good, a bug: the log says more"

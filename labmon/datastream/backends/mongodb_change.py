"""What a change makes and removes, as one document that is written before any block of it.

A kill in the middle leaves blocks that no state vouches for. The trap: left there, they would count
as soon as the state has moved on beyond them, beside or above those of the same datapoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bson import Binary
from pymongo import ReplaceOne

from labmon.datastream.backends.mongodb_documents import block_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labmon.datastream.backends.base import BlockKey, Change

PLAN: Final = "plan"
"""The `_id` of that document; there is one at most, as changes are written in turn."""


def plan(change: Change) -> ReplaceOne[Any] | None:
    """What is to be written before a change; None: it writes no states.

    One that writes states alone has a plan as well, in the place of the one before: that one's
    states are not there any more, so it would seem not to have come to its end.
    """
    if not change.states:
        return None
    made = _by_stream(row.outline.key for row in change.blocks)
    gone = _by_stream(change.removed_blocks)
    streams = [
        {
            "stream": number,
            "state": Binary(state),
            "made": made.get(number, []),
            "gone": gone.get(number, []),
        }
        for number, state in change.states.items()
    ]
    return ReplaceOne({"_id": PLAN}, {"_id": PLAN, "streams": streams}, upsert=True)


def leftovers(streams: Iterable[Mapping[str, Any]], states: Mapping[int, bytes]) -> list[str]:
    """The `_id`s of the blocks that have to go, for a change that may not have come to its end.

    Args:
        streams: of the plan.
        states: what is stored of these streams. Where it is the planned one, all that was made
            counts, and only the removals may be missing; where not, nothing that was made counts.
    """
    left: list[str] = []
    for one in streams:
        left += one["gone" if states.get(one["stream"]) == one["state"] else "made"]
    return left


def _by_stream(keys: Iterable[BlockKey]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key in keys:
        found.setdefault(key.stream, []).append(block_id(key))
    return found

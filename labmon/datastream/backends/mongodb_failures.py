"""What MongoDB's complaints mean: away or full, so try again, or a document that it never takes.

The trap: nearly everything is worth another attempt, rights and quotas included, since people put
those right while readings wait; so only what lies in the document itself counts as refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bson.errors import BSONError
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

from labmon.datastream.exceptions import ChangeRefused, StoreError, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL: Final = frozenset({12501, 14031})
"""QuotaExceeded, OutOfDiskSpace."""
_REFUSED: Final = frozenset({2, 9, 14, 22, 121, 10334, 17280})
"""BadValue, FailedToParse, TypeMismatch, InvalidBSON, DocumentValidationFailure,
BSONObjectTooLarge, KeyTooLong."""

_NOISE: Final = re.compile(r" \(configured timeouts: [^)]*\)|, Timeout: .*", re.DOTALL)


def said(error: Exception) -> str:
    """What an exception of pymongo's says, without its timeouts and what it knows of servers."""
    return _NOISE.sub("", str(error))


def kind_of(error: Exception) -> type[StoreError]:
    """As what an exception of pymongo's is raised."""
    codes = set(_codes(error))
    if codes & _FULL:
        return StoreFull
    if isinstance(error, BSONError | DocumentTooLarge | OverflowError) or codes & _REFUSED:
        return ChangeRefused
    return StoreUnavailable


def _codes(error: Exception) -> Iterator[int]:
    if isinstance(error, OperationFailure) and error.code is not None:
        yield error.code
    if isinstance(error, BulkWriteError):
        for one in error.details.get("writeErrors", ()):
            yield one["code"]

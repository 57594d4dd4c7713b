"""Every exception of the time-series library on one page, and its warnings.

    DatastreamException
    ├── StreamNotFound                     no stream has this id (a malformed id is one of these)
    ├── MultipleStreamsReturned            the query selects several streams where one is meant
    ├── InconsistentStreamConfiguration    the stream exists and differs from what was asked
    ├── OutstandingDependenciesError       streams that stay are derived from what would go
    ├── LockExpiredMidMaintenance          another process took the store over (MongoDB)
    ├── StreamAppendContended              never raised: a store has one writer
    ├── StreamAppendFailed                 the datapoint is not stored, and will not be
    ├── (also ValueError)
    │   ├── UnsupportedDownsampler
    │   ├── UnsupportedGranularity
    │   ├── UnsupportedDeriveOperator
    │   ├── ReservedTagNameError
    │   ├── InvalidTimestamp
    │   ├── IncompatibleGranularities
    │   ├── AppendToDerivedStreamNotAllowed
    │   └── InvalidOperatorArguments
    ├── (also TypeError)
    │   ├── UnsupportedValueType
    │   └── IncompatibleTypes
    └── StoreError                         also labmon.errors.StorageError
        ├── DamagedBlock                   stored bytes are not what was written
        ├── StoreNotOpen                   closed, or not started yet
        ├── StoreLocked                    another process writes to this store
        ├── StoreReadOnly                  opened for reading only
        ├── StoreUnavailable               full or away; what waits is kept and tried again
        │   └── StoreFull                  there is no room for more on its disk
        ├── ChangeRefused                  the store will never take what was to be written
        ├── NewerSchema                    written by a later version
        └── NotADatastream                 the file is something else

    DatastreamWarning
    ├── InvalidValueWarning                a derived stream left a datapoint out
    ├── InternalInconsistencyWarning       `labmon verify` found rollups that lie
    └── DownsampleConsistencyNotGuaranteed `downsample_streams` cannot tell a bucket as it is

The names are those of the Datastream API, so most do not end in Error.
"""

# ruff: noqa: N818 - see the last line of the docstring

from __future__ import annotations

from labmon.errors import LabmonError, StorageError, StorageFullError


class DatastreamException(LabmonError):
    """The root of what the library raises on purpose."""


class StreamNotFound(DatastreamException):
    """There is no stream of this id; a malformed id is not found either."""


class MultipleStreamsReturned(DatastreamException):
    """The query selects several streams where exactly one is meant."""


class InconsistentStreamConfiguration(DatastreamException):
    """The stream exists and differs from what was asked; nothing was changed."""


class OutstandingDependenciesError(DatastreamException):
    """Streams outside the selection are derived from it; nothing was removed."""


class LockExpiredMidMaintenance(DatastreamException):
    """Another process took the store over, because this one was silent for too long.

    Of MongoDB, where no lock ends with its process; what was committed until then stays.
    """


class StreamAppendContended(DatastreamException):
    """Somebody else appended to the stream at the same time.

    It is part of the Datastream API and never raised here: a store has one writer, and all tasks
    of it append on one event loop, one after the other.
    """


class StreamAppendFailed(DatastreamException):
    """The datapoint is not stored, and will not be."""


class UnsupportedDownsampler(DatastreamException, ValueError):
    """There is no such downsampler for this type of values."""


class UnsupportedGranularity(DatastreamException, ValueError):
    """There is no such granularity; the message lists what there is."""


class UnsupportedDeriveOperator(DatastreamException, ValueError):
    """There is no such operator; the message lists what there is."""


class ReservedTagNameError(DatastreamException, ValueError):
    """A tag has a name that the library keeps for itself."""


class InvalidTimestamp(DatastreamException, ValueError):
    """A time is out of range, or earlier than the stream's latest."""


class IncompatibleGranularities(DatastreamException, ValueError):
    """The granularities of a derived stream and its sources do not fit."""


class AppendToDerivedStreamNotAllowed(DatastreamException, ValueError):
    """Only the library appends to a derived stream."""


class InvalidOperatorArguments(DatastreamException, ValueError):
    """An operator was given arguments that are missing, unknown or make no sense."""


class UnsupportedValueType(DatastreamException, TypeError):
    """The value, or the type of values asked for, is none that a stream can hold."""


class IncompatibleTypes(DatastreamException, TypeError):
    """The operator does not take values of this type."""


class StoreError(DatastreamException, StorageError):
    """The store: damaged, locked, away, or of another version."""


class DamagedBlock(StoreError):
    """Stored bytes are not what was written; the rest of the store stays readable.

    Attributes:
        which: names the block, time column or journal entry, as the reader called it.
        why: what was found.
    """

    def __init__(self, which: str, why: str) -> None:
        super().__init__(f"{which}: {why}")
        self.which = which
        self.why = why


class StoreNotOpen(StoreError):
    """The store was closed, or not started yet: nothing is taken, and nothing told."""


class StoreLocked(StoreError):
    """Another process writes to this store."""


class StoreReadOnly(StoreError):
    """The store was opened for reading only."""


class StoreUnavailable(StoreError):
    """The store is full or away; what waits is kept, and written once it is back."""


class StoreFull(StoreUnavailable, StorageFullError):
    """There is no room for more where the store is; it goes on by itself once there is."""


class ChangeRefused(StoreError):
    """The store will never take what was to be written: a bug, or a rule of the database."""


class NewerSchema(StoreError):
    """The store was written by a later version of labmon; nothing was touched."""


class NotADatastream(StoreError):
    """The file is something else than a datastream; nothing was touched."""


class DatastreamWarning(UserWarning):
    """The root of the library's warnings."""


class InvalidValueWarning(DatastreamWarning):
    """A derived stream left a datapoint out because its operator gives no value there.

    It is given once for each derived stream that is open, names the stream, and stops none: where a
    filter makes it an error, it is a line in the log instead.
    """


class InternalInconsistencyWarning(DatastreamWarning):
    """Stored rollups are not what their datapoints give.

    Checksums find what was damaged before anybody reads it; this is of rollups that were written
    wrong. `labmon.upkeep.verifying.verify` recomputes them all, names those that lie in its report,
    and gives this warning once for a store.
    """


class DownsampleConsistencyNotGuaranteed(DatastreamWarning):
    """`downsample_streams` tells a bucket once, and what it told, or is to tell, is not all.

    Late data came into a bucket that was told before, or retention removed one that was not told
    yet. Rollups are right all the same, and `follow` tells how they change. Data that is too late
    for that is refused, `InvalidTimestamp`.
    """

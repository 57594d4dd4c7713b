"""Every exception of labmon on one page; whose fault it was decides the branch.

    LabmonError
    ├── ConfigError            the configuration: says file, line, key and what is allowed
    ├── BadRequestError        the caller: malformed, unknown, or of the wrong type
    │   ├── NotFoundError          no such stream, device or command
    │   ├── OutOfLimitsError       understood, but outside what is allowed
    │   ├── NotPermittedError      this caller may not
    │   ├── LeasedError            somebody else holds the lease
    │   └── TooLargeError          the request, or its answer, is over a limit
    ├── InstrumentError        the instrument: refused, nonsense, or a damaged answer
    │   ├── OfflineError           it is not connected now
    │   └── InstrumentTimeoutError it did not answer in time
    └── StorageError           the store: away, damaged, locked, or of another version
        └── StorageFullError       there is no room for more, on its disk or in memory

Anything else that is raised is a bug of ours. `labmon.datastream.exceptions` has the branch of the
time-series library, which stands alone.
"""

from __future__ import annotations

from typing import Any


class LabmonError(Exception):
    """The root of what labmon raises on purpose."""


class ConfigError(LabmonError):
    """The configuration cannot be used; the message names file, line, key and what is allowed."""


class BadRequestError(LabmonError):
    """The caller asked for something that makes no sense.

    Attributes:
        details: plain data for the reply beside the message, or None.
    """

    def __init__(self, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.details = details


class NotFoundError(BadRequestError):
    """There is no stream, device, command or page of this name."""


class OutOfLimitsError(BadRequestError):
    """A value is of the right type but outside what is allowed."""


class NotPermittedError(BadRequestError):
    """This caller may not do this."""


class LeasedError(BadRequestError):
    """Somebody else holds the right to control the device."""


class TooLargeError(BadRequestError):
    """The request, or what it would return, is over a limit."""


class InstrumentError(LabmonError):
    """The instrument refused, or answered with nonsense."""


class OfflineError(InstrumentError):
    """The instrument is not connected now."""


class InstrumentTimeoutError(InstrumentError):
    """The instrument did not answer in time; what was asked may have happened."""


class StorageError(LabmonError):
    """The store is away, damaged, locked by another process, or of another version."""


class StorageFullError(StorageError):
    """There is no room for more: the disk is full, or memory while the store is away."""

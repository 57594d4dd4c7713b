"""The error codes of JSON-RPC replies, and which exception becomes which.

The trap: -32003 is no "no": the command may have happened all the same.
"""

from __future__ import annotations

from typing import Any, Final

from labmon.errors import (
    BadRequestError,
    InstrumentError,
    InstrumentTimeoutError,
    LabmonError,
    LeasedError,
    NotFoundError,
    NotPermittedError,
    OfflineError,
    OutOfLimitsError,
)

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
INSTRUMENT_ERROR: Final = -32001
OFFLINE: Final = -32002
TIMED_OUT: Final = -32003
NOT_PERMITTED: Final = -32004
LEASED: Final = -32005
OUT_OF_LIMITS: Final = -32006

MEANINGS: Final = {
    PARSE_ERROR: "the body is neither JSON nor msgpack",
    INVALID_REQUEST: "no JSON-RPC 2.0 request",
    METHOD_NOT_FOUND: "no such device or command",
    INVALID_PARAMS: "a parameter is missing, unknown or of a wrong type",
    INTERNAL_ERROR: "a bug of labmon, or of the driver",
    INSTRUMENT_ERROR: "the instrument refused, or answered with nonsense",
    OFFLINE: "the instrument is not connected",
    TIMED_OUT: "no answer in time; the command may have happened",
    NOT_PERMITTED: "the caller's role does not allow it",
    LEASED: "somebody else holds the device's lease",
    OUT_OF_LIMITS: "a parameter is outside its limits",
}

_CODES: Final[tuple[tuple[type[LabmonError], int], ...]] = (
    (NotFoundError, METHOD_NOT_FOUND),
    (OutOfLimitsError, OUT_OF_LIMITS),
    (NotPermittedError, NOT_PERMITTED),
    (LeasedError, LEASED),
    (BadRequestError, INVALID_PARAMS),
    (OfflineError, OFFLINE),
    (InstrumentTimeoutError, TIMED_OUT),
    (InstrumentError, INSTRUMENT_ERROR),
)


class InvalidRequestError(BadRequestError):
    """It is no JSON-RPC 2.0 request."""


def code_of(error: BaseException) -> int:
    """The code of an exception; what is nobody's fault is ours."""
    if isinstance(error, InvalidRequestError):
        return INVALID_REQUEST
    return next((code for kind, code in _CODES if isinstance(error, kind)), INTERNAL_ERROR)


def error_object(error: BaseException) -> dict[str, Any]:
    """The member `error` of a reply; of a bug of ours it tells nothing but that it is one."""
    code = code_of(error)
    if code == INTERNAL_ERROR:
        return {"code": code, "message": "internal error; the server's log has the details"}
    reply: dict[str, Any] = {"code": code, "message": str(error)}
    details = getattr(error, "details", None)
    return reply if details is None else reply | {"data": details}

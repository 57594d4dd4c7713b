"""Which status and code an error has outside; a stack trace never leaves the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tornado.web import HTTPError

from labmon import errors
from labmon.datastream import exceptions as store

if TYPE_CHECKING:
    from collections.abc import Mapping

CODES: Final = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    421: "wrong_host",
    422: "key_reused",
    426: "upgrade_required",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
_LABMON: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (errors.NotFoundError, 404, "not_found"),
    (errors.OutOfLimitsError, 400, "out_of_limits"),
    (errors.NotPermittedError, 403, "not_permitted"),
    (errors.LeasedError, 409, "leased"),
    (errors.TooLargeError, 413, "too_large"),
    (errors.BadRequestError, 400, "bad_request"),
    (errors.OfflineError, 503, "offline"),
    (errors.InstrumentTimeoutError, 504, "timed_out"),
    (errors.InstrumentError, 502, "instrument"),
    (errors.StorageFullError, 503, "storage_full"),
    (errors.StorageError, 503, "storage"),
    (store.StreamNotFound, 404, "not_found"),
)
INTERNAL: Final = "this is a bug of labmon; its log says more"


class ProblemError(HTTPError):
    """A request that the web itself refuses: said to the caller in these words."""

    def __init__(
        self,
        status: int,
        message: str,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status)
        self.message = message
        self.details = details
        self.headers = headers or {}


def describe(error: BaseException | None, status: int = 500) -> tuple[int, dict[str, Any]]:
    """Status and the object under `error` of an exception; anything unknown is a bug of ours."""
    if isinstance(error, ProblemError):
        return error.status_code, _body(
            CODES.get(error.status_code, "refused"), error.message, error.details
        )
    for kind, its_status, code in _LABMON:
        if isinstance(error, kind):
            return its_status, _body(code, str(error), getattr(error, "details", None))
    if isinstance(error, store.DatastreamException):
        if isinstance(error, ValueError | TypeError):
            return 400, _body("bad_request", str(error))
        return 409, _body("conflict", str(error))
    if isinstance(error, HTTPError):
        status = error.status_code
    elif error is not None:
        status = 500
    return status, _body(CODES.get(status, "refused"), _said(status))


def is_our_fault(error: BaseException) -> bool:
    """Whether an exception is a bug, to be logged with its stack trace."""
    return describe(error)[0] == 500


def _said(status: int) -> str:
    if status >= 500:
        return INTERNAL
    return {
        403: "not allowed",
        404: "there is no such page",
        405: "this address does not know this method",
    }.get(status, "the request cannot be understood")


def _body(code: str, message: str, details: Any = None) -> dict[str, Any]:
    body = {"code": code, "message": message}
    return body if details is None else body | {"details": details}

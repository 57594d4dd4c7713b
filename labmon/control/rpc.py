"""JSON-RPC 2.0 without sockets: a decoded request and a caller in, a reply out.

The transport decodes, limits sizes and encodes. The trap: a batch is carried out one after the
other in its order, so that two commands to one instrument never change places.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labmon.control.codes import (
    INSTRUMENT_ERROR,
    INTERNAL_ERROR,
    PARSE_ERROR,
    TIMED_OUT,
    InvalidRequestError,
    code_of,
    error_object,
)
from labmon.control.commands import Commands, Params, check_role
from labmon.control.lease import Leases
from labmon.control.methods import Methods
from labmon.control.once import Once, Outcome
from labmon.device.worker import DriverBugError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon.control.annotations import Annotations
    from labmon.control.audit import Audit
    from labmon.control.caller import Caller
    from labmon.control.commands import Commanded

log = logging.getLogger(__name__)

MAX_BATCH: Final = 50
MAX_TEXT: Final = 255
_MEMBERS: Final = ("jsonrpc", "method", "params", "id", "idempotency_key")
_DONE: Final = {INSTRUMENT_ERROR, INTERNAL_ERROR, TIMED_OUT}
"""Errors after which the command may have reached the instrument."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One checked request."""

    method: str
    params: Params
    id: Any
    is_notification: bool
    key: str | None


class Rpc:
    """Answers requests; on the event loop only.

    Args:
        devices: by name; those that come later are seen too.
        audit: is told of each command.
        leases: who holds which device.
        annotations: what is written on graphs; None: nobody writes on any.
    """

    def __init__(
        self,
        devices: Mapping[str, Commanded],
        audit: Audit,
        leases: Leases | None = None,
        annotations: Annotations | None = None,
    ) -> None:
        self.leases = leases or Leases()
        self._commands = Commands(devices, self.leases, audit)
        self._methods = Methods(devices, self.leases, self._commands, annotations)
        self._once = Once(_is_final)

    async def handle(self, request: object, caller: Caller) -> dict[str, Any] | list[Any] | None:
        """The reply to a request or a batch; None where only notifications came."""
        if not isinstance(request, list):
            return await self._reply(request, caller)
        if not 1 <= len(request) <= MAX_BATCH:
            text = f"a batch has 1 to {MAX_BATCH} requests, not {len(request)}"
            return _refused(None, InvalidRequestError(text))
        replies = [await self._reply(each, caller) for each in request]
        return [reply for reply in replies if reply is not None] or None

    def act(self, device: str, action: str, do: Callable[[], object], caller: Caller) -> None:
        """Do something with a device that is no command of its driver, under the same rules.

        Args:
            device: by name; there is one.
            action: a word for the record: `reconnect`, `enable`, `disable`.
            do: does it.
            caller: an operator.

        Raises:
            NotPermittedError: the caller is only a viewer.
            LeasedError: somebody else holds the lease.
        """
        with self._commands.audited(device, action, None, caller):
            check_role(f"{device}.{action}", "operator", caller)
            self.leases.check(device, caller)
            do()

    def discover(self) -> dict[str, Any]:
        """The OpenRPC document of everything that can be called."""
        return self._methods.document()

    async def _reply(self, request: object, caller: Caller) -> dict[str, Any] | None:
        try:
            call = _parsed(request)
        except InvalidRequestError as error:
            return _refused(_id_of(request), error)
        outcome = await self._outcome(call, caller)
        return None if call.is_notification else {"jsonrpc": "2.0", "id": call.id, **outcome}

    async def _outcome(self, call: _Call, caller: Caller) -> Outcome:
        if call.key is None:
            return await self._carry_out(call, caller)
        try:
            return await self._once.run(
                (caller.who, call.key),
                (call.method, call.params),
                lambda: self._carry_out(call, caller),
            )
        except InvalidRequestError as error:
            return {"error": error_object(error)}

    async def _carry_out(self, call: _Call, caller: Caller) -> Outcome:
        try:
            return {"result": await self._methods.call(call.method, call.params, caller)}
        except Exception as error:
            if code_of(error) == INTERNAL_ERROR and not isinstance(error, DriverBugError):
                log.exception("%s failed", call.method)  # the device logs bugs of its driver
            return {"error": error_object(error)}


def parse_error(message: str) -> dict[str, Any]:
    """The reply to a body that could not be decoded; the transport sends it."""
    return {"jsonrpc": "2.0", "id": None, "error": {"code": PARSE_ERROR, "message": message}}


def _parsed(request: object) -> _Call:
    if not isinstance(request, dict):
        raise InvalidRequestError("a request is an object with jsonrpc, method, params and id")
    if request.get("jsonrpc") != "2.0":
        raise InvalidRequestError('jsonrpc must be "2.0"')
    for member in request:
        if member not in _MEMBERS:
            known = ", ".join(_MEMBERS)
            raise InvalidRequestError(f"{str(member)[:60]!r} is unknown: there is {known}")
    method, params = request.get("method"), request.get("params")
    if not _is_text(method):
        raise InvalidRequestError(f"method must be text of 1 to {MAX_TEXT} characters")
    if not isinstance(params, list | dict) and ("params" in request and params is not None):
        raise InvalidRequestError("params must be a list or an object")
    if "id" in request and not _is_id(request["id"]):
        raise InvalidRequestError(
            f"id must be text of up to {MAX_TEXT} characters, a number of 64 bits, or null"
        )
    key = request.get("idempotency_key")
    if "idempotency_key" in request and not _is_text(key):
        raise InvalidRequestError(f"idempotency_key must be text of 1 to {MAX_TEXT} characters")
    return _Call(str(method), params, request.get("id"), "id" not in request, key)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_TEXT


def _is_id(value: object) -> bool:
    """Whether it can be sent back as it came."""
    match value:
        case None:
            return True
        case str():
            return len(value) <= MAX_TEXT
        case float():
            return math.isfinite(value)
        case bool():
            return False
        case int():
            return -(2**63) <= value < 2**64
        case _:
            return False


def _id_of(request: object) -> Any:
    """The id to answer a request with that is none; null where it has none that could be used."""
    known = request.get("id") if isinstance(request, dict) else None
    return known if _is_id(known) else None


def _refused(request_id: Any, error: InvalidRequestError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error_object(error)}


def _is_final(outcome: Outcome) -> bool:
    return "error" not in outcome or outcome["error"]["code"] in _DONE

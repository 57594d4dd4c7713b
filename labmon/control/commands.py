"""Commands of devices on behalf of a caller: role, lease, parameters, call, audit, in this order.

The trap: a command whose time is up has perhaps happened; only the readback can tell.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from labmon.errors import NotFoundError, NotPermittedError
from labmon.schema_words import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from labmon.control.audit import Audit
    from labmon.control.caller import Caller, Role
    from labmon.control.lease import Leases
    from labmon.device.command import Command

Params = list[Any] | dict[str, Any] | None


class Commanded(Protocol):
    """What control needs of a device."""

    @property
    def commands(self) -> Mapping[str, Command]:
        """The commands by name."""
        ...

    async def call(
        self, name: str, kwargs: Mapping[str, Any], timeout_s: float | None = None
    ) -> Any:
        """Carry a command out on the device's thread."""
        ...


class Commands:
    """Carries out commands; on the event loop only.

    Args:
        devices: by name.
        leases: who holds which device.
        audit: is told of each command, carried out or refused.
    """

    def __init__(
        self,
        devices: Mapping[str, Commanded],
        leases: Leases,
        audit: Audit,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices = devices
        self._leases = leases
        self._audit = audit
        self._monotonic = monotonic

    async def call(self, device_name: str, name: str, params: Params, caller: Caller) -> Any:
        """Carry out a command; returns what the driver's method returned.

        Raises:
            NotFoundError: no such device or command.
            BadRequestError: not permitted, leased by another, wrong parameters.
            InstrumentError: offline, timed out, refused.
        """
        device, command = self._find(device_name, name)
        only_errors = command.options.only_reads
        with self.audited(device_name, name, params, caller, only_errors=only_errors) as outcome:
            check_role(f"{device_name}.{name}", command.options.role, caller)
            self._leases.check(device_name, caller)
            kwargs = command.validate(params)
            outcome["result"] = await device.call(name, kwargs, command.options.timeout_s)
        return outcome["result"]

    def audited(
        self, device: str, name: str, params: Params, caller: Caller, *, only_errors: bool = False
    ) -> Audited:
        """A block that is recorded, with the `result` put into it or the error that comes out."""
        leave = partial(self._audit.leave, device, name, params, caller)
        return Audited(leave, self._monotonic, is_silent=only_errors)

    def _find(self, device_name: str, name: str) -> tuple[Commanded, Command]:
        device = self._devices.get(device_name)
        if device is None:
            raise NotFoundError(f"there is no device {quoted(device_name, self._devices)}")
        command = device.commands.get(name)
        if command is None:
            raise NotFoundError(f"{device_name} has no command {quoted(name, device.commands)}")
        return device, command


class Audited:
    """A `with` block that leaves a record: of the `result` put into it, or of the error.

    Args:
        leave: writes the record; gets the duration in milliseconds, and `result=` or `error=`.
        monotonic: seconds.
        is_silent: whether only an error leaves a record.
    """

    __slots__ = ("_is_silent", "_leave", "_monotonic", "_outcome", "_started_s")

    def __init__(
        self, leave: Callable[..., None], monotonic: Callable[[], float], *, is_silent: bool
    ) -> None:
        self._leave = leave
        self._monotonic = monotonic
        self._is_silent = is_silent
        self._started_s = monotonic()
        self._outcome: dict[str, Any] = {"result": None}

    def __enter__(self) -> dict[str, Any]:
        return self._outcome

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Errors go on; being cancelled is one, too: the command may have happened."""
        if error is not None or not self._is_silent:
            duration_ms = (self._monotonic() - self._started_s) * 1000
            self._leave(duration_ms, result=self._outcome["result"], error=error)


def check_role(method: str, role: Role, caller: Caller) -> None:
    """Let those pass who have at least this role.

    Raises:
        NotPermittedError: says who the caller is, and which role it takes.
    """
    if not caller.may(role):
        article = "an" if role[0] in "ao" else "a"
        raise NotPermittedError(
            f"{method} takes {article} {role}; {caller.who} is only a {caller.role}"
        )


def quoted(name: str, known: Mapping[str, object]) -> str:
    """An unknown name, what may have been meant, and what there is."""
    names = list(known)
    there_is = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{name[:60]!r}{did_you_mean(name[:60], names)}; there is {there_is or 'none'}"

"""labmon's own methods: `rpc`, `device`, `lease` and `annotation.*`, described like any command.

The groups are made anew for every call, because they need the caller. The trap: a lease is a
courtesy among operators, no lock against an admin; stealing is open to all of them and audited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from labmon import __version__
from labmon.control.codes import MEANINGS
from labmon.control.commands import Params, check_role, quoted
from labmon.control.lease import DEFAULT_S, MAX_S
from labmon.device.command import Command, Limits, command, commands_of
from labmon.errors import BadRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labmon.control.annotations import Annotations
    from labmon.control.caller import Caller
    from labmon.control.commands import Commanded, Commands
    from labmon.control.lease import Leases

Seconds = Annotated[float, Limits(1, MAX_S, unit="s")]


class _LeaseMethods:
    """The methods `lease.*` for one caller."""

    def __init__(self, devices: Mapping[str, Commanded], leases: Leases, caller: Caller) -> None:
        self._devices = devices
        self._leases = leases
        self._caller = caller

    @command
    def acquire(self, device: str, seconds: Seconds = DEFAULT_S) -> dict[str, Any]:
        """Take the right to control a device alone; fails where somebody else has it."""
        return self._leases.acquire(device, self._caller, seconds).description()

    @command
    def renew(self, device: str, seconds: Seconds = DEFAULT_S) -> dict[str, Any]:
        """Keep one's own lease for so many seconds from now."""
        return self._leases.renew(device, self._caller, seconds).description()

    @command
    def release(self, device: str) -> None:
        """Give one's own lease back."""
        self._leases.release(device, self._caller)

    @command
    def steal(self, device: str, seconds: Seconds = DEFAULT_S) -> dict[str, Any]:
        """Take the lease of a device, whoever has it; the audit says from whom."""
        before = self._leases.holder(device)
        lease = self._leases.steal(device, self._caller, seconds)
        taken_from = before.owner if before is not None and before.owner != lease.owner else None
        return lease.description() | {"taken_from": taken_from}


class _DeviceMethods:
    """The methods `device.*`: each says which command of which device it stands for."""

    def __init__(self, devices: Mapping[str, Commanded]) -> None:
        self._devices = devices

    @command(role="viewer")
    def get(self, device: str, name: str) -> Any:
        """Read a parameter back from the instrument, now."""
        self._check("get_", [], device, name)
        return device, f"get_{name}", []

    @command
    def set(self, device: str, name: str, value: Any) -> Any:
        """Set a parameter; what the instrument made of it shows in the readback."""
        self._check("set_", ["value"], device, name)
        return device, f"set_{name}", [value]

    def _check(self, verb: str, takes: list[str], device: str, name: str) -> None:
        _check_device(device, self._devices)
        parameters = {
            each.removeprefix(verb): method
            for each, method in self._devices[device].commands.items()
            if each.startswith(verb) and list(method.schema()["properties"]) == takes
        }
        if name not in parameters:
            done = "read" if verb == "get_" else "set"
            raise BadRequestError(
                f"name: {device} has no parameter that can be {done}"
                f" called {quoted(name, parameters)}"
            )


class _AnnotationMethods:
    """The methods `annotation.*` for one caller; times are Unix seconds."""

    def __init__(self, annotations: Annotations, caller: Caller) -> None:
        self._annotations = annotations
        self._caller = caller

    @command
    def add(
        self,
        text: str,
        start: float | None = None,
        end: float | None = None,
        streams: list[str] = [],  # noqa: B006 - never changed; it stands in the schema
    ) -> dict[str, Any]:
        """Write on graphs: at a time (now by default) or over a range, for all to see.

        Args:
            text: what there is to say.
            start: when it was.
            end: for a range, when it was over.
            streams: paths; it stands on graphs that show one of them. None: on all graphs.
        """
        made = self._annotations.add(text, start, end, streams, self._caller.who)
        return made.description()

    @command
    def change(
        self,
        id: str,
        text: str,
        start: float,
        end: float | None = None,
        streams: list[str] = [],  # noqa: B006
    ) -> dict[str, Any]:
        """Put another version in the place of an annotation; all of it is given anew."""
        made = self._annotations.change(id, text, start, end, streams, self._caller.who)
        return made.description()

    @command
    def remove(self, id: str) -> None:
        """Show an annotation no longer; its versions stay in history."""
        self._annotations.remove(id, self._caller.who)


LEASE: Final = commands_of(_LeaseMethods)
ANNOTATION: Final = commands_of(_AnnotationMethods)
OWN: Final = "labmon"
"""The device of records of what was done to no device."""
DEVICE: Final = commands_of(_DeviceMethods)
PLAIN: Final = ("rpc.discover", "rpc.ping")


class Methods:
    """Everything that can be called, by the name that stands in a request."""

    def __init__(
        self,
        devices: Mapping[str, Commanded],
        leases: Leases,
        commands: Commands,
        annotations: Annotations | None = None,
    ) -> None:
        self._devices = devices
        self._leases = leases
        self._commands = commands
        self._annotations = annotations

    async def call(self, method: str, params: Params, caller: Caller) -> Any:
        """Call a method.

        Raises:
            NotFoundError: there is none of this name.
            LabmonError: it was refused, or failed.
        """
        group, _, name = method.rpartition(".")
        if method in PLAIN:
            if params:
                raise BadRequestError(f"{method}: takes no parameters")
            return self.document() if method == "rpc.discover" else "pong"
        if group == "lease" and name in LEASE:
            return self._lease(LEASE[name], params, caller)
        if group == "device" and name in DEVICE:
            kwargs = DEVICE[name].validate(params)
            device, each, values = DEVICE[name].run(_DeviceMethods(self._devices), kwargs)
            return await self._commands.call(device, each, values, caller)
        if group == "annotation" and name in ANNOTATION and self._annotations is not None:
            return self._annotate(self._annotations, ANNOTATION[name], params, caller)
        if not group or group in {"rpc", "lease", "device", "annotation"}:
            raise NotFoundError(
                f"there is no method {method[:60]!r}: use DEVICE.COMMAND, or ask rpc.discover"
            )
        return await self._commands.call(group, name, params, caller)

    def _lease(self, method: Command, params: Params, caller: Caller) -> Any:
        kwargs = method.validate(params)
        device = kwargs["device"]
        _check_device(device, self._devices)
        name = f"lease.{method.name}"
        with self._commands.audited(device, name, params, caller) as outcome:
            check_role(name, method.options.role, caller)
            group = _LeaseMethods(self._devices, self._leases, caller)
            outcome["result"] = method.run(group, kwargs)
        return outcome["result"]

    def _annotate(
        self, annotations: Annotations, method: Command, params: Params, caller: Caller
    ) -> Any:
        name = f"annotation.{method.name}"
        with self._commands.audited(OWN, name, params, caller) as outcome:
            check_role(name, method.options.role, caller)
            kwargs = method.validate(params)
            outcome["result"] = method.run(_AnnotationMethods(annotations, caller), kwargs)
        return outcome["result"]

    def document(self) -> dict[str, Any]:
        """The OpenRPC document: every method with its words, schemas, units and limits."""
        return {
            "openrpc": "1.3.2",
            "info": {
                "title": "labmon",
                "version": __version__,
                "description": "Commands of the instruments that this server watches.",
            },
            "servers": [{"name": "labmon", "url": "/rpc"}],
            "methods": [
                _DISCOVER,
                _PING,
                *(_described("device", each) for each in DEVICE.values()),
                *(_described("lease", each) for each in LEASE.values()),
                *(_described("annotation", each) for each in self._annotating()),
                *(
                    _described(name, each)
                    for name, device in self._devices.items()
                    for each in device.commands.values()
                ),
            ],
            "components": {
                "errors": {
                    str(code): {"code": code, "message": text} for code, text in MEANINGS.items()
                }
            },
        }

    def _annotating(self) -> Iterable[Command]:
        return () if self._annotations is None else ANNOTATION.values()


def _check_device(name: str, devices: Mapping[str, Commanded]) -> None:
    if name not in devices:
        raise BadRequestError(f"device: there is none called {quoted(name, devices)}")


_DISCOVER: Final = {
    "name": "rpc.discover",
    "summary": "Say what can be called.",
    "params": [],
    "result": {"name": "document", "schema": {"type": "object"}},
    "x-role": "viewer",
}
_PING: Final = {
    "name": "rpc.ping",
    "summary": "Answer, to say that the connection lives.",
    "params": [],
    "result": {"name": "pong", "schema": {"const": "pong"}},
    "x-role": "viewer",
}


def _described(group: str, method: Command) -> dict[str, Any]:
    """One method as an OpenRPC Method Object."""
    schema = method.schema()
    result = method.description()["result"]
    described: dict[str, Any] = {
        "name": f"{group}.{method.name}",
        "summary": method.doc,
        "tags": [{"name": group}],
        "paramStructure": "either",
        "params": [
            {
                "name": name,
                "description": each.get("description", ""),
                "required": name in schema["required"],
                "schema": each,
            }
            for name, each in schema["properties"].items()
        ],
        "result": {"name": "result", "schema": {"type": "null"} if result is None else result},
        "errors": [{"$ref": f"#/components/errors/{code}"} for code in MEANINGS],
        "x-role": method.options.role,
    }
    return described | ({"x-confirm": method.options.confirm} if method.options.confirm else {})

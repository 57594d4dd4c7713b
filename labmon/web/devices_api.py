"""`devices`: their state, channels and commands; and what an operator may do with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from labmon.errors import NotFoundError
from labmon.web.answer_schemas import DEVICE, DEVICE_STATUS, DEVICES
from labmon.web.descriptors import edge_time
from labmon.web.handler import ApiHandler
from labmon.web.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labmon.device.device import Device

ACTIONS: Final = ("reconnect", "enable", "disable")
"""What `POST devices/NAME/ACTION` knows; methods of `Device` of the same names."""


class _DeviceHandler(ApiHandler):
    def device(self, name: str) -> Device:
        """The device of a name.

        Raises:
            NotFoundError: there is none; names those that there are.
        """
        devices = self.services.devices
        if name not in devices:
            there_are = ", ".join(devices) or "none"
            raise NotFoundError(f"there is no device {name[:80]!r}: there are {there_are}")
        return devices[name]

    def leased(self, device: dict[str, Any]) -> dict[str, Any]:
        """What a device says of itself, and who holds it."""
        return device | {"lease": self.services.rpc.leases.shown(device["name"])}


class DevicesHandler(_DeviceHandler):
    """All devices."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "GET": Operation(
            "The devices: state, health, who holds the lease, channels, commands with their"
            " JSON Schemas.",
            answer=DEVICES,
        )
    }

    async def get(self) -> None:
        """In the order of the configuration."""
        head = {"now": edge_time(self.services.clock.now_ns(), self.answer_format)}
        devices = list(self.services.devices.values())
        await self.reply_list(
            head, "devices", (self.leased(device.description()) for device in devices)
        )


class DeviceHandler(_DeviceHandler):
    """One device."""

    operations: ClassVar[Mapping[str, Operation]] = {"GET": Operation("One device.", answer=DEVICE)}

    async def get(self, name: str) -> None:
        """Its description."""
        self.reply(self.leased(self.device(name).description()))


class DeviceActionHandler(_DeviceHandler):
    """Something done with a device as a whole."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "POST": Operation(
            "Reconnect, enable or disable a device; answers with its state.",
            body={"type": "object", "maxProperties": 0},
            answer=DEVICE_STATUS,
            role="operator",
        )
    }

    async def post(self, name: str, action: str) -> None:
        """Do it as any command: where nobody else holds the lease, and recorded."""
        device = self.device(name)
        await self.read_body()
        acts = {"reconnect": device.reconnect, "enable": device.enable, "disable": device.disable}
        self.services.rpc.act(name, action, acts[action], self.caller)
        self.reply(self.leased(device.status()))

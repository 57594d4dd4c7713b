"""The configuration: config.yaml as typed objects, with every default, limit and unit in one place.

Nothing here starts anything or knows any driver: what a driver is to be told stays raw in
`DeviceConfig.settings`, with the line of each key in `marks`, and is checked by `labmon.device`.
The trap: text that YAML would call a number, a time or a truth elsewhere stays text here; see
`labmon.yaml_marks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from labmon.yaml_marks import Mark

Bytes = Annotated[int, Field(ge=1024, le=1 << 30)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ServerConfig(_Section):
    """Where labmon listens, whom it lets in and how much it takes."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; 127.0.0.1 is reachable from here only.",
    )
    port: int = Field(default=8765, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Host names under which browsers may reach the server, beside its own address.",
    )
    anonymous: Literal["none", "viewer"] = Field(
        default="none",
        description="What somebody from another machine may do without logging in.",
    )
    max_body_bytes: Bytes = Field(default=4 << 20, description="Largest body of a request.")
    max_rpc_bytes: Bytes = Field(
        default=1 << 20, description="Largest body of a remote procedure call."
    )
    max_message_bytes: Bytes = Field(
        default=256 << 10, description="Largest message on a WebSocket."
    )
    max_header_bytes: Bytes = Field(default=16 << 10, description="Largest header of a request.")
    max_mailbox_bytes: Bytes = Field(
        default=1 << 20,
        description="What is queued for a slow live client; beyond it, newest values only.",
    )
    max_connections: int = Field(default=2000, ge=1, description="Open connections altogether.")
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        description="Open connections from one address other than this machine's own.",
    )
    idle_timeout_s: float = Field(
        default=30.0, gt=0, le=3600, description="An idle connection is closed after this time."
    )
    body_timeout_s: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        description="The body of a request must have arrived in this time.",
    )


class RecordingConfig(_Section):
    """When readings become durable, and how many may wait for a slow store."""

    commit_interval_s: float = Field(
        default=0.1, gt=0, le=60, description="Readings are committed together at least this often."
    )
    commit_readings: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="A group of this many readings is committed at once.",
    )
    spool_mib: float = Field(
        default=64.0,
        gt=0,
        le=65536,
        description="Memory for readings that wait for a store that is away.",
    )
    durability: Literal["full", "relaxed"] = Field(
        default="full",
        description="`full` survives a power cut; `relaxed` may lose the last seconds to one.",
    )

    @property
    def spool_bytes(self) -> int:
        """The spool's limit in bytes."""
        return int(self.spool_mib * (1 << 20))


class DeviceConfig(_Section):
    """One instrument: which driver speaks to it, how often, and what that driver is told.

    Attributes:
        name: key of the device under `devices`.
        settings: all keys that are not labmon's own, as they stand in the file.
        marks: where each key stands; keys inside a setting are joined by dots.
        mark: where the device stands.
    """

    name: str
    driver: str = Field(
        description="The driver: `NAME` for a shipped one, `module:Class` for one of your own."
    )
    title: str = Field(default="", description="What stands on its card; its name if empty.")
    group: str = Field(default="", description="The heading under which its card stands.")
    period_s: float = Field(
        default=1.0, ge=0.001, le=86400, description="Time from one poll to the next, in seconds."
    )
    timeout_s: float = Field(
        default=5.0,
        ge=0.01,
        le=3600,
        description="Time after which a poll or a command has failed.",
    )
    enabled: bool = Field(default=True, description="Whether it is polled from the start.")
    bus: str | None = Field(
        default=None, description="Devices that name the same bus share one thread, and take turns."
    )
    settings: dict[str, Any] = Field(default_factory=dict)
    marks: dict[str, Mark] = Field(default_factory=dict)
    mark: Mark = Mark("", 0)


class Config(_Section):
    """Everything that one labmon server is told.

    Attributes:
        path: the file it was read from.
        store: resolved: a relative SQLite path stands in `data_dir`.
        devices: in the order of the file.
    """

    path: Path
    server: ServerConfig = Field(default_factory=ServerConfig)
    data_dir: Path = Field(
        default=Path("data"),
        description="Folder of everything that labmon writes, beside this file.",
    )
    store: str = Field(
        default="sqlite:///labmon.db",
        description="Where readings are kept: `sqlite:///FILE` (in the data folder) or `memory:`.",
    )
    recording: RecordingConfig = Field(default_factory=RecordingConfig)
    devices: list[DeviceConfig] = Field(default_factory=list)

"""The configuration: config.yaml as typed objects, with every default, limit and unit in one place.

Nothing here starts anything or knows any driver: what a driver is to be told stays raw in
`DeviceConfig.settings`, with the line of each key in `marks`, and is checked by `labmon.device`.
The trap: text that YAML would call a number, a time or a truth elsewhere stays text here; see
`labmon.yaml_marks`.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labmon import access_config, retention_config, yaml_marks
from labmon.retention_config import RetentionConfig
from labmon.schema_words import explained, shown, unknown
from labmon.yaml_marks import Document, Mark, Problem, raise_problems

if TYPE_CHECKING:
    from labmon.yaml_marks import Path

Bytes = Annotated[int, Field(ge=1024, le=1 << 30)]


Section = TypeVar("Section", bound="_Section")


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


DEVICE_NAME: Final = re.compile(r"[^\W_][\w.\-]{0,63}")
RESERVED: Final = {"rpc", "device", "lease", "annotation", "labmon"}
"""First words of labmon's own methods, `rpc.discover`, where a device's name would stand."""
STORE: Final = re.compile(r"memory:|sqlite:///(?P<file>[^?#]+)|mongodb(\+srv)?://\S+")
STORE_WORDS: Final = (
    "sqlite:///FILE (in the data folder, or an absolute path), mongodb://HOST/DATABASE or memory:"
)


class ServerConfig(_Section):
    """Where labmon listens, whom it lets in and how much it takes."""

    title: str = Field(
        default="",
        max_length=60,
        description="What people call it, on walls and in messages; the machine's name if empty.",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on; 127.0.0.1 is reachable from here only.",
    )
    port: int = Field(default=8765, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Host names under which browsers may reach the server, beside its addresses.",
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose X-Forwarded-For is believed.",
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
    io_uring: bool = Field(
        default=True,
        description="Send to crowds of viewers with one system call, where Linux has io_uring.",
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
        description="Memory for readings that wait for a store that is away; beyond half of it they"
        " go to disk.",
    )
    spool_disk_mib: float = Field(
        default=4096.0,
        ge=0,
        le=1 << 24,
        description="Disk, the folder `spool` in the data folder, for readings that wait for a"
        " store that is away; at most half of what is free there. When it is full, the oldest are"
        " dropped. 0: none.",
    )
    durability: Literal["full", "relaxed"] = Field(
        default="full",
        description="`full` survives a power cut; `relaxed` may lose the last seconds to one.",
    )

    retention: list[RetentionConfig] = Field(
        default_factory=list[RetentionConfig],
        description="How long what is kept; empty: everything for ever.",
    )

    @property
    def spool_bytes(self) -> int:
        """The spool's limit in bytes."""
        return int(self.spool_mib * (1 << 20))

    @property
    def spool_disk_bytes(self) -> int:
        """The limit of what waits on disk, in bytes."""
        return int(self.spool_disk_mib * (1 << 20))


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
        min_length=1,
        description="The driver: `NAME` for a shipped one, `module:Class` for one of your own.",
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
    limits: dict[str, Any] = Field(
        default_factory=dict,
        description="Narrower limits than the driver's, `[lowest, highest]`, by parameter, or by"
        " command and argument.",
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

    path: FilePath
    server: ServerConfig = Field(default_factory=ServerConfig)
    data_dir: FilePath = Field(
        default=FilePath("data"),
        description="Folder of everything that labmon writes, beside this file.",
    )
    store: str = Field(
        default="sqlite:///labmon.db",
        description="Where readings are kept: `sqlite:///FILE` (in the data folder),"
        " `mongodb://HOST/DATABASE` or `memory:`.",
    )
    recording: RecordingConfig = Field(default_factory=RecordingConfig)
    devices: list[DeviceConfig] = Field(default_factory=list)

    @property
    def store_shown(self) -> str:
        """The store as it is told to people: without a user's name and password."""
        return re.sub(r"^(mongodb(\+srv)?://).*@", r"\1", self.store)


DEVICE_KEYS: Final = tuple(
    key for key in DeviceConfig.model_fields if key not in {"name", "settings", "marks", "mark"}
)
"""The keys of a device that are labmon's own; all others are its driver's."""


def load(
    path: FilePath,
    *,
    host: str | None = None,
    port: int | None = None,
    data_dir: FilePath | None = None,
) -> Config:
    """The configuration in a file; what the command line says goes before it.

    Raises:
        ConfigError: everything that is wrong, one line for each: file, line, key and what is
            allowed.
    """
    config, problems = read(path, host=host, port=port, data_dir=data_dir)
    raise_problems(problems)
    return config


def read(
    path: FilePath,
    *,
    host: str | None = None,
    port: int | None = None,
    data_dir: FilePath | None = None,
) -> tuple[Config, list[Problem]]:
    """The configuration as far as it is right, and all that is wrong with it.

    Raises:
        ConfigError: the file cannot be read, or is no YAML.
    """
    document = yaml_marks.load(path)
    if not isinstance(document.data, dict | None):
        document.problems.append(Problem(Mark(str(path), 1), "found a list or text, not keys"))
        document.data = None
    reader = _Reader(path, document)
    return reader.config({"host": host, "port": port}, data_dir), document.problems


class _Reader:
    """Turns one document into a `Config`, collecting problems in the document."""

    def __init__(self, path: FilePath, document: Document) -> None:
        self._path = path
        self._data: dict[str | int, Any] = dict(document.data or {})
        self._marks = document.marks
        self._problems = document.problems
        self._device_marks: dict[str | int, dict[str, Mark]] = {}
        for place, mark in document.marks.items():
            if len(place) > 2 and place[0] == "devices":
                keys = self._device_marks.setdefault(place[1], {})
                keys[".".join(map(str, place[2:]))] = mark

    def config(self, overrides: dict[str, Any], data_dir: FilePath | None) -> Config:
        """The configuration as far as it is right; only good if there are no problems."""
        devices = self._devices(self._data.pop("devices", None))
        self._refuse_misplaced()
        data = {key: value for key, value in self._data.items() if key not in {"path", "devices"}}
        if "path" in self._data:
            self._problem(("path",), unknown("path", Config))
        for key in ("server", "recording"):
            if data.get(key, ...) is None:  # all of its keys are commented out
                del data[key]
        recording = data.get("recording")
        if isinstance(recording, dict) and "retention" in recording:
            entries = retention_config.read(recording["retention"], self._problem)
            data["recording"] = recording | {"retention": entries}
        if isinstance(data.get("data_dir"), str):
            data["data_dir"] = FilePath(data["data_dir"])
        given = {key: value for key, value in overrides.items() if value is not None}
        if given and isinstance(data.setdefault("server", {}), dict):
            data["server"] = data["server"] | given
            self._marks |= {("server", key): Mark(f"--{key}", 0) for key in given}
        self._check_store(data.get("store", "memory:"))
        access_config.check(data.get("server"), self._problem)
        config = self._section(Config, data | {"path": self._path}, ())
        if config is None:
            return Config(path=self._path, devices=devices)
        folder = (data_dir or self._path.parent / config.data_dir).absolute()
        changes = {"devices": devices, "data_dir": folder, "store": _resolved(config.store, folder)}
        return config.model_copy(update=changes)

    def _refuse_misplaced(self) -> None:
        for key, value in list(self._data.items()):
            if isinstance(value, dict) and "driver" in value:
                self._problem((key,), f"{key}: a device stands under 'devices:', further indented")
                del self._data[key]

    def _devices(self, data: Any) -> list[DeviceConfig]:
        if data is None:
            return []
        if not isinstance(data, dict):
            text = f"devices: found {shown(data)}, allowed: the name of each device with its keys"
            self._problem(("devices",), text)
            return []
        devices: dict[str, DeviceConfig] = {}
        for name, keys in data.items():
            device = self._device(name, keys)
            if device is not None and device.name in devices:  # two spellings of one accent
                self._problem(("devices", name), f"there is already a device {device.name!r}")
            elif device is not None:
                devices[device.name] = device
        return list(devices.values())

    def _device(self, name: str | int, data: Any) -> DeviceConfig | None:
        path = ("devices", str(name))
        plain = unicodedata.normalize("NFC", str(name))
        if not isinstance(name, str) or not DEVICE_NAME.fullmatch(plain):
            text = f"the name {shown(name)} of a device: use letters, digits, '_', '-' and '.',"
            self._problem(("devices", name), text + " at most 64, beginning with a letter or digit")
            return None
        if name in RESERVED:
            self._problem(
                path, f"devices.{name}: the name is taken; its commands would hide labmon's"
            )
        if not isinstance(data, dict):
            text = f"{'.'.join(path)}: found {shown(data)}, allowed: its keys, such as driver: host"
            self._problem(path, text)
            return None
        own = {key: value for key, value in data.items() if key in DEVICE_KEYS}
        labmon = {
            "name": plain,
            "settings": {str(key): value for key, value in data.items() if key not in DEVICE_KEYS},
            "marks": self._device_marks.get(name, {}),
            "mark": self._mark(path),
        }
        device = self._section(DeviceConfig, own | labmon, path)
        return device or self._right_part(own, labmon)

    def _right_part(self, own: dict[str, Any], labmon: dict[str, Any]) -> DeviceConfig | None:
        """A device without those keys that are wrong, so that its driver can judge its own."""
        try:
            return DeviceConfig.model_validate(own | labmon)
        except ValidationError as error:
            wrong = {one["loc"][0] for one in error.errors(include_url=False)}
        if wrong & {"driver", "name"}:
            return None
        right = {key: value for key, value in own.items() if key not in wrong}
        return DeviceConfig.model_validate(right | labmon)

    def _section(self, kind: type[Section], data: dict[Any, Any], path: Path) -> Section | None:
        """Keys and values as their class; None, and problems, where they are not right."""
        for key in [key for key in data if not isinstance(key, str)]:
            self._problem((*path, key), unknown(key, kind))
            del data[key]
        try:
            return kind.model_validate(data)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                place = (*path, *one["loc"])
                where = place[:-1] if one["type"] == "missing" else place
                self._problem(where, explained(kind, one, ".".join(map(str, place))))
        return None

    def _check_store(self, store: Any) -> None:
        if isinstance(store, str) and not STORE.fullmatch(store):
            self._problem(("store",), f"store: found {shown(store)}, allowed: {STORE_WORDS}")

    def _problem(self, path: Path, text: str) -> None:
        self._problems.append(Problem(self._mark(path), text))

    def _mark(self, path: Path) -> Mark:
        """Where a key stands, or the nearest that contains it."""
        for length in range(len(path), 0, -1):
            if mark := self._marks.get(path[:length]):
                return mark
        return Mark(str(self._path), 0)


def _resolved(store: str, folder: FilePath) -> str:
    """The store with an absolute path, as the data folder and the working folder are two."""
    match = STORE.fullmatch(store)
    return f"sqlite:///{folder / match['file']}" if match and match["file"] else store

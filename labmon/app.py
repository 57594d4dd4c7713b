"""The composition root: builds every object from the configuration, starts and stops them in order.

Nothing else wires. The trap: threads of hung drivers are joined by the interpreter at exit, so the
process ends with `os._exit`, after everything that can be saved is saved.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from labmon import allocator, collector, datastream
from labmon.control.annotations import Annotations
from labmon.control.audit import Audit
from labmon.control.lease import Leases
from labmon.control.rpc import Rpc
from labmon.datastream.spool import Spool
from labmon.device.device import Device
from labmon.device.registry import build
from labmon.device.worker import Worker
from labmon.errors import ConfigError, LabmonError, StorageError
from labmon.hub import Event, Hub
from labmon.reading import Batch, Channel
from labmon.recorder import Recorder
from labmon.timestamps import Clock
from labmon.turns import new_event_loop
from labmon.web.server import Server
from labmon.web.services import Services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from labmon.config import Config
    from labmon.reading import Value

log = logging.getLogger(__name__)

STOP_S: Final = {"web": 1.5, "devices": 0.9, "recorder": 1.6, "datastream": 0.9}
"""How long each part may take to stop: less than 5 s together."""
FLUSH_S: Final = 0.4
"""What the recorder's flush did not get durable is tried for so long again, and then counted."""
HANGUP: Final[int | None] = getattr(signal, "SIGHUP", None)
"""That the terminal was closed; Windows has none."""
RECORDS: Final = Channel(kind="nominal", description="commands, who gave them and what came of it")


class App:
    """One labmon server: `await start()`, later `await stop()`.

    Attributes:
        address: `http://HOST:PORT` once started.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.address = ""
        self.clock = Clock()
        self.leases = Leases(self.clock.now_ns, changed=self._lease_changed)
        _make_folder(config.data_dir)
        self.datastream = self._datastream()
        self.devices: dict[str, Device] = {}
        self._spool: Spool | None = None
        self._restoring: asyncio.Task[None] | None = None
        self._stops: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        self._declared: dict[str, dict[str, Channel]] = {}
        self._declaring: set[asyncio.Task[None]] = set()

    def _datastream(self) -> datastream.Datastream:
        recording = self.config.recording
        try:
            return datastream.open(
                self.config.store,
                clock=self.clock.now_ns,
                commit_interval_s=recording.commit_interval_s,
                commit_readings=recording.commit_readings,
                durability=recording.durability,
                spool_bytes=recording.spool_bytes,
                retention=[
                    datastream.Retention(one.keep, one.streams, one.tags)
                    for one in recording.retention
                ],
            )
        except ValueError as error:  # an address that only MongoDB's own library understands
            raise ConfigError(f"{self.config.path}: store: {error}") from None

    async def start(self) -> None:
        """Open the store, serve the pages, then connect to the instruments.

        Raises:
            ConfigError: a device cannot be built.
            StorageError: the store cannot be opened.
            OSError: the address is taken.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        await self.datastream.start()
        self._spool = self._open_spool()
        spool_bytes = self.config.recording.spool_bytes
        self.recorder = Recorder(self.datastream, spool_bytes, self._spool)
        self._stops.append(("datastream", self._close_store))
        node, epoch = self.datastream.node, self.datastream.epoch
        self.hub = Hub(node, epoch, self.recorder.record, self.datastream.start_id(epoch))
        self.devices = self._build_devices()
        for device in self.devices.values():
            await self._declare(device)
        self.recorder.start()
        self._stops.append(("recorder", self.recorder.stop))
        self.annotations = Annotations(self._record_at, self.datastream, self.clock.now_ns)
        await self.annotations.restore()
        self._restoring = asyncio.create_task(self._restore_late(), name="annotations")
        self.rpc = Rpc(self.devices, Audit(self._record), self.leases, self.annotations)
        self._stops.append(("devices", self._stop_devices))
        await self._listen()
        for device in self.devices.values():
            await device.start()

    async def _restore_late(self) -> None:
        """Take the annotations that an earlier start has left on disk."""
        if await self.recorder.caught_up():
            await self.annotations.restore()

    def _open_spool(self) -> Spool | None:
        """Where readings wait on disk; without it they wait in memory alone."""
        limit = self.config.recording.spool_disk_bytes
        if not limit or self.config.store == "memory:":
            return None
        spool = Spool(self.config.data_dir / "spool", limit)
        try:
            spool.open()
        except (StorageError, OSError) as error:
            log.error("no readings can wait on disk while the store is away: %s", error)  # noqa: TRY400
            return None
        return spool

    async def _close_store(self) -> None:
        await self.datastream.close(FLUSH_S, is_kept=self.recorder.has_kept_all)

    async def _listen(self) -> None:
        server = Server(
            Services(
                config=self.config,
                hub=self.hub,
                datastream=self.datastream,
                devices=self.devices,
                rpc=self.rpc,
                recorder=self.recorder,
                clock=self.clock,
                annotations=self.annotations,
            )
        )
        host, port = self.config.server.host, self.config.server.port
        try:
            port = await server.start(host, port)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}, port {port}: {error.strerror or error}."
                " Does labmon run already? --port N takes another port"
            ) from error
        self._stops.append(("web", server.stop))
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Say goodbye, stop the polls, save what is not yet durable, close the store."""
        if self._restoring is not None:
            self._restoring.cancel()
        while self._stops:
            await _within(*self._stops.pop())
        if self._spool is not None:
            self._spool.close()

    async def _stop_devices(self) -> None:
        """All of them, or the recorder would end before their gaps are published."""
        devices = list(self.devices.values())
        ends = await asyncio.gather(*(each.stop() for each in devices), return_exceptions=True)
        for device, end in zip(devices, ends, strict=True):
            if isinstance(end, Exception):
                log.error("%s did not stop cleanly, a bug of labmon", device.name, exc_info=end)

    def _build_devices(self) -> dict[str, Device]:
        devices: dict[str, Device] = {}
        buses: dict[str, Worker] = {}
        problems: list[str] = []
        for config in self.config.devices:
            worker = buses.setdefault(config.bus, Worker(config.bus)) if config.bus else None
            try:
                devices[config.name] = Device(
                    config,
                    build(config),
                    clock=self.clock,
                    publish=self.hub.publish,
                    changed=self._changed,
                    worker=worker,
                )
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("\n".join(problems))
        return devices

    def _record(self, path: str, value: Value) -> None:
        """Publish one nominal reading of labmon itself: a record of a command."""
        self._record_at(path, self.clock.now_ns(), value)

    def _record_at(self, path: str, time_ns: int, value: Value) -> None:
        """The same at another time than now."""
        device = path.partition("/")[0]
        self.hub.publish(Batch(device, time_ns, (path,), (value,), b"\0"))

    def _changed(self, device: Device) -> None:
        """Tell the viewers; declare channels that only the connected instrument knew."""
        self._tell(device)
        if self._declared.get(device.name) != dict(device.channels):
            task = asyncio.create_task(self._declare(device), name=f"declare {device.name}")
            self._declaring.add(task)
            task.add_done_callback(self._declaring.discard)

    def _lease_changed(self, name: str) -> None:
        self._tell(self.devices[name])

    def _tell(self, device: Device) -> None:
        data = device.status() | {"lease": self.leases.shown(device.name)}
        self.hub.announce(Event("device", data))

    async def _declare(self, device: Device) -> None:
        channels = dict(device.channels)
        self._declared[device.name] = channels
        await self.recorder.declare(device.name, channels, device.period_s)
        await self.recorder.declare(device.name, {**device.own_channels, "_commands": RECORDS})


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the data folder {folder} cannot be made: {error.strerror or error};"
            " data_dir in the configuration or --data DIR says where it is"
        ) from error


async def _within(part: str, stop: Callable[[], Awaitable[object]]) -> None:
    """Stop a part in its time; what goes wrong is said and holds up nothing else."""
    try:
        await asyncio.wait_for(stop(), STOP_S[part])
    except TimeoutError:
        log.warning("%s did not stop within %.1f s", part, STOP_S[part])
    except (LabmonError, OSError) as error:
        log.warning("%s did not stop cleanly: %s", part, error)
    except Exception:
        log.exception("%s did not stop cleanly, a bug of labmon", part)


async def serve(config: Config, ready: Callable[[App], None]) -> None:
    """Run until SIGINT, SIGTERM or the end of its terminal; a second one ends it at once."""
    app = App(config)
    stopping = asyncio.Event()

    def stop(number: int) -> None:
        if stopping.is_set() and number == HANGUP:  # shell and terminal both tell it
            return
        if stopping.is_set():
            os._exit(128 + number)
        log.info("stopping: %s", signal.Signals(number).name)
        stopping.set()

    _on_signals(stop)
    await app.start()
    collector.calm()
    ready(app)
    await stopping.wait()
    await app.stop()


def _on_signals(stop: Callable[[int], None]) -> None:
    loop = asyncio.get_running_loop()
    ends: list[int] = [signal.SIGINT, signal.SIGTERM]
    if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:  # as nohup has it
        ends.append(HANGUP)
    for number in ends:
        try:
            loop.add_signal_handler(number, stop, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda n, _frame: loop.call_soon_threadsafe(stop, n))


def run(config: Config, ready: Callable[[App], None]) -> NoReturn:
    """Serve until told to stop, then end the process with exit code 0.

    Raises:
        LabmonError: the server could not start; the message says why and what would be right.
        OSError: the data folder cannot be written.
    """
    allocator.set_up()
    runner = asyncio.Runner(loop_factory=new_event_loop)
    try:
        runner.run(serve(config, ready))
    except BaseException:
        runner.close()
        raise
    logging.shutdown()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: it was started without
        with contextlib.suppress(OSError):  # a full disk, or nobody who reads
            stream.flush()
    os._exit(0)  # a thread that hangs in a driver would be waited for otherwise

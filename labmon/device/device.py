"""`Device`: one configured instrument: a driver, a name, a thread, a state, and its commands.

The rest of labmon sees only this class, on the event loop. The trap: a command that timed out may
still happen; nothing here pretends to know.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from labmon.device import health
from labmon.device.calls import Calls
from labmon.device.channels import all_channels, described
from labmon.device.command import Command, commands_of
from labmon.device.driver import Driver
from labmon.device.narrower_limits import narrowed
from labmon.device.parameter import Parameters
from labmon.device.poller import Poller
from labmon.device.report import Report
from labmon.device.source import Source
from labmon.device.worker import DriverBugError, Worker
from labmon.errors import ConfigError, LabmonError, NotFoundError, OfflineError
from labmon.reading import Channel, Quality
from labmon.schema_words import did_you_mean
from labmon.timestamps import to_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon.config import DeviceConfig
    from labmon.device.state import State
    from labmon.reading import AnyBatch
    from labmon.timestamps import Clock

log = logging.getLogger(__name__)

STATE: Final = Channel(kind="nominal", description="whether the device can be read", tile=False)

STOP_POLL_S: Final = 0.4
STOP_ABORT_S: Final = 0.2
STOP_DISCONNECT_S: Final = 0.3
"""At most 0.9 s together, however the driver behaves."""


class Device:
    """One instrument as the rest of labmon knows it.

    Args:
        config: its part of the configuration.
        driver: built, not connected; from here on this device's alone.
        clock: where times come from.
        publish: takes every batch, at once, on the event loop.
        changed: told when the state, its reason or the channels changed.
        worker: the thread, for devices that share a bus; else one of its own.

    Raises:
        ConfigError: the driver declares channels that cannot be named so.
    """

    def __init__(
        self,
        config: DeviceConfig,
        driver: Driver,
        *,
        clock: Clock,
        publish: Callable[[AnyBatch], object],
        changed: Callable[[Device], None],
        worker: Worker | None = None,
    ) -> None:
        self.name = config.name
        self.title = config.title or config.name
        self.group = config.group
        self.period_s = config.period_s
        self.is_simulated = bool(driver.simulated) or _names_simulator(config.settings)
        self._config = config
        self._driver = driver
        self._worker = worker or Worker(config.name)
        self._changed: Callable[[Device], None] | None = None  # not before it is complete
        is_stream = type(driver).stream is not Driver.stream
        self._asked_hz = None if is_stream else 1 / config.period_s
        self._report = Report(
            config.name,
            clock,
            Quality.SIMULATED if self.is_simulated else 0,
            self._asked_hz,
            publish,
            self._say_changed,
        )
        parameters = Parameters(driver.parameters, config.period_s if is_stream else 0.0)
        try:
            own = commands_of(type(driver)).items()
            commands = {
                **{name: each for name, each in own if name not in driver.without_commands},
                **parameters.commands(),
                **driver.commands,
            }
            self.commands: dict[str, Command] = narrowed(commands, config)
            self._report.adopt(all_channels(config.name, driver))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{config.mark}: devices.{config.name}: {error}") from error
        self._source = Source(driver, parameters, self._report)
        self._poller = Poller(
            driver,
            self._source,
            self._worker,
            self._report,
            period_s=self.period_s,
            timeout_s=config.timeout_s,
        )
        self._poller.is_enabled = config.enabled
        self._calls = Calls(driver, self._worker, self._report, self._poller.poll_now)
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._changed = changed

    def _say_changed(self) -> None:
        if self._changed is not None:
            self._changed(self)

    @property
    def state(self) -> State:
        """Disabled, connecting, online, offline or stuck."""
        return self._report.lifecycle.state

    @property
    def since_ns(self) -> int:
        """When it entered its state."""
        return self._report.lifecycle.since_ns

    @property
    def reason(self) -> str:
        """Why it is in its state; empty where all is well."""
        return self._report.lifecycle.reason

    @property
    def model(self) -> str:
        """What the instrument said it is, else what its driver says."""
        try:
            return self._source.identity or self._driver.model
        except Exception as error:  # noqa: BLE001 - it may be a property of the driver's own
            bug = DriverBugError(f"{type(error).__name__}: {error}")
            bug.__cause__ = error
            self._report.bug(bug, "model")
            return ""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """By name; may change when the device connects."""
        return self._report.channels

    @property
    def own_channels(self) -> Mapping[str, Channel]:
        """What labmon itself says about the device: its state and its health; hidden."""
        return {"_state": STATE, **health.CHANNELS}

    @property
    def is_stuck(self) -> bool:
        """Whether a call hangs; after `stop()`, whether the thread has still not ended."""
        return self._worker.is_busy if self._is_stopped else self._worker.is_hung

    async def start(self) -> None:
        """Begin to connect and poll; does not wait for the instrument."""
        if self._task is not None:
            return
        self._is_stopped = False
        self._worker.join()
        self._report.started()
        self._task = asyncio.create_task(self._poller.run(), name=f"device {self.name}")

    async def stop(self) -> None:
        """Disconnect and end the thread, in less than a second; a thread that hangs is left."""
        if self._task is None:
            return
        self._is_stopped = True
        task, self._task = self._task, None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._calls.give_up()
        self._report.stopped()
        await self._end_calls()
        self._worker.leave()

    async def _end_calls(self) -> None:
        if not await self._worker.idle(STOP_POLL_S):
            self._poller.abort()
            if not await self._worker.idle(STOP_ABORT_S):
                log.warning("%s: its thread hangs, and is left behind", self.name)
                return
        try:
            await self._worker.run(
                self.name, "disconnect()", self._source.disconnect, STOP_DISCONNECT_S
            )
        except DriverBugError as error:
            self._report.bug(error, "disconnect()")
        except (LabmonError, OSError) as error:
            log.debug("%s: disconnect() failed: %s", self.name, error)

    def enable(self) -> None:
        """Connect and poll from now on."""
        self._poller.enable()

    def disable(self) -> None:
        """Disconnect, and stay so until enabled."""
        self._poller.disable()

    def reconnect(self) -> None:
        """Disconnect and connect anew, now."""
        self._poller.reconnect()

    async def call(
        self, name: str, kwargs: Mapping[str, Any], timeout_s: float | None = None
    ) -> Any:
        """Carry out a command between two polls; calls take turns in the order they came.

        Args:
            name: of the command.
            kwargs: checked by `Command.validate`.
            timeout_s: how long to wait, the turn included; None: as long as it may take.

        Returns:
            What the driver's method returned, as plain data.

        Raises:
            NotFoundError: there is no such command.
            OfflineError: the device is not online; nothing happened.
            InstrumentTimeoutError: it did not finish in time; it may still happen.
            InstrumentError: the instrument refused, or the connection broke.
            BadRequestError: the driver refused a parameter.
            DriverBugError: the driver failed.
        """
        command = self._command(name)
        limit_s = command.options.timeout_s or self._config.timeout_s
        patience_s = limit_s if timeout_s is None else timeout_s
        return await self._calls.call(command, kwargs, limit_s, patience_s)

    def _command(self, name: str) -> Command:
        command = self.commands.get(name)
        if command is None:
            near = did_you_mean(name, self.commands)
            known = ", ".join(self.commands) or "none"
            raise NotFoundError(f"{self.name} has no command {name[:60]!r}{near}; there is {known}")
        if self._task is None or (self.state != "online" and not command.options.offline):
            reason = f": {self.reason}" if self.reason else ""
            raise OfflineError(f"{self.name} is {self.state}{reason}")
        return command

    def status(self) -> dict[str, Any]:
        """State and counters as plain data, times in Unix seconds."""
        counters, now_s = self._report.counters, asyncio.get_running_loop().time()
        return {
            "name": self.name,
            "title": self.title,
            "group": self.group,
            "driver": self._config.driver,
            "model": self.model,
            "simulated": self.is_simulated,
            "state": self.state,
            "since": to_seconds(self.since_ns),
            "reason": self.reason,
            "period_s": self.period_s,
            "asked_hz": self._asked_hz,
            "rate_hz": counters.rate_hz(now_s) if self.state == "online" else 0.0,
            "poll_ms": counters.poll_ms(),
            "polls": counters.polls,
            "errors": counters.errors,
            "missed": counters.missed,
            "dropped": counters.dropped,
            "reconnects": counters.reconnects,
            "last_error": counters.last_error,
            "last_error_time": None
            if counters.last_error_ns is None
            else to_seconds(counters.last_error_ns),
        }

    def description(self) -> dict[str, Any]:
        """The status with channels and commands."""
        channels = [
            described(self.name, name, each, self.period_s) for name, each in self.channels.items()
        ]
        commands = [each.description() for each in self.commands.values()]
        return {**self.status(), "channels": channels, "commands": commands}


def _names_simulator(setting: Any) -> bool:
    """Whether a setting, or one inside it, is the address of a simulator."""
    if isinstance(setting, dict):
        return any(_names_simulator(each) for each in setting.values())
    if isinstance(setting, list):
        return any(_names_simulator(each) for each in setting)
    return isinstance(setting, str) and setting.startswith("sim://")

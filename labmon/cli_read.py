"""The command `labmon read`: one poll of one device, taken as the server would take it.

For whoever sets up an instrument or writes a driver. The trap: a driver that never comes back is
left behind on its thread, as no thread can be killed; the process ends without it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labmon.cli_store import fail, print_out

if TYPE_CHECKING:
    from rich.table import Table

    from labmon.config import DeviceConfig
    from labmon.device.driver import Driver, Readings
    from labmon.device.intake import Intake
    from labmon.reading import AnyBatch, Channel

CONFIG = Path("config.yaml")
FILE = click.Path(path_type=Path, dir_okay=False)
ABORT_S = 1.0
"""How long a call may still take after its connection was closed under it."""
LISTEN_S = 2.0
"""How long one that pushes is heard after its first reading: not all channels come at once."""


def register(group: click.Group) -> None:
    """Add the command to a group."""
    group.add_command(read_device)


@click.command(name="read")
@click.argument("device")
@click.option("--config", "path", type=FILE, default=CONFIG, show_default=True)
def read_device(device: str, path: Path) -> None:
    """Connect to one device, poll it once and print what it said; not while a server has it.

    One that speaks by itself is heard for two seconds after its first reading.
    """
    from labmon.device import registry
    from labmon.errors import LabmonError

    try:
        config = _configured(path, device)
        driver = registry.build(config)
        _intake(config, driver)  # its channels are good before it is asked for them
        readings = _in_time(driver, config.timeout_s)
        intake = _intake(config, driver)
        batches = intake.batches(time.time_ns(), readings)
    except (LabmonError, OSError) as error:
        fail(error)
    except Exception as error:  # noqa: BLE001  whatever a driver does, its author learns where
        fail(_bug(error))
    print_out(_table(config, driver, batches))
    if intake.refused:  # the log said what, and why
        sys.exit(1)


def _configured(path: Path, device: str) -> DeviceConfig:
    from labmon import config
    from labmon.errors import ConfigError
    from labmon.schema_words import did_you_mean

    known = {each.name: each for each in config.load(path).devices}
    if device not in known:
        near = did_you_mean(device, known)
        names = ", ".join(known) or "none"
        raise ConfigError(f"{path}: there is no device {device!r}{near}; there is {names}")
    return known[device]


def _bug(error: Exception) -> str:
    """What a driver did wrong: the innermost lines of the traceback, which are its own."""
    import traceback

    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    return f"the driver failed:\n{where}{type(error).__name__}: {error}"


def _intake(config: DeviceConfig, driver: Driver) -> Intake:
    """What checks readings, as the server's device has it.

    Raises:
        ConfigError: the driver declares channels or commands that cannot be.
    """
    from labmon.device.device import Device
    from labmon.device.intake import Intake
    from labmon.reading import Quality
    from labmon.timestamps import Clock

    device = Device(
        config, driver, clock=Clock(), publish=lambda _: None, changed=lambda _: None
    )  # never started
    return Intake(config.name, device.channels, Quality.SIMULATED if device.is_simulated else 0)


def _in_time(driver: Driver, timeout_s: float) -> Readings:
    """What one poll gave.

    Raises:
        InstrumentTimeoutError: the driver does not come back.
    """
    from labmon.errors import InstrumentTimeoutError

    outcome: list[Any] = []
    thread = threading.Thread(target=_keep, args=(outcome, driver, timeout_s), daemon=True)
    thread.start()
    limit_s = max(timeout_s, driver.connect_timeout_s) + timeout_s
    if _is_stream(driver):
        limit_s += 2 * LISTEN_S
    thread.join(limit_s)
    if thread.is_alive():
        threading.Thread(target=driver.abort, daemon=True).start()
        thread.join(ABORT_S)
        raise InstrumentTimeoutError(f"the driver did not come back within {limit_s:g} s")
    readings, error = outcome
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise RuntimeError(f"the driver ended with {error!r}") from error
    return readings


def _keep(outcome: list[Any], driver: Driver, timeout_s: float) -> None:
    """On the thread: poll, and put what came and what went wrong into a list."""
    readings: Any = None
    try:
        readings = _readings(driver, timeout_s)
    except BaseException as error:  # noqa: BLE001  told on the other thread
        outcome += [None, error]
    else:
        outcome += [readings, None]


def _readings(driver: Driver, timeout_s: float) -> Readings:
    """Connect, and one poll, or what is pushed first; with the readbacks of all parameters."""
    from labmon.device.driver import Timed
    from labmon.device.parameter import Parameters

    try:
        driver.connect()
        polled: Any = _pushed(driver, timeout_s) if _is_stream(driver) else driver.poll()
        given: Any = polled.readings if isinstance(polled, Timed) else polled
        if not isinstance(given, Mapping):
            return given  # which is said to be none
        readbacks = Parameters(driver.parameters).readings(driver, given, time.monotonic())
        return {**given, **readbacks}
    finally:
        driver.disconnect()


def _is_stream(driver: Driver) -> bool:
    from labmon.device.driver import Driver

    return type(driver).stream is not Driver.stream


def _pushed(driver: Driver, timeout_s: float) -> Any:
    """The newest of each channel: until all have come, or a while after the first has."""
    from labmon.device.driver import Timed
    from labmon.errors import InstrumentTimeoutError, OfflineError

    heard: dict[str, Any] = {}
    end_s = time.monotonic() + timeout_s
    for polled in driver.stream():
        given: Any = polled.readings if isinstance(polled, Timed) else polled
        if given and not isinstance(given, Mapping):
            return given  # which is said to be none
        if given and not heard:
            end_s = time.monotonic() + LISTEN_S
        heard.update(given or {})
        if heard and (time.monotonic() > end_s or driver.channels.keys() <= heard.keys()):
            return heard
        if time.monotonic() > end_s:
            raise InstrumentTimeoutError(f"it is connected, but said nothing for {timeout_s:g} s")
    raise OfflineError("its stream ended")


def _table(config: DeviceConfig, driver: Driver, batches: list[AnyBatch]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from labmon.device.channels import all_channels
    from labmon.reading import Batch, quality_words

    channels = all_channels(config.name, driver)
    table = Table("channel", "value", "unit", "quality", box=None, pad_edge=False)
    for batch in batches:
        if isinstance(batch, Batch):
            values: Any = zip(batch.paths, batch.values, batch.qualities, strict=True)
        else:
            values = [(batch.paths[0], f"{len(batch)} samples", 0)]
        for path, value, quality in values:
            name = path.removeprefix(f"{config.name}/")
            channel = channels[name]
            words = " ".join(quality_words(quality))
            table.add_row(*map(Text, (name, _written(value, channel), channel.unit, words)))
    return table


def _written(value: object, channel: Channel) -> str:
    if isinstance(value, float):
        text = f"{value:.{channel.digits}{'e' if channel.scientific else 'f'}}"
        is_untrue = value != 0 and float(text) == 0
        return f"{value:.3g}" if is_untrue else text
    return "none" if value is None else str(value)

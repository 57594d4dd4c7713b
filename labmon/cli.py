"""The command `labmon`: serve, check, drivers; the others stand in `cli_*.py`.

What is heavy is imported inside the commands, so that `--help` is quick. The trap: names and texts
come from the configuration and from instruments; they are printed as text, never as markup.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labmon import __version__, cli_read, cli_simulate, cli_store, cli_transfer
from labmon.cli_store import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rich.tree import Tree

    from labmon.app import App
    from labmon.config import Config, DeviceConfig
    from labmon.device.device import Device
    from labmon.device.driver import Driver

CONFIG = Path("config.yaml")
FILE = click.Path(path_type=Path, dir_okay=False)

log = logging.getLogger(__name__)


class _Commands(click.Group):
    """The commands; what their output cannot take costs a letter or a line, never a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        _fill_what_is_closed()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a file of Windows has no Ω
        try:
            with _ended_as_by_ctrl_c():
                return super().main(*args, **kwargs)
        except OSError as error:
            _forget_output()
            _fail(
                said(error) if error.filename else f"the output cannot be written: {error.strerror}"
            )
        except SystemExit as end:
            if end.code:
                _forget_output()
            raise


def _fill_what_is_closed() -> None:
    """Put something in the place of a standard stream that is closed, as by `>&-`.

    Else the next file that is opened has its number, and what somebody prints gets into it. What
    is written to the output is refused, as it is where a disk is full.
    """
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w"))


def _forget_output() -> None:
    """Drop what the output does not take: Python tries again as it ends, and ends with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM, and a terminal that is closed, end a command as Ctrl-C does: no half file stays.

    The trap: in the background of a shell Ctrl-C is ignored, and what `nohup` ignores stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended_by = 0

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended_by
        ended_by = number
        interrupt = signal.getsignal(signal.SIGINT)
        (interrupt if callable(interrupt) else signal.default_int_handler)(signal.SIGINT, frame)

    known = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]  # Windows has one
    ends = [each for each in known if each and signal.getsignal(each) == signal.SIG_DFL]
    for each in ends:
        signal.signal(each, end)
    try:
        yield
    except SystemExit:
        if ended_by:
            sys.exit(128 + ended_by)  # as a shell has it of who is ended by a signal
        raise
    finally:
        for each in ends:
            signal.signal(each, signal.SIG_DFL)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="labmon")
def main() -> None:
    """Watch laboratory instruments: live in the browser, recorded, controllable."""


cli_store.register(main)
cli_transfer.register(main)
cli_simulate.register(main)
cli_read.register(main)


@main.command()
@click.option("--config", "path", type=FILE, default=CONFIG, show_default=True)
@click.option("--host", help="Address to listen on, instead of the configuration's.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one.")
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for what is recorded.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more in the log.")
def serve(
    path: Path, host: str | None, port: int | None, data_dir: Path | None, verbose: bool
) -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    from labmon import app, config, logs
    from labmon.errors import LabmonError, StorageError

    logs.set_up(is_verbose=verbose)
    try:
        app.run(config.load(path, host=host, port=port, data_dir=data_dir), _say_ready)
    except StorageError as error:
        _fail(f"labmon does not start without its store: {error}")
    except (LabmonError, OSError) as error:
        _fail(said(error))


def _say_ready(app: App) -> None:
    devices = ", ".join(app.devices) or "no devices"
    try:
        click.echo(f"labmon {__version__} is at {app.address}")
        click.echo(f"recording {devices} in {app.config.store_shown}; stop with Ctrl-C")
    except OSError as error:  # a full disk, or nobody who reads: no reason not to record
        log.warning("labmon is at %s; standard output takes nothing: %s", app.address, error)


@main.command()
@click.argument("path", type=FILE, required=False)
@click.option("--config", "option", type=FILE, help="The same as PATH.  [default: config.yaml]")
def check(path: Path | None, option: Path | None) -> None:
    """Say what a configuration means, and everything that is wrong with it; starts nothing."""
    from labmon import config
    from labmon.device.registry import build
    from labmon.errors import ConfigError

    if path is not None and option is not None:
        raise click.UsageError("name the file once: as PATH or with --config")
    try:
        loaded, problems = config.read(path or option or CONFIG)
    except ConfigError as error:
        _fail(error)
    errors = [str(problem) for problem in problems] + _wrong_address(loaded)
    devices: list[Device] = []
    for each in loaded.devices:
        try:
            devices.append(_device(each, build(each)))
        except ConfigError as error:
            errors += str(error).splitlines()
    if errors:
        _fail("\n".join(sorted(errors, key=_line_number)))
    _print(_tree(loaded, devices))


def _wrong_address(config: Config) -> list[str]:
    """What is wrong with a store's address that only MongoDB's own library understands."""
    if not config.store.startswith("mongodb://"):  # the others were read, or need the network
        return []
    from labmon.datastream.backends import open_backend

    try:
        open_backend(config.store)
    except ValueError as error:
        return [f"{config.path}: store: {error}"]
    return []


def _line_number(problem: str) -> int:
    match = re.search(r":(\d+): ", problem)
    return int(match[1]) if match else 0


def _device(config: DeviceConfig, driver: Driver) -> Device:
    """The device as the server would have it; it is never started."""
    from labmon.device.device import Device
    from labmon.timestamps import Clock

    return Device(config, driver, clock=Clock(), publish=lambda _: None, changed=lambda _: None)


def _tree(config: Config, devices: list[Device]) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    count = f"{len(devices)} device" + ("" if len(devices) == 1 else "s")
    tree = Tree(Text(f"{config.path}: {count}, recorded in {config.store_shown}"))
    for each, device in zip(config.devices, devices, strict=True):
        branch = tree.add(Text(_line(each, device)))
        for line in _contents(device):
            branch.add(Text(line))
    return tree


def _line(config: DeviceConfig, device: Device) -> str:
    title = f" ({config.title})" if config.title else ""
    state = f"every {config.period_s:g} s" if config.enabled else "disabled"
    made_up = ", simulated" if device.is_simulated else ""
    return f"{config.name}{title}: driver {config.driver}, {state}{made_up}"


def _contents(device: Device) -> list[str]:
    """The channels and the commands of a device, a line for each."""
    lines = [
        f"{name}{f' [{channel.unit}]' if channel.unit else ''} {channel.description}".rstrip()
        for name, channel in device.channels.items()
    ]
    for command in device.commands.values():
        parameters = ", ".join(command.schema()["properties"])
        lines.append(f"{command.name}({parameters}) {command.doc}".rstrip())
    return lines or ["its channels are known once it is connected"]


@main.command()
@click.argument("name", required=False)
def drivers(name: str | None) -> None:
    """List the drivers, or one of them, with their settings."""
    from rich.text import Text
    from rich.tree import Tree

    from labmon.device import registry
    from labmon.schema_words import did_you_mean

    known = {driver.name: driver for driver in registry.available()}
    if name is not None and name not in known:
        near = did_you_mean(name, known)
        _fail(f"there is no driver {name!r}{near}; there is {', '.join(known)}")
    for driver in known.values() if name is None else [known[name]]:
        tree = Tree(Text.assemble((driver.name, "bold"), f": {driver.doc}"))
        required = driver.settings.get("required", ())
        for key, schema in driver.settings.get("properties", {}).items():
            tree.add(Text(_setting(key, schema, key in required)))
        for line in _trial(driver.trial, is_whole=name is not None):
            tree.add(Text(line))
        _print(tree)


def _trial(trial: str, *, is_whole: bool) -> list[str]:
    """How to try a driver without hardware: the whole configuration, or the line that matters."""
    if is_whole and trial:
        return [f"without hardware:\n{trial.rstrip()}"]
    simulated = [line.strip() for line in trial.splitlines() if "sim://" in line]
    return [f"without hardware: {simulated[0]}"] if simulated else []


def _setting(name: str, schema: dict[str, Any], is_required: bool) -> str:
    from labmon.device.signature import in_words
    from labmon.schema_words import shown

    default = schema.get("default")
    rest = ", required" if is_required else "" if default is None else f", default {shown(default)}"
    description = schema.get("description", "")
    return f"{name}: {in_words(schema)}{rest}" + (f". {description}" if description else "")


def _print(renderable: Any) -> None:
    from rich.console import Console

    width = None if sys.stdout.isatty() else 1000  # a file or a pipe gets whole lines
    Console(highlight=False, width=width).print(renderable)


def _fail(error: object) -> NoReturn:
    """Say what is wrong, a line for each, and end with exit code 1."""
    for line in str(error).splitlines():
        click.secho(line, fg="red", err=True)
    sys.exit(1)

"""The command `labmon simulate`: an instrument without the instrument, for any program to talk to.

What is heavy is imported inside the command. The trap: a pseudo-terminal is gone with this process;
the link to it is removed on Ctrl-C and SIGTERM, lest it lead to somebody else's terminal later.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.device.simulator_server import SimulatorServer

LOOK_S = 0.2


def register(group: click.Group) -> None:
    """Add the command to a group."""
    group.add_command(simulate)


@click.command()
@click.argument("name", required=False)
@click.option(
    "--port",
    "link",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Serve a serial port: a pseudo-terminal, with a link of this name to it.",
)
@click.option(
    "--tcp", "tcp_port", type=click.IntRange(0, 65535), help="Serve on TCP; 0 takes a free port."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen, with --tcp.")
@click.option("--list", "is_list", is_flag=True, help="List the simulators and their options.")
def simulate(
    name: str | None, link: Path | None, tcp_port: int | None, host: str, is_list: bool
) -> None:
    """Serve a simulated instrument for other programs, until Ctrl-C.

    NAME is what stands after sim:// in a configuration, options included:

    \b
        labmon simulate gauge --port /tmp/gauge
        labmon simulate "lakeshore?model=218" --tcp 7777
        labmon simulate "gauge?fault=silence&fault_every_s=60&fault_for_s=10" --port /tmp/gauge
    """  # noqa: D301  click wants the character itself
    from labmon.errors import ConfigError

    if is_list:
        _list()
        return
    if name is None:
        raise click.UsageError("name a simulator, or ask for them with --list")
    if (link is None) == (tcp_port is None):
        raise click.UsageError("say where: either --port LINK or --tcp PORT")
    try:
        _run(name, lambda: _server(name, link, tcp_port, host))
    except (ConfigError, ValueError, OSError) as error:
        _fail(error)


def _server(name: str, link: Path | None, tcp_port: int | None, host: str) -> SimulatorServer:
    from labmon.device.simulator import SCHEME, make_simulator
    from labmon.device.simulator_server import PtySimulatorServer, TcpSimulatorServer
    from labmon.errors import ConfigError

    simulator = make_simulator(SCHEME + name.removeprefix(SCHEME))
    if link is None:
        return TcpSimulatorServer(simulator, host, tcp_port or 0)
    if sys.platform == "win32":
        raise OSError("there are no pseudo-terminals on Windows: use --tcp")
    try:
        return PtySimulatorServer(simulator, link)
    except OSError as error:
        raise ConfigError(f"the link {link} cannot be made: {error.strerror or error}") from None


def _run(name: str, make: Callable[[], SimulatorServer]) -> None:
    """Serve until somebody stops it; what a fault unplugs is plugged in again when that ends."""
    stopped = threading.Event()
    before = {
        each: signal.signal(each, lambda *_: stopped.set())
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        while not stopped.is_set():
            with make() as server:
                click.echo(f"{name} answers at {server.port}; stop with Ctrl-C")
                while server.wait(LOOK_S) and not stopped.is_set():
                    pass
            if not stopped.is_set():
                click.echo(f"{server.port} is unplugged")
                while _is_unplugged(server) and not stopped.wait(LOOK_S):
                    pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _is_unplugged(server: SimulatorServer) -> bool:
    try:
        server.simulator.tick(time.monotonic())
    except ConnectionResetError:
        return True
    return False


def _list() -> None:
    from labmon.device.simulator import describe_simulator, simulators

    for name in simulators():
        doc, options = describe_simulator(name)
        click.secho(name, bold=True, nl=False)
        click.echo(f": {doc}")
        for option in options:
            description = f": {option.description}" if option.description else ""
            click.echo(f"    {option.name}={option.default}{description}")


def _fail(error: object) -> NoReturn:
    click.secho(str(error), fg="red", err=True)
    sys.exit(1)

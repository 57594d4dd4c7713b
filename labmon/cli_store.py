"""The commands that look after a store: inspect, backup, verify; and how all of them find it.

They read, beside a running server or without one. The trap: paths and texts come from instruments;
they are printed as text, never as markup.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.table import Table

    from labmon.upkeep.inspecting import Inspection, StreamFacts
    from labmon.upkeep.verifying import Report

CONFIG = Path("config.yaml")
FILE = click.Path(path_type=Path, dir_okay=False)
MOST_FINDINGS = 20
"""So many are told; a damaged disk has thousands."""
MADE_WITH_DAMAGE = 3
"""Exit code of a backup that has the damage of its store."""

Command = TypeVar("Command", bound="Callable[..., Any]")


def register(group: click.Group) -> None:
    """Add the commands to a group."""
    for command in (inspect, backup, verify):
        group.add_command(command)


def store_options(command: Command) -> Command:
    """`--config`, `--data` and `--store`, given to the command as `store`, an address."""

    def resolved(context: click.Context, _: click.Parameter, value: str | None) -> str:
        path, data_dir = context.params.pop("config"), context.params.pop("data")
        return _address(value) if value else _configured(path, data_dir)

    for option in (
        click.option(
            "--store",
            metavar="FILE|URL",
            callback=resolved,
            help="The store itself: a file, or an address such as sqlite:////var/lib/labmon.db.",
        ),
        click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            is_eager=True,
            expose_value=True,
            help="Folder for what is recorded, instead of the configuration's.",
        ),
        click.option(
            "--config",
            type=FILE,
            default=CONFIG,
            show_default=True,
            is_eager=True,
            help="The configuration that names the store.",
        ),
    ):
        command = option(command)
    return command


def _address(text: str) -> str:
    if "://" not in text and not text.startswith(("sqlite:", "mongodb:", "memory:")):
        return f"sqlite:///{Path(text).absolute()}"
    from labmon.config import STORE

    if text.startswith("memory:") or not STORE.fullmatch(text):
        allowed = "a file, sqlite:////ABSOLUTE/FILE or mongodb://HOST/DATABASE"
        fail(f"--store {text}: found no store that this process can see, allowed: {allowed}")
    return text


def _configured(path: Path, data_dir: Path | None) -> str:
    """The store that a configuration names."""
    from labmon import config
    from labmon.errors import ConfigError

    try:
        store = config.load(path, data_dir=data_dir).store
    except ConfigError as error:
        fail(error)
    if store.startswith("memory:"):
        fail(f"{path}: the store is memory: alone, which no other process can see")
    return store


@click.command(
    epilog=("\b\nExamples:\n  labmon inspect\n  labmon inspect --store /backups/labmon.db --json"),
)
@store_options
@click.option("--json", "is_json", is_flag=True, help="Print JSON instead of tables.")
def inspect(store: str, is_json: bool) -> None:
    """Say what is in a store: streams, datapoints, bytes, and whether the file is well.

    Works beside a running server. Times are UTC. Bytes are those of sealed blocks, rollups and its
    share of time stamps included; bytes/dp those for each datapoint. Where retention has removed
    something, a second table says what, and which level goes back the furthest. Blocks are not
    read: `labmon verify` does that. Ends with exit code 1 where something cannot be read or is
    known to be lost.
    """
    from labmon.upkeep import inspecting

    with failures(), progress("streams") as moved:
        found = asyncio.run(inspecting.inspect(store, moved))
    if is_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        print_out(_streams_table(found))
        if any(stream.removed_until for stream in found.streams):
            print_out(_removed_table(found))
        for line in _facts(found):
            click.echo(line)
    _tell_damage([*found.problems, *found.damage])
    sys.exit(1 if found.problems or found.damage else 0)


def _tell_damage(findings: Sequence[object]) -> None:
    """On stderr, the first of them, and how to learn the rest."""
    for finding in findings[:MOST_FINDINGS]:
        click.secho(str(finding), fg="red", err=True)
    if findings:
        more = f"{len(findings) - MOST_FINDINGS:,} more; " if len(findings) > MOST_FINDINGS else ""
        click.secho(f"{more}labmon verify says all that is damaged", fg="red", err=True)


def _streams_table(found: Inspection) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("stream", "type", "unit"):
        table.add_column(title)
    table.add_column("datapoints", justify="right")
    for title in ("first", "last"):
        table.add_column(title)
    for title in ("bytes", "bytes/dp"):
        table.add_column(title, justify="right")
    table.add_column("rollups stored")
    for stream in found.streams:
        table.add_row(*map(Text, _stream_cells(stream)))
    return table


def _stream_cells(stream: StreamFacts) -> list[str]:
    from labmon.timestamps import to_iso

    each = stream.size.bytes_per_datapoint
    return [
        stream.path,
        stream.value_type + (", derived" if stream.is_derived else ""),
        stream.unit,
        f"{stream.count:,}",
        *("" if t is None else to_iso(t)[:19] + "Z" for t in (stream.first_ns, stream.last_ns)),
        f"{stream.size.total_bytes:,}",
        "" if each is None else f"{each:.2f}",
        " ".join(stream.levels),
    ]


def _removed_table(found: Inspection) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("removed by retention")
    table.add_column("datapoints", justify="right")
    for title in ("what", "goes back the furthest"):
        table.add_column(title)
    for stream in found.streams:
        if stream.removed_until:
            table.add_row(*map(Text, _removed_cells(stream)))
    return table


def _removed_cells(stream: StreamFacts) -> list[str]:
    from labmon.timestamps import to_iso

    by_day: dict[str, list[str]] = {}
    for level, until_ns in stream.removed_until.items():
        by_day.setdefault(to_iso(until_ns)[:10], []).append(level)
    what = "; ".join(f"{' '.join(levels)} before {day}" for day, levels in by_day.items())
    since = "" if stream.first_ns is None else f", from {to_iso(stream.first_ns)[:10]}"
    return [stream.path, f"{stream.removed_count:,}", what, stream.oldest_level + since]


def _facts(found: Inspection) -> list[str]:
    journal = f"{found.journal_entries:,} entries, {found.journal_bytes:,} bytes"
    lines = [f"{len(found.streams):,} streams, {found.count:,} datapoints; journal: {journal}"]
    lines += found.notes
    if file := found.file:
        well = "SQLite finds nothing wrong; blocks are not read here, labmon verify does that"
        health = well if not file.findings else "damaged: make a copy, then run labmon verify"
        lines.append(
            f"{file.path}: schema {file.schema_version}, {file.file_bytes:,} bytes"
            f" ({file.free_bytes:,} free inside), write-ahead log {file.wal_bytes:,}; {health}"
        )
    return lines


@click.command(
    epilog=("\b\nExamples:\n  labmon backup /backups/labmon-$(date +%F).db"),
)
@click.argument("file", type=FILE)
@store_options
@click.option("--force", is_flag=True, help="Replace the file where it exists.")
def backup(file: Path, store: str, force: bool) -> None:
    """Copy the store into FILE, whole and consistent, also while a server is running.

    The copy has its name only once it was opened, its checksums were checked and it is on disk. To
    restore it, stop the server, move the store and the files beside it away, and put the copy in
    its place. Ends with exit code 0 where all of it is whole, 1 where no copy was made, and 3 where
    it was made and the store has damage, which is in the copy too. The first copy that such a one
    replaces is kept as FILE.older.
    """
    from labmon.upkeep.backup import back_up

    with failures(), progress("bytes") as moved:
        made = back_up(store, file, force=force, moved=moved)
    verdict = "opened and checked" if made.is_whole else "the copy is made, the store has damage"
    click.echo(
        f"{made.path}: {len(made.contents.streams):,} streams, {made.contents.count:,} datapoints,"
        f" {made.size_bytes:,} bytes; {verdict}"
    )
    if not made.is_whole:
        _tell_damage([*made.contents.problems, *made.contents.damage, *made.damage])
        if made.kept is not None:
            click.secho(f"{made.kept}: the copy from before, which may have it whole", err=True)
        sys.exit(MADE_WITH_DAMAGE)


@click.command(
    epilog=("\b\nExamples:\n  labmon verify\n  labmon verify --store /backups/labmon.db"),
)
@store_options
def verify(store: str) -> None:
    """Check every checksum, recompute every rollup, and replay the journal; changes nothing.

    Works beside a running server, on what was there when it began. Says which stream, block and
    times are damaged (UTC), and ends with exit code 1 where anything is.
    """
    from labmon.datastream.exceptions import InternalInconsistencyWarning
    from labmon.upkeep import verifying

    warnings.simplefilter("ignore", InternalInconsistencyWarning)  # every finding is printed
    with failures(), progress("blocks") as moved:
        report = asyncio.run(verifying.verify(store, moved))
    for finding in report.findings:
        click.secho(str(finding), fg="red")
    for line in _summary(report):
        click.echo(line)
    sys.exit(0 if report.is_whole else 1)


def _summary(report: Report) -> list[str]:
    lines = []
    if report.set_aside:
        lines.append(f"{report.set_aside} damaged journal entries were set aside by earlier starts")
    count = len(report.findings)
    verdict = "all whole" if report.is_whole else f"{count} finding{'' if count == 1 else 's'}"
    lines.append(
        f"{report.streams:,} streams, {report.blocks:,} blocks, {report.datapoints:,} datapoints,"
        f" {report.buckets:,} rollups, {report.entries:,} journal entries: {verdict}"
    )
    return lines


@contextmanager
def failures() -> Iterator[None]:
    """Say what went wrong in a line, and end with exit code 1.

    Where nobody reads the output any more, as behind `| head`, click ends without a word.
    """
    from labmon.errors import LabmonError

    try:
        yield
    except BrokenPipeError:
        raise
    except (LabmonError, OSError) as error:
        fail(said(error))


def said(error: Exception) -> str:
    """What went wrong, without the number that the system has for it."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, where that is a terminal; called with (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f}% " + what), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_out(renderable: Any) -> None:
    """Print a table; a file or a pipe gets whole lines."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 1000
    Console(highlight=False, width=width).print(renderable)


def fail(error: object) -> NoReturn:
    """Say what is wrong, a line for each, and end with exit code 1."""
    for line in str(error).splitlines():
        click.secho(line, fg="red", err=True)
    sys.exit(1)

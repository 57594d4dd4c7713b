"""The commands `labmon export` and `labmon import`.

The trap: `--format` may be left out only where the ending of the file says it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labmon.cli_store import fail, failures, progress, store_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from labmon.datastream.api import Datastream
    from labmon.transfer.description import Description
    from labmon.transfer.exporting import Export, Progress
    from labmon.transfer.importing import Counts, Importer, Rules
    from labmon.transfer.rows import Wanted
    from labmon.transfer.stash import Stash

FORMATS = click.Choice(["csv", "jsonl", "parquet"])
GRANULARITIES = click.Choice(
    ["raw", "seconds", "seconds10", "minutes", "minutes10", "hours", "hours6", "days"]
)
READ_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def register(group: click.Group) -> None:
    """Add the commands to a group."""
    group.add_command(export)
    group.add_command(import_files)


@click.command(
    epilog=(
        "\b\nExamples:\n"
        "  labmon export 'wavemeter/*' --from -1d --output laser.csv\n"
        "  labmon export '**' --granularity minutes --fields mean,min,max > day.csv\n"
        "  labmon export --output everything.jsonl.gz"
    ),
)
@click.argument("globs", nargs=-1, metavar="[GLOB]...")
@store_options
@click.option("--from", "start", metavar="TIME", help="First time; the beginning by default.")
@click.option("--to", "end", metavar="TIME", help="Time behind the last one; the end by default.")
@click.option(
    "--granularity",
    type=GRANULARITIES,
    default="raw",
    show_default=True,
    help="Datapoints, or buckets of 1 s, 10 s, 1 min, 10 min, 1 h, 6 h, 1 day (UTC).",
)
@click.option("--fields", help="Of buckets: mean,min,max or others; all of them by default.")
@click.option("--format", "format_", type=FORMATS, help="By default what the ending says, or csv.")
@click.option("--long", "is_long", is_flag=True, help="CSV with a row for each datapoint.")
@click.option("--plain", "is_plain", is_flag=True, help="CSV without the comment lines in front.")
@click.option(
    "--output",
    default="-",
    metavar="FILE|-",
    help="A file (packed where it ends in .gz), or - for standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file where it exists.")
def export(
    globs: tuple[str, ...],
    store: str,
    start: str | None,
    end: str | None,
    granularity: str,
    fields: str | None,
    format_: str | None,
    is_long: bool,
    is_plain: bool,
    output: str,
    force: bool,
) -> None:
    """Write streams into a CSV, JSON lines or Parquet file, also while a server is running.

    GLOB selects streams by path: * within a segment, ** across segments, and what begins with _
    (states, commands) only where it is named. Without any, all streams are exported.

    TIME is now, -6h, -30d, ISO 8601 (UTC where no zone is given) or Unix seconds. Values are
    written so that `labmon import` gives back every bit, integers and qualities too.
    """
    from labmon.datastream.granularity import Granularity
    from labmon.transfer import files
    from labmon.transfer.exporting import Export

    path = None if output == "-" else Path(output)
    with failures():
        kind = format_ or ("csv" if path is None else files.format_of(path))
    _need_pyarrow(kind)
    try:
        wanted = Export(
            kind,
            granularity=Granularity.find(granularity),
            fields=None if fields is None else tuple(map(str.strip, fields.split(","))),
            is_long=is_long,
            is_plain=is_plain,
        )
        wanted = _chosen(wanted, globs, start, end)
    except ValueError as error:
        fail(error)
    with failures():
        done, notes = asyncio.run(_export(store, wanted, path, force=force))
    for note in notes:
        click.secho(note, fg="yellow", err=True)
    click.echo(f"{done.rows:,} rows written", err=True)


def _chosen(wanted: Export, globs: tuple[str, ...], start: str | None, end: str | None) -> Export:
    """With the streams and the span of time that were asked for."""
    from labmon import timestamps
    from labmon.paths import Selection

    now_ns = time.time_ns()
    if globs:
        wanted = replace(wanted, selection=Selection(globs))
    if start is not None:
        wanted = replace(wanted, start_ns=timestamps.parse(start, now_ns))
    if end is not None:
        wanted = replace(wanted, end_ns=timestamps.parse(end, now_ns))
    if wanted.start_ns >= wanted.end_ns:
        raise ValueError(f"--to {end} does not lie behind --from {start}: there is nothing between")
    return wanted


async def _export(
    store: str, wanted: Export, path: Path | None, *, force: bool
) -> tuple[Progress, list[str]]:
    from labmon.timestamps import to_iso
    from labmon.transfer import files
    from labmon.transfer.exporting import Progress, export
    from labmon.transfer.snapshot import Snapshot

    blocks = logging.getLogger("labmon.datastream.blocks")
    blocks.addHandler(logging.NullHandler())  # damaged ones are told at the end, once
    with progress("read") as moved:
        done = Progress(lambda now: moved(now.done, now.pieces))
        async with Snapshot(store) as snapshot:
            with files.written(path, force=force) as file:
                await export(snapshot, wanted, file, done)
            notes = [f"left out, it is damaged: {text}" for text in snapshot.damaged]
            if snapshot.unnamed:
                notes.append(f"{snapshot.unnamed} streams have no path and were left out")
    if done.left_out:
        notes.append(f"left out, there are no such rollups: {', '.join(done.left_out)}")
    for stream, until_ns in done.removed.items():
        when = to_iso(until_ns)
        notes.append(f"{stream}: retention has removed what was before {when}: see --granularity")
    return done, notes


@click.command(
    "import",
    epilog=(
        "\b\nExamples:\n"
        "  labmon import everything.jsonl.gz\n"
        "  labmon import gauge.csv --stream chamber/p --value-column p_mbar --unit mbar\n"
        "  labmon import june.csv --prefix archive --dry-run"
    ),
)
@click.argument("paths", nargs=-1, required=True, type=READ_FILE, metavar="FILE...")
@store_options
@click.option("--format", "format_", type=FORMATS, help="By default what the ending says.")
@click.option("--prefix", default="", help="Put before every path: PREFIX/PATH.")
@click.option("--stream", metavar="PATH", help="The one stream that the files are about.")
@click.option("--time-column", metavar="TITLE", help="time, timestamp, t or unix_s by default.")
@click.option("--value-column", metavar="TITLE", help="Where the values of --stream stand.")
@click.option("--unit", help="Of the streams that are made, such as THz.")
@click.option(
    "--type", "value_type", type=click.Choice(["numeric", "nominal"]), help="Of new streams."
)
@click.option("--dry-run", is_flag=True, help="Check everything, and import nothing.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out, and list them.")
@click.option("--only-newer", is_flag=True, help="Leave out what is not newer than what is there.")
@click.option("--late", is_flag=True, help="Take such rows too, flagged late; replaces nothing.")
def import_files(
    paths: tuple[Path, ...],
    store: str,
    format_: str | None,
    dry_run: bool,
    skip_bad: bool,
    only_newer: bool,
    late: bool,
    **wanted: Any,
) -> None:
    """Put CSV, JSON lines or Parquet FILEs into the store; no server may be running on it.

    All of it or nothing: every row is checked before the first is stored, and what is wrong is
    told with file, line and column. Streams are made as an export describes them. Rows that are
    not after the newest datapoint of their stream are refused, so that a file that is imported
    twice does not count twice. Times are ISO 8601 (UTC where no zone is given) or Unix seconds.
    """
    from labmon.paths import check_name
    from labmon.transfer.importing import Rules
    from labmon.transfer.rows import Wanted

    if late and only_newer:
        fail("--late takes rows that --only-newer leaves out: give one of them")
    try:
        for name in ("prefix", "stream"):
            if wanted[name]:
                wanted[name] = check_name(wanted[name])
    except ValueError as error:
        fail(error)
    rules = Rules(skip_bad, late, only_newer)
    with failures():
        asyncio.run(_import(store, paths, format_, Wanted(**wanted), rules, dry_run=dry_run))


async def _import(
    store: str,
    paths: tuple[Path, ...],
    format_: str | None,
    wanted: Wanted,
    rules: Rules,
    *,
    dry_run: bool,
) -> None:
    from labmon.transfer import files
    from labmon.transfer.importing import Importer
    from labmon.transfer.readers import open_reader
    from labmon.transfer.stash import Stash

    formats = [format_ or files.format_of(path) for path in paths]
    for kind in formats:
        _need_pyarrow(kind)
    async with _target(store, dry_run=dry_run) as datastream:
        wanted = replace(wanted, known=_described(datastream))
        pairs = zip(paths, formats, strict=True)
        readers = [(path.name, open_reader(path, kind, wanted)) for path, kind in pairs]
        job = Importer(datastream, readers, wanted, rules, time.time_ns())
        with nullcontext() if dry_run else Stash(_folder_of(store)) as stash:
            with progress("checked") as moved:
                await job.check(stash, moved)
            for line in job.problems.lines():
                click.secho(line, fg="yellow" if rules.skip_bad else "red", err=True)
            if job.is_refused:
                fail(
                    f"{job.problems.count:,} bad rows: nothing is imported (--skip-bad omits them)"
                )
            if stash is not None:
                await _appended(job, stash)
    _tell(job.counts, dry_run=dry_run)


async def _appended(job: Importer, stash: Stash) -> None:
    """Append what was checked; on Ctrl-C say what that leaves."""
    try:
        with progress("imported") as moved:
            await job.append(stash, moved)
    except asyncio.CancelledError:
        text = "interrupted: what was imported until now stays; go on with --only-newer"
        click.secho(text, fg="red", err=True)
        raise


def _folder_of(store: str) -> Path | None:
    """Where the file of a store is: what has room for the store has room for the import."""
    from labmon.upkeep import sqlite_file

    path = sqlite_file.path_of(store)
    return None if path is None else path.parent


@asynccontextmanager
async def _target(store: str, *, dry_run: bool) -> AsyncIterator[Datastream]:
    """The store, for reading only where nothing is to be imported; a missing one is empty then."""
    from labmon import datastream
    from labmon.datastream.exceptions import StoreLocked
    from labmon.upkeep import sqlite_file

    path = sqlite_file.path_of(store)
    is_missing = path is not None and not path.exists()
    try:
        opened = datastream.open(
            "memory:" if dry_run and is_missing else store, read_only=dry_run and not is_missing
        )
        async with opened:
            if is_missing and not dry_run:
                click.secho(f"{path} was not there: a new store is made", fg="yellow", err=True)
            yield opened
    except StoreLocked as error:
        fail(f"{error}\nStop the server, import, and start it again; --dry-run works beside it.")


def _described(datastream: Datastream) -> dict[str, Description]:
    """The streams of the store, by path."""
    from labmon.transfer.description import Description

    found: dict[str, Description] = {}
    for path in datastream.paths():
        stream_id = datastream.stream_id(path)
        if stream_id is not None:
            found[path] = Description.of_descriptor(datastream.describe(stream_id))
    return found


def _tell(counts: Counts, *, dry_run: bool) -> None:
    verb = "would be imported" if dry_run else "imported"
    click.echo(f"{counts.rows:,} datapoints of {len(counts.streams):,} streams {verb}")
    for path in counts.new_streams:
        click.echo(f"new stream {path}")
    for count, what in (
        (counts.bad, "bad rows left out"),
        (counts.older, "rows left out that are not newer than what is there"),
        (counts.late, "of them late"),
    ):
        if count:
            click.echo(f"{count:,} {what}")


def _need_pyarrow(kind: str) -> None:
    if kind == "parquet" and find_spec("pyarrow") is None:
        fail("Parquet needs pyarrow: pip install 'labmon-server[export]'")

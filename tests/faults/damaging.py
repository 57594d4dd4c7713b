"""A store with numbered readings in blocks, and ways to damage its file while it is open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labmon.datastream.backends.sqlite import SqliteBackend
from labmon.reading import Batch
from tests.faults.numbered import STREAMS, time_ns, value

SEQS = 6000


def overwrite(path, first, count):
    """In a process of its own: closing a descriptor here would take our locks away."""
    subprocess.run(
        [
            *("dd", "if=/dev/urandom", f"of={path}", "bs=4096"),
            *(f"seek={first}", f"count={count}", "conv=notrunc", "status=none"),
        ],
        check=True,
    )


def overwrite_bodies(path, count):
    """Overwrite some leaves of the table of bodies: what they hold is gone, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVES, path], capture_output=True, text=True, check=False
    )
    if "no such table: dbstat" in done.stderr:
        pytest.skip("this SQLite does not tell which page is whose (dbstat)")
    pages = [int(line) for line in done.stdout.split()]
    assert len(pages) > 2 * count, done.stderr
    for page in pages[len(pages) // 2 :][:count]:
        overwrite(path, page - 1, 1)


LEAVES = """\
import sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
query = "SELECT pageno FROM dbstat WHERE name = 'bodies' AND pagetype = 'leaf' ORDER BY pageno"
for (page,) in connection.execute(query):
    print(page)
"""


async def append(streams, seqs):
    for seq in seqs:
        values = tuple(value(number, seq) for number in range(len(STREAMS)))
        batch = Batch("load", time_ns(seq), STREAMS, values, bytes(len(STREAMS)))
        assert await streams.append_batch(batch) == ()
        if seq % 50 == 49:
            await streams.commit()


async def found_in(streams):
    found = {}
    for number, name in enumerate(STREAMS):
        raw = await streams.get_arrays(streams.stream_id(name), "raw", 0, 2**62)
        found[number] = raw["v"].tolist()
    return found


async def fill(streams):
    for name in STREAMS:
        await streams.ensure_stream({"path": name}, {}, ["mean"], "raw")
    await append(streams, range(SEQS))
    await streams._engine.sealer.idle()
    backend = streams._engine.backend
    assert isinstance(backend, SqliteBackend)
    await backend._run(
        backend._writer,
        lambda: backend._write_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall(),
    )


def backend_of(streams) -> SqliteBackend:
    backend = streams._engine.backend
    assert isinstance(backend, SqliteBackend)
    return backend


async def salvage(streams) -> int:
    """Look after the store until nothing is left to copy; returns how often that was."""
    count = 0
    while await backend_of(streams).look_after():
        count += 1
    return count

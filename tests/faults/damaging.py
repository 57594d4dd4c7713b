"""A store with numbered readings in blocks, and ways to damage its file while it is open."""

from __future__ import annotations

import subprocess

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

"""Runs the same short recording again and again, a call further on failing each time.

Usage, with `failing_calls.c` preloaded:

    failing_writer.py FOLDER KINDS COUNT ERRNO FIRST STEP DAMAGE

For n = FIRST, FIRST + STEP, ...: the calls n to n + COUNT - 1 on the store's files fail with ERRNO
(0: the process dies in the middle of the n-th), until a run comes to its end without a failure.
Each run, and each look at what it left, is a process forked from this one, which stays small and
without threads. With DAMAGE 1, the database counts as damaged half-way: it is set aside, a new one
made, and what the old one has is copied. Prints one line of JSON for each.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import sqlite3
import sys
import traceback
from pathlib import Path

from labmon import datastream
from labmon.datastream import delivery
from labmon.datastream.exceptions import StoreError
from labmon.datastream.upkeep import upkeep
from labmon.reading import Batch
from tests.faults.numbered import STREAMS, check, stored, time_ns, value

SEQS = 60
BATCHES = 4
MOST = 3000
LIBC = ctypes.CDLL(None)


async def record(path, say, *, is_damaged):
    """Open, append, commit, seal, trim; opened again as a supervisor does where that fails."""
    for _ in range(20):
        with contextlib.suppress(StoreError):
            async with datastream.open(
                f"sqlite:///{path}", clock=lambda: time_ns(SEQS), seal_datapoints=16
            ) as streams:
                await append(streams, say, is_damaged=is_damaged)
            return
    raise AssertionError("the store cannot be opened any more")


async def append(streams, say, *, is_damaged):
    ids = [await streams.ensure_stream({"path": name}, {}, ["mean"], "raw") for name in STREAMS]
    for seq in range(streams.describe(ids[0])["count"], SEQS):
        values = tuple(value(number, seq) for number in range(len(STREAMS)))
        batch = Batch("load", time_ns(seq), STREAMS, values, bytes(len(STREAMS)))
        assert await streams.append_batch(batch) == ()
        if seq % BATCHES == BATCHES - 1:
            await streams.commit()
            say(seq)
        if seq == SEQS // 2 and is_damaged:
            await streams._engine.sealer.idle()
            streams._engine.backend._is_damaged = True
    await upkeep(streams._engine, keep_ns=0)
    await looked_after(streams)


async def looked_after(streams):
    """Keep a reserve, and copy what was set aside; whatever fails is tried again."""
    for _ in range(20):
        with contextlib.suppress(StoreError):
            if not await streams._engine.backend.look_after():
                return


def forked(work):
    """Do some work in a process of its own; returns its exit code and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            work(lambda said: os.write(writing, f"{json.dumps(said)}\n".encode()))
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the test is told
            os.write(writing, json.dumps(traceback.format_exc()).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = [json.loads(line) for line in pipe]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def run(folder, kinds, first, count, error, is_damaged, say):
    """One recording with failing calls, and without at the end of it."""
    os.makedirs(folder)  # noqa: PTH103 - before anything fails
    LIBC.fail_calls(f"{folder}/".encode(), kinds, first, count, error)
    asyncio.run(record(folder / "labmon.db", say, is_damaged=is_damaged))
    say({"failed": LIBC.calls_failed()})


async def salvage(path):
    """Open it once more, until it no longer needs what was set aside."""
    async with datastream.open(f"sqlite:///{path}") as streams:
        await looked_after(streams)
        assert not streams.condition.set_aside.waiting
    for aside in path.parent.glob("*.corrupt.*"):
        aside.unlink()


def look(folder, acked, say):
    """Whether everything acknowledged is there once, and the file is sound and stands alone."""
    path = folder / "labmon.db"
    asyncio.run(salvage(path))
    found = asyncio.run(stored(path))
    with contextlib.redirect_stdout(None):
        check(
            found,
            {number: set(range(acked + 1)) for number in found},
            {number: set(range(SEQS)) for number in found},
        )
    assert len({len(values) for values in found.values()}) == 1, "a batch is there by half"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    say(len(found[0]))


def main(folder, kinds, count, error, first, step, is_damaged):
    delivery.FIRST_PAUSE_S = delivery.LONGEST_PAUSE_S = 0.001  # type: ignore[misc]
    for n in range(first, MOST, step):
        here = Path(folder) / f"n{n}"
        code, said = forked(
            lambda say, n=n, here=here: run(here, kinds, n, count, error, is_damaged, say)
        )
        acked = max((seq for seq in said if isinstance(seq, int)), default=-1)
        is_done = code == 0 and said[-1] == {"failed": 0}
        seen, found = forked(lambda say, here=here, acked=acked: look(here, acked, say))
        print(json.dumps([n, code, acked, seen, said[-1:], found, is_done]), flush=True)
        if is_done:
            return


main(sys.argv[1], *map(int, sys.argv[2:]))

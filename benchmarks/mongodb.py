"""Durable ingest into MongoDB through Motor: labmon's engine, and one document for each reading."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from motor.motor_asyncio import AsyncIOMotorClient

from benchmarks.ingest import grouped, polls_by_device
from benchmarks.lab_data import PER_SECOND
from benchmarks.rounds import Spread, arguments, interleaved, ratios, report, table
from benchmarks.stores import NUMBERS, Labmon, opened

METHOD = """\
40 streams as polls of Python numbers, through Motor, `w=majority, j=True`, into a new database of
the same server each time: {server}, over a socket. Everybody commits after the same datapoints and
goes on when the server has acknowledged them. Documents: `{{"stream", "t", "v"}}`, unordered
`insert_many` for each commit, with the index on stream and time that questions need; labmon:
`append_batch_now`, rollups and compression included. Goal: 20 times as many."""
START_S = 30


class Documents:
    """One document for each reading, as most people would do it."""

    def __init__(self, url):
        self._client = AsyncIOMotorClient(url, w="majority", journal=True)
        self._readings = self._client.get_default_database().readings
        self._waiting = []

    async def open(self):
        await self._readings.create_index([("stream", 1), ("t", 1)])
        return self

    async def close(self):
        self._client.close()

    async def take_polls(self, polls):
        self._waiting += [
            {"stream": n, "t": t, "v": v}
            for name, t, values in polls
            for n, v in zip(NUMBERS[name], values, strict=True)
        ]

    async def commit(self):
        await self._readings.insert_many(self._waiting, ordered=False)
        self._waiting = []


@contextlib.contextmanager
def served(folder):
    """The address of a server: the one that LABMON_TEST_MONGO_URI names, else SecantusDB here."""
    if url := os.environ.get("LABMON_TEST_MONGO_URI"):
        yield url.rstrip("/"), "the one that LABMON_TEST_MONGO_URI names"
        return
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    program = Path(sys.executable).with_name("secantusd-py")
    place = ["--port", str(port), "--storage-path", str(Path(folder) / "secantus")]
    process = subprocess.Popen(
        [program, *place, "--sync-on-commit", "--log-level", "WARNING"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(process, port)
        yield f"mongodb://127.0.0.1:{port}", "SecantusDB with `--sync-on-commit`"
    finally:
        process.terminate()
        process.wait()


def wait_for(process, port):
    """Wait until a server takes connections."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)  # noqa: TID251 - there is no loop to be blocked
    raise SystemExit("the MongoDB server did not start")


async def fed(store, groups):
    """Seconds that a store takes for groups that are committed one by one."""
    async with opened(store):
        start_s = time.perf_counter()
        for group in groups:
            await store.take_polls(group)
            await store.commit()
        return time.perf_counter() - start_s


async def compared(chosen, url, seconds, each_s):
    """A row of the table."""
    groups = grouped(polls_by_device(seconds), 22 * each_s)

    def new_url():
        return f"{url}/bench_{uuid.uuid4().hex}"

    async def labmon(_):
        with tempfile.TemporaryDirectory() as folder:
            return await fed(Labmon(folder, new_url()), groups)

    async def documents(_):
        return await fed(Documents(new_url()), groups)

    contenders = {"labmon": labmon, "documents": documents}
    took = await interleaved(chosen.rounds, contenders)
    count = seconds * PER_SECOND / 1000
    speeds = {name: Spread([count / s for s in values]) for name, values in took.items()}
    row = [f"a commit every {each_s * PER_SECOND:,} datapoints", *speeds.values()]
    return [*row, ratios(speeds["labmon"].values, speeds["documents"].values)]


async def measured(chosen, url):
    seconds = int(chosen.seconds)
    sizes = [each_s for each_s in (1, 60) if seconds >= each_s]
    return [await compared(chosen, url, seconds, each_s) for each_s in sizes]


def main():
    chosen = arguments(__doc__, seconds=(120, 4))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder, served(folder) as (url, server):
        rows = asyncio.run(measured(chosen, url))
    head = ["thousand datapoints/s", "labmon on MongoDB", "one document each", "ratio"]
    method = METHOD.format(server=server)
    report("mongodb", method, table(head, rows), chosen, "motor", "pymongo", "secantusdb")


if __name__ == "__main__":
    main()

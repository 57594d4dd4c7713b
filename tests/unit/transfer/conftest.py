"""Stores in memory that are written to files and read back."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labmon import datastream
from labmon.datastream import Granularity
from labmon.datastream.backends.memory import MemoryBackend
from labmon.transfer import files
from labmon.transfer.exporting import Export, Progress, export
from labmon.transfer.importing import Importer, Rules
from labmon.transfer.readers import open_reader
from labmon.transfer.rows import Wanted
from labmon.transfer.snapshot import Snapshot
from labmon.transfer.stash import Stash

START_NS = 1_733_000_000 * 10**9


@dataclass
class Store:
    """A store in memory, opened anew for everything that is done with it."""

    folder: Path
    backend: MemoryBackend = field(default_factory=MemoryBackend)

    def do(self, work):
        async def run():
            async with datastream.open(self.backend) as opened:
                return await work(opened)

        return asyncio.run(run())

    def fill(self, path, datapoints, value_type="numeric", downsamplers=(), options=None, **tags):
        """Append (time, value[, quality]) to a stream, in any order."""

        async def work(opened):
            stream = await opened.ensure_stream(
                {"path": path},
                tags,
                downsamplers,
                Granularity.Raw,
                value_type=value_type,
                value_type_options=options,
            )
            for time_ns, value, *quality in datapoints:
                await opened.append(
                    stream, value, time_ns, check_timestamp=False, quality=sum(quality)
                )

        self.do(work)

    def fill_array(self, path, t, v, q=None, downsamplers=("mean", "min", "max"), **tags):
        async def work(opened):
            stream = await opened.ensure_stream({"path": path}, tags, downsamplers, Granularity.Raw)
            await opened.append_array(stream, t, v, q)

        self.do(work)

    def contents(self):
        """{path: (configuration and tags, [(time, exact text of the value, quality)])}."""

        async def work(opened):
            found = {}
            for path in opened.paths():
                stream = opened.stream_id(path)
                points = await (await opened.get_data(stream, "raw", start=0)).fetch()
                known = opened.describe(stream)
                for name in ("stream_id", "downsampled_until"):
                    del known[name]
                found[path] = known, [(p["t"], repr(p["v"]), p.get("quality", 0)) for p in points]
            return found

        return self.do(work)

    def points(self, path):
        return self.contents()[path][1]

    def export(self, name, **wanted):
        path = self.folder / name

        async def run():
            async with Snapshot(self.backend) as snapshot:
                progress = Progress()
                with files.written(path, force=True) as file:
                    await export(snapshot, Export(files.format_of(path), **wanted), file, progress)
                assert progress.done == progress.pieces
                return progress

        self.progress = asyncio.run(run())
        return path

    def load(self, *paths, dry_run=False, now_ns=None, wanted=None, **rules):
        """Import files; returns the importer after it is done."""

        async def work(opened):
            want = wanted or Wanted()
            readers = [(p.name, open_reader(p, files.format_of(p), want)) for p in paths]
            job = Importer(opened, readers, want, Rules(**rules), now_ns or time.time_ns())
            with Stash(self.folder) as stash:
                await job.check(None if dry_run else stash)
                if not job.is_refused and not dry_run:
                    await job.append(stash)
            return job

        return self.do(work)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def other(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def written(tmp_path):
    def written(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture
def stores(tmp_path_factory):
    """A factory, for tests that need new stores for every example."""
    folder = tmp_path_factory.mktemp("stores")
    return lambda: Store(folder)

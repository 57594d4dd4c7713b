"""Files of any size are written and read in the same memory."""

import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import asyncio, resource, sys, time
    from pathlib import Path
    import numpy as np
    from labmon import datastream
    from labmon.transfer import files
    from labmon.transfer.exporting import Export, Progress, export
    from labmon.transfer.importing import Importer, Rules
    from labmon.transfer.readers import open_reader
    from labmon.transfer.rows import Wanted
    from labmon.transfer.snapshot import Snapshot
    from labmon.transfer.stash import Stash
    from labmon.upkeep.verifying import verify

    folder, name, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    source, target = (f"sqlite:///{folder}/{name}.{rows}.{which}.db" for which in "ab")

    async def main():
        rng = np.random.default_rng(1)
        async with datastream.open(source) as opened:
            ids = [
                await opened.ensure_stream({"path": f"a/{i}"}, {}, {"mean", "std_dev"}, "raw")
                for i in range(2)
            ]
            for start in range(0, rows, 131_072):
                count = min(131_072, rows - start)
                t = 1_700_000_000 * 10**9 + np.arange(start, start + count) * 10**8
                for one in ids:
                    v = np.round(rng.standard_normal(count), 3)
                    await opened.append_array(one, t + rng.integers(0, 10**7, count) * 5, v)
        path = folder / f"{rows}.{name}"
        async with Snapshot(source) as snapshot:
            with files.written(path) as file:
                wanted = Export(files.format_of(path), is_long="long" in name)
                await export(snapshot, wanted, file, Progress())
        async with datastream.open(target) as opened:
            wanted = Wanted()
            reader = open_reader(path, files.format_of(path), wanted)
            job = Importer(opened, [(path.name, reader)], wanted, Rules(), time.time_ns())
            with Stash(folder) as stash:
                await job.check(stash)
                assert (await job.append(stash)).rows == 2 * rows
        report = await verify(target)
        assert report.is_whole, report.findings[:3]
        assert report.datapoints == 2 * rows
        path.unlink()

    asyncio.run(main())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mib(folder, name, rows):
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(folder), name, str(rows)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


@pytest.mark.long
@pytest.mark.parametrize("name", ["x.csv", "long.csv.gz", "x.jsonl", "x.parquet"])
def test_many_times_the_rows_take_no_more_memory(tmp_path, name):
    small, large = (peak_mib(tmp_path, name, rows) for rows in (600_000, 2_400_000))
    assert large < 1.25 * small + 10, f"{small} MiB became {large} MiB"

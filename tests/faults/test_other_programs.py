"""Somebody looks into the database file with another program while labmon writes to it."""

import subprocess
import sys

from labmon import datastream

LOOK = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM journal").fetchone()[0])
connection.close()
"""


def look(path):
    """Open the file as any database browser does, and close it again: the last one cleans up."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, path], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


async def test_a_database_browser_takes_nothing_away(tmp_path):
    path = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{path}") as streams:
        stream = await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], "raw")
        for number in range(5):
            await streams.append(stream, float(number), number)
            await streams.commit()
            assert look(path) == number + 1
            assert (tmp_path / "labmon.db-wal").exists(), "it deleted what labmon goes on writing"
        async with datastream.open(f"sqlite:///{path}", read_only=True) as others:
            assert (await others.get_arrays(stream, "raw", 0, 2**62))["v"].tolist() == list(
                range(5)
            )
        await streams.append(stream, 5.0, 5)
        await streams.commit()
        assert look(path) == 6

"""`labmon export`, `import`, `inspect`, `backup` and `verify` beside a real server, and without."""

import asyncio
import contextlib
import csv
import fcntl
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner

from labmon.cli import main
from tests.bodies import bodies

ROOT = Path(__file__).parents[2]


@pytest.fixture
def labmon(tmp_path):
    """Run the command in a process of its own, as people do."""

    def run(*arguments, code=0):
        process = subprocess.run(
            [sys.executable, "-m", "labmon", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'drivers'}",
                "NO_COLOR": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == code, process.stdout + process.stderr
        return process

    return run


@pytest.fixture
def server(server_process):
    server = server_process("devices: {}\n")
    server.start()
    yield server
    server.end()


def push(server, count, first=0):
    readings = [{"stream": "a/b", "value": i / 4} for i in range(first, first + count)]
    for reading in readings:
        server.post("/api/v1/append", [reading])


def test_everything_works_beside_a_running_server(labmon, server, tmp_path, until):
    push(server, 20)
    store = ("--config", server.config, "--data", server.data)

    def exported():
        text = labmon("export", "a/*", *store, "--plain").stdout
        return [row["a/b"] for row in csv.DictReader(io.StringIO(text))]

    until(lambda: len(exported()) == 20)
    assert exported() == [str(i / 4) for i in range(20)]
    found = json.loads(labmon("inspect", *store, "--json").stdout)
    assert found["problems"] == []
    assert {s["path"]: s["count"] for s in found["streams"]}["a/b"] == 20
    assert "a/b" in labmon("inspect", *store).stdout
    assert "all whole" in labmon("verify", *store).stdout
    copy = tmp_path / "copy.db"
    assert "opened and checked" in labmon("backup", copy, *store).stdout
    assert "all whole" in labmon("verify", "--store", copy).stdout
    assert "exists: give --force" in labmon("backup", copy, *store, code=1).stderr
    push(server, 1)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_export_that_nobody_reads_to_its_end_ends_without_a_word(
    labmon, tmp_path, until, unbuffered
):
    """Nor does it say that all is written, also where Python is told not to buffer anything."""
    source = tmp_path / "many.csv"
    source.write_text("time,a\n" + "".join(f"17000{i},{i}.5\n" for i in range(20_000, 40_000)))
    store = ("--store", tmp_path / "x.db")
    labmon("import", source, *store)
    command = [sys.executable, "-m", "labmon", "export", *map(str, store), "--plain"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("time,")
    until(lambda: waiting_bytes(process.stdout) > 60_000, what="a full pipe")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
    process.stderr.close()


def waiting_bytes(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_under_an_export_is_said_in_words(labmon, tmp_path):
    (tmp_path / "a.csv").write_text("time,a/b\n1700000000,1.5\n")
    store = ("--store", tmp_path / "x.db")
    labmon("import", tmp_path / "a.csv", *store)
    command = [sys.executable, "-m", "labmon", "export", *map(str, store)]
    with Path("/dev/full").open("w") as output:
        done = subprocess.run(
            command, cwd=ROOT, stdout=output, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.stderr.startswith("standard output: No space left on device\n")


def test_a_span_of_nothing_is_refused(labmon, tmp_path):
    said = labmon("export", "--store", tmp_path / "x.db", "--from", "now", "--to", "-1h", code=1)
    assert "does not lie behind --from now" in said.stderr


def test_an_import_waits_for_the_server_to_be_stopped(labmon, server, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("time,c/d\n1700000000,1.5\n")
    store = ("--config", server.config, "--data", server.data)
    refused = labmon("import", path, *store, code=1).stderr
    assert "in use by process" in refused
    assert "Stop the server, import, and start it again" in refused
    assert (
        "1 datapoints of 1 streams would be" in labmon("import", path, *store, "--dry-run").stdout
    )
    server.end()
    assert "new stream c/d" in labmon("import", path, *store).stdout
    server.start()
    (stream,) = server.get("/api/v1/streams?path=c/d")["streams"]
    assert (stream["latest_value"], stream["count"]) == (1.5, 1)


@pytest.fixture
def interruptible():
    """Ctrl-C counts, also where a shell runs the tests in its background and has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_import_that_is_interrupted_says_what_that_leaves(tmp_path, monkeypatch):
    async def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    monkeypatch.setattr("labmon.transfer.importing.Importer.append", interrupt)
    path = tmp_path / "x.csv"
    path.write_text("time,c/d\n1700000000,1.5\n")
    done = CliRunner().invoke(main, ["import", str(path), "--store", str(tmp_path / "x.db")])
    assert done.exit_code == 1
    assert "what was imported until now stays; go on with --only-newer" in done.stderr


@pytest.fixture(params=["counts", "is ignored"])
def ctrl_c(request):
    """Ctrl-C counts, or is ignored as in the background of a shell."""
    handler = signal.default_int_handler if request.param == "counts" else signal.SIG_IGN
    before = signal.signal(signal.SIGINT, handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_export_that_is_ended_leaves_no_half_file(tmp_path, monkeypatch, number):
    async def end(_snapshot, _wanted, file, _done):
        file.write(b"half")
        assert list(folder.iterdir())
        os.kill(os.getpid(), number)
        await asyncio.sleep(60)

    monkeypatch.setattr("labmon.transfer.exporting.export", end)
    (folder := tmp_path / "out").mkdir()
    (tmp_path / "x.csv").write_text("time,c/d\n1700000000,1.5\n")
    store = ["--store", str(tmp_path / "x.db")]
    assert CliRunner().invoke(main, ["import", str(tmp_path / "x.csv"), *store]).exit_code == 0
    done = CliRunner().invoke(main, ["export", "--output", str(folder / "y.csv"), *store])
    assert done.exit_code == 128 + number
    assert list(folder.iterdir()) == []
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_store_moves_to_another_file_and_back(labmon, tmp_path):
    source = tmp_path / "source.csv"
    source.write_text("time,a/b\n" + "".join(f"{1700000000 + i},{i}.5\n" for i in range(100)))
    labmon("import", source, "--store", "one.db", "--unit", "mbar")
    labmon("export", "--store", "one.db", "--output", "all.jsonl.gz")
    assert "100 datapoints" in labmon("import", "all.jsonl.gz", "--store", "two.db").stdout
    one, two = (labmon("export", "--store", name).stdout for name in ("one.db", "two.db"))
    assert one == two
    assert "a/b (mbar)" in one
    again = labmon("import", "all.jsonl.gz", "--store", "two.db", code=1).stderr
    assert "is not after the newest datapoint" in again
    assert "100 bad rows: nothing is imported" in again
    newer = labmon("import", "all.jsonl.gz", "--store", "two.db", "--only-newer").stdout
    assert "100 rows left out that are not newer" in newer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "--store", "none.db"), "none.db does not exist"),
        (("export", "--from", "someday", "--store", "x.db"), "'someday' is no time"),
        (("export", "a b c*[", "--store", "x.db"), "is no glob"),
        (("inspect", "--config", "none.yaml"), "none.yaml"),
        (("import", "x.dat", "--store", "x.db"), "give --format"),
        (("import", "x.dat", "--store", "x.db", "--late", "--only-newer"), "give one of them"),
        (("verify", "--store", "x.dat"), "is no SQLite database"),
    ],
)
def test_what_goes_wrong_is_one_line_and_exit_code_1(labmon, tmp_path, arguments, said):
    (tmp_path / "x.dat").write_text("something\n")
    error = labmon(*arguments, code=1).stderr
    assert said in error
    assert "Traceback" not in error


def test_verify_ends_with_1_on_damage(labmon, tmp_path):
    rows = "".join(f"{1700000000 + i},{i}.5\n" for i in range(10_000))
    (tmp_path / "a.csv").write_text("time,a/b\n" + rows)
    labmon("import", "a.csv", "--store", "x.db")
    path = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        body = bodies(connection)[1]
    data = bytearray(path.read_bytes())
    at = data.index(body[100:200])
    data[at + 50] ^= 1
    path.write_bytes(data)
    said = labmon("verify", "--store", "x.db", code=1).stdout
    assert "a/b: block 1/r/" in said
    assert "checksum" in said
    assert "2023-11-1" in said
    assert "1 finding" in said
    export = labmon("export", "--store", "x.db", "--output", "y.csv")
    assert export.stderr.splitlines()[0].startswith("left out, it is damaged")
    assert len(export.stderr.splitlines()) == 2


def test_help_has_units_and_examples(labmon):
    for command in ("export", "import", "inspect", "backup", "verify"):
        text = labmon(command, "--help").stdout
        assert "Examples:" in text
        assert f"labmon {command}" in text
        assert "--store" in text

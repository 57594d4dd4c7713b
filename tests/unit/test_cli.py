"""The command `labmon`: what it prints, and the exit code, for every way that people call it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import labmon
from labmon import cli, datastream
from labmon.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run():
    def run(*arguments: object):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def config(tmp_path):
    def config(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return config


def test_the_version_is_the_packages(run):
    assert run("--version").output == f"labmon, version {labmon.__version__}\n"


def test_help_names_the_commands_and_imports_nothing_heavy():
    program = "import sys; from labmon.cli import main; main(['--help'], standalone_mode=False);"
    program += "print(sorted({'numpy', 'pydantic', 'tornado', 'rich', 'yaml'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")
    for command in ("serve", "check", "drivers", "read"):
        assert f"\n  {command} " in done.stdout


def test_check_prints_devices_channels_and_commands(run):
    result = run("check", ROOT / "config.yaml")
    assert result.exit_code == 0, result.output
    for words in (
        "wavemeter (Wavemeter): driver",
        "every 0.1 s",
        "set_exposure(channel, ",
        "[mbar]",
    ):
        assert words in result.output


def test_check_says_everything_that_is_wrong_in_the_order_of_the_file(run, config):
    path = config(
        "server: {port: -1}\n"
        "devices:\n"
        "  a: {driver: host, pth: /}\n"
        "  b: {driver: hots}\n"
        "  c: {driver: host, period_s: 0}\n"
        "  d: {driver: 'tests.server.bench_driver:Bench', port: x}\n"
    )
    result = run("check", path)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    places = [line.removeprefix(f"{path}:").split(":")[0] for line in lines]
    assert places == ["1", "3", "4", "5", "6"], lines
    assert "did you mean 'path'?" in lines[1]
    assert "did you mean 'host'?" in lines[2]


def test_check_knows_labmons_own_keys_where_a_driver_does_not(run, config):
    path = config("devices: {a: {driver: host, perid_s: 1, titel: x}}")
    lines = run("check", path).stderr.splitlines()
    assert (
        f"{path}:1: devices.a.perid_s: unknown (did you mean 'period_s'?); allowed: path"
        in (lines[0].partition(", and")[0])
    )
    assert "did you mean 'title'?" in lines[1]
    assert "labmon's own driver, title, group, period_s" in lines[1]


def test_check_looks_at_a_driver_also_where_labmons_own_keys_are_wrong(run, config):
    path = config("devices:\n  a:\n    driver: host\n    period_s: 100 ms\n    pth: /\n")
    lines = run("check", path).stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["devices.a.period_s", "devices.a.pth"]


@pytest.mark.parametrize(
    ("settings", "line", "said"),
    [
        (
            "    driver: simulated_wavemeter\n    lasers:\n     ch1:\n      frequency_thz: fast\n",
            6,
            'lasers.ch1.frequency_thz: found "fast", allowed: a number above 0 below 10000',
        ),
        (
            "    driver: serial_line\n    port: x\n    channels:\n      a:\n        unti: V\n",
            7,
            "channels.a.unti: unknown (did you mean 'unit'?); allowed: unit, label,",
        ),
        (
            (
                "    driver: serial_line\n    port: x\n    channels: {}\n"
                "    columns:\n    - a\n    - 5\n"
            ),
            8,
            "columns.1: found 5, allowed: text",
        ),
    ],
)
def test_check_names_what_is_wrong_inside_a_setting(run, config, settings, line, said):
    path = config(f"devices:\n  a:\n{settings}")
    result = run("check", path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{path}:{line}: devices.a.{said}")


@pytest.mark.parametrize("command", [["check"], ["serve", "--port", "0", "--config"]])
def test_an_address_that_mongodb_does_not_understand_is_told_without_its_password(
    run, config, command
):
    path = config("store: mongodb://user:pa@ss@host/db")
    result = run(*command, path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{path}: store: no MongoDB address, such as mongodb://")
    assert "pa@ss" not in result.stderr


def test_the_password_of_a_store_is_not_printed(run, config):
    output = run("check", config("store: mongodb://user:pass@host/db")).output
    assert output == f"{config('')}: 0 devices, recorded in mongodb://host/db\n"


def test_check_takes_its_file_in_either_way(run, config):
    path = config("devices: {a: {driver: hots}}")
    assert run("check", "--config", path).stderr == run("check", path).stderr != ""
    assert run("check", path, "--config", path).exit_code == 2


def test_check_of_a_file_that_is_not_there_says_so(run, tmp_path):
    result = run("check", tmp_path / "none.yaml")
    assert result.exit_code == 1
    assert result.stderr == f"{tmp_path}/none.yaml: cannot be read: No such file or directory\n"


def test_check_prints_names_as_they_are_and_not_as_markup(run, config):
    path = config("devices: {a: {driver: host, title: '[red]x[/red]'}}")
    assert "a ([red]x[/red]): driver host, every 1 s" in run("check", path).output


def test_drivers_lists_each_with_its_settings(run):
    result = run("drivers")
    assert result.exit_code == 0
    assert "host: " in result.output
    assert "serial_line: " in result.output
    assert "port: text, required" in result.output
    assert "without hardware: broker: sim://tasmota" in result.output


def test_a_driver_is_listed_with_a_configuration_that_runs_as_it_stands(run, config):
    text = run("drivers", "leoni").output.partition("without hardware:\n")[2]
    path = config(textwrap.dedent(text))
    result = run("read", "fibre_switch", "--config", path)
    assert result.exit_code == 0, result.stderr
    assert "simulated" in result.output


def test_drivers_of_one_name_lists_only_that(run):
    result = run("drivers", "host")
    assert "host: " in result.output
    assert "serial_line" not in result.output
    result = run("drivers", "hots")
    assert result.exit_code == 1
    assert "there is no driver 'hots' (did you mean 'host'?)" in result.stderr


def test_read_prints_one_poll(run, config):
    path = config("devices: {bench: {driver: 'tests.server.bench_driver:Bench'}}")
    result = run("read", "bench", "--config", path)
    assert result.exit_code == 0, result.stderr
    assert [line.split() for line in result.output.splitlines()] == [
        ["channel", "value", "unit", "quality"],
        ["level", "0.00", "%", "ok"],
        ["count", "1", "ok"],
    ]


def test_read_speaks_to_a_simulator_through_the_serial_driver(run):
    result = run("read", "gauge", "--config", ROOT / "config.yaml")
    assert result.exit_code == 0, result.stderr
    chamber = next(line for line in result.output.splitlines() if line.startswith("chamber"))
    assert chamber.split()[2:] == ["mbar", "ok", "simulated"]


def test_read_of_an_unknown_device_says_which_there_are(run, config):
    result = run("read", "bnch", "--config", config("devices: {bench: {driver: host}}"))
    assert result.exit_code == 1
    assert "there is no device 'bnch' (did you mean 'bench'?); there is bench" in result.stderr


def test_read_of_an_instrument_that_is_not_there_says_why(run, config, tmp_path):
    device = f"{{driver: serial_line, port: {tmp_path}/none, channels: {{x: {{}}}}}}"
    result = run("read", "a", "--config", config(f"devices: {{a: {device}}}"))
    assert result.exit_code == 1
    assert f"{tmp_path}/none" in result.stderr
    assert "Traceback" not in result.output


def test_read_shows_the_author_of_a_driver_where_it_failed(run, config, tmp_path):
    driver = "from labmon.device import Driver\n\nclass Bad(Driver):\n"
    driver += "    def poll(self):\n        return unheard_of\n"
    (tmp_path / "my_bad_driver.py").write_text(driver)
    result = run("read", "a", "--config", config("devices: {a: {driver: 'my_bad_driver:Bad'}}"))
    assert result.exit_code == 1
    assert "the driver failed" in result.stderr
    assert 'my_bad_driver.py", line 5, in poll' in result.stderr
    assert "NameError: name 'unheard_of' is not defined" in result.stderr


def test_serve_says_which_data_folder_cannot_be_made(run, config, tmp_path):
    (tmp_path / "file").touch()
    path = config("{}")
    result = run("serve", "--config", path, "--port", 0, "--data", tmp_path / "file" / "data")
    assert result.exit_code == 1
    assert f"the data folder {tmp_path}/file/data cannot be made: Not a directory" in result.stderr
    assert "--data DIR" in result.stderr


def test_serve_says_that_it_is_the_store_without_which_it_does_not_start(run, config, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labmon.db").write_text("no database")
    result = run("serve", "--config", config("{}"), "--port", 0, "--data", tmp_path / "data")
    assert result.exit_code == 1
    assert result.stderr.startswith("labmon does not start without its store: ")
    assert "labmon.db is no SQLite database; it was left as it is" in result.stderr


def test_serve_with_a_wrong_configuration_says_what_is_wrong_and_starts_nothing(run, config):
    path = config("devices: {a: {driver: host, period_s: 0}}")
    result = run("serve", "--config", path)
    assert result.exit_code == 1
    assert f"{path}:1: devices.a.period_s: found 0, allowed: a number from 0.001" in result.stderr
    assert not (path.parent / "data").exists()
    result = run("serve", "--config", path, "--port", "99999")
    assert result.exit_code == 2


def into_a_full_disk(*arguments):
    """What a command says, and its exit code, where its output cannot be written."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with full.open("w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "labmon", *arguments],
            cwd=ROOT, env=usual, stdout=output, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["drivers", "host"], ["simulate", "--list"]])
def test_an_output_that_takes_nothing_is_said_in_a_line(arguments):
    said = "the output cannot be written: No space left on device\n"
    assert into_a_full_disk(*arguments) == (1, said)


def with_closed(streams, *arguments):
    """What a command says, and its exit code, where a shell has closed some of its streams."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m labmon "$@" {streams}', sys.executable, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_an_output_that_is_closed_is_said_in_a_line():
    said = "the output cannot be written: Bad file descriptor\n"
    assert with_closed(">&-", "check") == (1, said)
    assert with_closed("<&- >&- 2>&-", "check") == (1, "")


async def test_an_export_that_its_output_does_not_take_is_said_in_a_line(tmp_path):
    store = tmp_path / "labmon.db"
    async with datastream.open(f"sqlite:///{store}") as streams:
        stream = await streams.ensure_stream({"path": "a/b"}, {}, ["mean"], "raw")
        await streams.append(stream, 1.0, 1)
    said = "standard output: No space left on device\n"
    assert into_a_full_disk("export", "--store", store) == (1, said)


def test_an_output_without_our_letters_gets_others_instead():
    done = subprocess.run(
        [sys.executable, "-m", "labmon", "drivers", "lakeshore"],
        cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=True,
    )  # fmt: skip
    assert b"port: text, required" in done.stdout


def test_a_server_starts_where_nobody_can_be_told_its_address(caplog, monkeypatch):
    def refuse(_text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli.click, "echo", refuse)
    server = SimpleNamespace(
        devices={}, address="http://x", config=SimpleNamespace(store_shown="memory:")
    )
    cli._say_ready(server)
    assert "http://x" in caplog.text
    assert "No space left on device" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gauge?fault=bla", "--tcp", "0"], "there is no fault 'bla'; there are: none, silence"),
        (["gauge", "--port", "/nowhere/gauge"], "the link /nowhere/gauge cannot be made: No such"),
    ],
)
def test_simulate_says_what_is_wrong(run, arguments, said):
    result = run("simulate", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "store", ["sqlite:x.db", "sqlite://x.db", "postgresql://host/x", "http://x", "memory:"]
)
@pytest.mark.parametrize("command", ["inspect", "verify", "export"])
def test_what_is_no_address_of_a_store_is_said(run, command, store):
    result = run(command, "--store", store)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"--store {store}: ")
    assert "a file" in result.stderr

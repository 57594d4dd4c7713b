"""`labmon simulate`: a simulator that other programs reach over a pseudo-terminal or TCP."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import serial
from click.testing import CliRunner

from labmon.cli import main
from labmon.device import open_link
from labmon.device.simulator import make_simulator, simulators
from labmon.device.simulator_server import PtySimulatorServer
from labmon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
needs_pty = pytest.mark.skipif(os.name != "posix", reason="no pty")


@contextmanager
def simulate(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and the first line that it prints."""
    command = [sys.executable, "-m", "labmon", "simulate", *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "drivers")])
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@needs_pty
def test_any_program_opens_it_as_a_serial_port(tmp_path):
    link = tmp_path / "gauge"
    link.symlink_to("/dev/pts/of-one-that-was-killed")
    with simulate("gauge", "--port", link) as (process, said):
        assert said == f"gauge answers at {link}; stop with Ctrl-C\n"
        for _ in range(2):  # one program after the other
            with serial.Serial(str(link), timeout=30) as port:
                port.write(b"*IDN?\r\n")
                assert port.readline() == b"LABMON,SIMULATED GAUGE,0,1.0\r\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not link.is_symlink()


def test_and_over_tcp_with_its_options():
    with simulate("sim://lakeshore?model=218", "--tcp", "0") as (process, said):
        port = said.split()[3].rstrip(";")
        link = open_link(port, terminator="\r\n")
        assert link.query("*IDN?").startswith("LSCI,MODEL218")
        link.close()
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@needs_pty
def test_what_is_unplugged_takes_its_link_along_and_comes_back(tmp_path):
    link = tmp_path / "gauge"
    url = "gauge?fault=unplug&fault_after_s=0.5&fault_for_s=0.5"
    with simulate(url, "--port", link) as (process, said):
        assert process.stdout is not None
        assert process.stdout.readline() == f"{link} is unplugged\n"
        assert process.stdout.readline() == said
        with serial.Serial(str(link), timeout=30) as port:
            port.write(b"*IDN?\r\n")
            assert port.readline() == b"LABMON,SIMULATED GAUGE,0,1.0\r\n"
        process.terminate()
        assert process.wait(30) == 0
    assert not link.is_symlink()


@needs_pty
def test_what_stays_unplugged_can_be_stopped(tmp_path):
    with simulate("gauge?fault=unplug", "--port", tmp_path / "gauge") as (process, _said):
        assert process.stdout is not None
        assert process.stdout.readline().endswith("is unplugged\n")
        process.terminate()
        assert process.wait(30) == 0


@needs_pty
def test_a_file_that_is_no_link_is_left_alone(tmp_path):
    path = tmp_path / "data"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        PtySimulatorServer(make_simulator("sim://gauge"), path)
    assert path.read_text() == "precious"


@needs_pty
def test_a_link_to_a_real_port_is_left_alone(tmp_path):
    real, link = tmp_path / "ttyUSB0", tmp_path / "gauge"
    real.touch()
    link.symlink_to(real)
    with pytest.raises(FileExistsError):
        PtySimulatorServer(make_simulator("sim://gauge"), link)
    assert link.readlink() == real


def test_a_link_that_another_made_meanwhile_stays(tmp_path):
    link = tmp_path / "gauge"
    with PtySimulatorServer(make_simulator("sim://gauge"), link):
        link.unlink()
        link.symlink_to("elsewhere")
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tcp", "0"], "name a simulator"),
        (["gauge"], "say where"),
        (["gauge", "--tcp", "0", "--port", "x"], "say where"),
        (["gaug", "--tcp", "0"], "there are: .*gauge"),
        (["gauge?colour=red", "--tcp", "0"], "there is no option"),
        (["lakeshore?model=999", "--tcp", "0"], "there is no such simulator: '999'"),
        (["gauge", "--port", "/nowhere/gauge"], "No such file"),
    ],
)
def test_mistakes_are_said(arguments, message):
    result = CliRunner().invoke(main, ["simulate", *arguments])
    assert result.exit_code in {1, 2}
    assert re.search(message, result.output), result.output


def test_a_port_in_use_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["simulate", "gauge", "--tcp", str(port)])
    assert result.exit_code == 1
    assert "in use" in result.output


def test_the_list_has_every_simulator_with_its_options():
    output = CliRunner().invoke(main, ["simulate", "--list"]).output
    for name in simulators():
        if name not in {"mine", "oven", "of_the_docs"}:  # made by tests
            assert f"\n{name}: " in f"\n{output}"
    assert "    model=336: `218` or `331` to `350`." in output


def test_a_simulator_that_cannot_be_so_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError, match="there is no such simulator"):
        make_simulator("sim://pfeiffer?model=TPG 999")
